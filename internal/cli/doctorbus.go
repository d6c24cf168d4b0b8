package cli

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"velador/internal/bus"
)

// oldestPoor is how long a message may wait for the database before somebody should look.
const oldestPoor = time.Minute

// lookAtBus looks at the external bus, or at that of a server which runs on the data directory.
func (d *doctor) lookAtBus(ctx context.Context) []finding {
	const what = "bus"
	holder, held, known := lockHolder(filepath.Join(d.database.dataDir, "velador.lock"))
	var found []finding
	switch {
	case held && holder > 0:
		found = append(found, well("data lock", "a velador (PID %d) runs on the data directory", holder))
	case held:
		found = append(found, well("data lock", "a velador runs on the data directory"))
	case known:
		found = append(found, well("data lock", "no velador runs on the data directory"))
	}
	if d.nats.url != "" {
		return append(found, lookAtNATS(ctx, d.nats.url))
	}
	file := filepath.Join(d.database.dataDir, "bus", bus.FileName)
	if _, err := os.Stat(file); !held && (known || err != nil) {
		return append(found, well(what, "the one inside starts with velador serve"))
	}
	waiting, err := waitingOn(ctx, bus.ClientConfig{File: file, Name: "doctor", Logger: slog.New(slog.DiscardHandler)})
	switch {
	case err != nil && !known:
		return append(found, well(what, "no velador runs on the data directory, or its bus does not answer"))
	case err != nil:
		return append(found, broken(what, "look at the log of that server; it may still be starting, or stuck", "a velador runs on the data directory, and its bus does not answer: %v", err))
	}
	return append(found, told(what, "the one inside answers", waiting))
}

// told tells what waits on a bus that answers.
func told(what, says string, w bus.Waiting) finding {
	f := well(what, "%s; %d messages wait for the database", says, w.Messages)
	if age := time.Since(w.Oldest); !w.Oldest.IsZero() && age > oldestPoor {
		f.State, f.Do = isPoor, "look whether the database is slow or away, and at the log of the server"
		f.Says += ", the oldest since " + uptime(int64(age.Seconds()))
	}
	return f
}

func waitingOn(ctx context.Context, config bus.ClientConfig) (bus.Waiting, error) {
	conn, err := bus.Connect(ctx, config)
	if err != nil {
		return bus.Waiting{}, err
	}
	defer conn.Close()
	return conn.Waiting(ctx)
}

// lookAtNATS asks an external server whether it keeps streams for us.
func lookAtNATS(ctx context.Context, address string) finding {
	const (
		what = "bus"
		do   = "look whether NATS runs there, and whether VELADOR_NATS_URL has the right user and password"
	)
	for one := range strings.SplitSeq(address, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err != nil || u.Host == "" {
			return broken(what, "give one such as nats://user:password@host:4222", "VELADOR_NATS_URL holds something that is no address")
		}
	}
	conn, err := nats.Connect(address, nats.Name("velador doctor"), nats.Timeout(doctorTimeout), nats.MaxReconnects(0))
	if err != nil {
		return broken(what, do, "the external NATS cannot be reached: %v", err)
	}
	defer conn.Close()
	where := conn.ConnectedUrlRedacted()
	streams, err := jetstream.New(conn)
	if err != nil {
		return broken(what, do, "NATS at %s: %v", where, err)
	}
	account, err := streams.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return broken(what, "start it with JetStream: nats-server -js, or jetstream {} in its configuration, and for this account", "NATS at %s keeps no streams", where)
	case err != nil:
		return broken(what, do, "NATS at %s does not tell of JetStream: %v", where, err)
	}
	if most := account.Limits.MaxStore; most > 0 && most < bus.DefaultMaxBytes {
		return poor(what, "give the account more room for streams", "NATS at %s allows the account %s of streams; velador asks for %s", where, humanize.IBytes(uint64(most)), humanize.IBytes(bus.DefaultMaxBytes))
	}
	return well(what, "NATS at %s answers, with JetStream", where)
}
