package supervise

import (
	"context"
	"slices"

	"velador/internal/collector"
	"velador/internal/store"
)

// view is what the registry says about some of its records. It is kept in memory, and read again only
// when the registry has changed.
type view struct {
	registry store.Registry
	versions store.Versions // nil: it is read each time
	statuses []collector.Status
	readings *shared[*records]
	held     *records // of the last reading; for whoever has the turn of readings
}

func newView(registry store.Registry, versions store.Versions, statuses ...collector.Status) *view {
	return &view{registry: registry, versions: versions, statuses: statuses, readings: newShared[*records]()}
}

// read gives the records as they are now: nothing that was written before this call is missing. Those
// who come together share one reading.
func (v *view) read(ctx context.Context) (*records, error) { return v.readings.ask(ctx, v.refresh) }

func (v *view) refresh(ctx context.Context) (*records, error) {
	var version int64
	if v.versions != nil {
		// Before the rows: a change between the two is found by the next call.
		var err error
		if version, err = v.versions.RegistryVersion(ctx); err != nil {
			return nil, err
		}
		if v.held != nil && v.held.version == version {
			return v.held, nil
		}
	}
	rows, err := v.registry.Collectors(ctx, v.statuses...)
	if err != nil {
		return nil, err
	}
	v.held = newRecords(rows, version)
	return v.held, nil
}

// records are rows that are not history, oldest first, with what is needed to find among them. They
// are shared, and never written.
type records struct {
	rows      []collector.Record
	at        map[int64]int // position by ID
	instances []string      // who looks after them, each once
	version   int64
}

func newRecords(rows []collector.Record, version int64) *records {
	rows = slices.DeleteFunc(rows, collector.Record.Over)
	r := &records{rows: rows, at: make(map[int64]int, len(rows)), version: version}
	for i := range rows {
		r.at[rows[i].ID] = i
		if instance := rows[i].Instance; instance != "" && !slices.Contains(r.instances, instance) {
			r.instances = append(r.instances, instance)
		}
	}
	return r
}
