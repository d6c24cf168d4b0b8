package ingest

import (
	"log/slog"

	"velador/internal/bus"
	"velador/internal/candle"
	"velador/internal/store"
)

// count counts what a batch has done, and tells what a person should know of it: that stored candles were
// wrong, that others came which are not taken, or that the exchange no longer stands by what is stored.
func (w *Writer) count(batch []bus.Delivery, written store.Written) {
	c := &w.counters
	c.batches.Add(1)
	c.new.Add(int64(written.New))
	c.same.Add(int64(written.Same))
	c.changed.Add(int64(written.Changed))
	c.kept.Add(int64(written.Kept))
	var audits []*candle.Audit
	for i := range batch {
		if batch[i].Audit != nil {
			audits = append(audits, batch[i].Audit)
		}
		gap := batch[i].Gap
		if gap == nil {
			continue
		}
		c.gaps.Add(1)
		switch gap.State {
		case candle.GapOpen:
			c.open.Add(1)
		case candle.GapAbsent:
			c.absent.Add(1)
		case candle.GapRepaired:
			c.repaired.Add(1)
		}
	}
	c.audits.Add(int64(written.Confirmed))
	c.vanished.Add(int64(written.Vanished))
	c.unconfirmed.Add(int64(len(written.Unconfirmed)))
	if written.Changed > 0 {
		w.Logger.Warn("stored candles were not what the exchange's history says; they are corrected", "candles", written.Changed, changes(written.Changes))
	}
	if written.Kept > 0 {
		w.Logger.Warn("candles came that are not what the exchange's history has confirmed; what is stored stays, and velador verify tells which is right",
			"candles", written.Kept, changes(written.Keeps))
	}
	if written.Vanished > 0 {
		w.Logger.Warn("the exchange's history no longer has candles that are stored; they are kept", "candles", written.Vanished, ranges(audits))
	}
	if len(written.Unconfirmed) > 0 {
		w.Logger.Warn("an audit does not fit what is stored and confirms nothing; it is made again when the collector starts anew", "audits", len(written.Unconfirmed), ranges(audits))
		if w.Lacks != nil {
			w.Lacks(written.Unconfirmed)
		}
	}
}

// toldAtOnce bounds what one line of the log names.
const toldAtOnce = 5

// changes names the first of the candles that were replaced, or kept, with their old and new values as CSV.
func changes(all []store.Change) slog.Attr {
	var told []any
	for _, change := range all[:min(len(all), toldAtOnce)] {
		told = append(told, slog.Group(change.Series.String()+":"+change.New.OpenTime.String(),
			"old", string(change.Old.AppendCSV(nil)), "new", string(change.New.AppendCSV(nil))))
	}
	return slog.Group("changes", told...)
}

// ranges names the first of the audits of a batch.
func ranges(audits []*candle.Audit) slog.Attr {
	var told []any
	for _, a := range audits[:min(len(audits), toldAtOnce)] {
		told = append(told, slog.String(a.Series.String(), a.Range.String()))
	}
	return slog.Group("audited", told...)
}
