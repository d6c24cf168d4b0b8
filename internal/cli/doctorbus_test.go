package cli

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"velador/internal/bus"
)

// held is a data directory that a server has, with its bus or without.
func held(t *testing.T, withBus bool) string {
	t.Helper()
	dir, err := openDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.close(); err != nil {
			t.Error(err)
		}
	})
	if !withBus {
		return dir.path
	}
	log := slog.New(slog.DiscardHandler)
	inside, err := bus.StartServer(bus.ServerConfig{Dir: dir.join("bus"), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.Shutdown)
	conn, err := bus.Connect(bounded(t), bus.ClientConfig{File: inside.File(), Name: "test", Logger: log})
	if err == nil {
		err = conn.Provision(bounded(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	return dir.path
}

func TestDoctorAsksTheBusOfAServerThatRuns(t *testing.T) {
	t.Parallel()
	d, _ := diagnose(t, held(t, true))
	d.wants(t, "bus", isWell, "the one inside answers; 0 messages wait for the database")
	if _, _, known := lockHolder(filepath.Join(t.TempDir(), "x")); !known {
		return // the system does not tell who holds a lock
	}
	d.wants(t, "data lock", isWell, "a velador (PID "+strconv.Itoa(os.Getpid())+") runs on the data directory")
	d, code := diagnose(t, held(t, false))
	if code != ExitFailure {
		t.Errorf("exit code %d", code)
	}
	d.wants(t, "bus", isBroken, "a velador runs on the data directory, and its bus does not answer")
	d.wants(t, "bus", isBroken, "look at the log of that server")

	// A server that was killed leaves its files, and no lock.
	dir := t.TempDir()
	left, err := openDataDir(dir)
	if err == nil {
		err = left.close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "bus"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bus", bus.FileName), []byte(`{"url":"nats://127.0.0.1:1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ = diagnose(t, dir)
	d.wants(t, "data lock", isWell, "no velador runs on the data directory")
	d.wants(t, "bus", isWell, "starts with velador serve")
	// And whoever wants the directory gets it, while and after the doctor looks.
	again, err := openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
}

func TestWhatWaitsTooLongForTheDatabaseIsToldOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		waiting bus.Waiting
		state   string
		says    string
	}{
		{bus.Waiting{}, isWell, "it answers; 0 messages wait for the database"},
		{bus.Waiting{Messages: 3, Oldest: time.Now().Add(-oldestPoor / 2)}, isWell, "it answers; 3 messages wait for the database"},
		{bus.Waiting{Messages: 7, Oldest: time.Now().Add(-2*time.Hour - time.Second)}, isPoor, "it answers; 7 messages wait for the database, the oldest since 2h00m"},
	} {
		if f := told("bus", "it answers", test.waiting); f.State != test.state || f.Says != test.says {
			t.Errorf("%+v: %+v", test.waiting, f)
		}
	}
}

// natsServer is an external NATS.
func natsServer(t *testing.T, options server.Options) (address string) {
	t.Helper()
	options.Host, options.Port, options.NoLog, options.NoSigs, options.StoreDir = "127.0.0.1", -1, true, true, t.TempDir()
	s, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server does not get ready")
	}
	return s.Addr().String()
}

func TestDoctorAsksAnExternalNATSWhetherItKeepsStreams(t *testing.T) {
	t.Parallel()
	streams := natsServer(t, server.Options{JetStream: true, Username: "velador", Password: "verysecret"})
	none := natsServer(t, server.Options{})
	for _, test := range []struct{ url, state, words string }{
		{"nats://velador:verysecret@" + streams, isWell, "answers, with JetStream"},
		{"nats://velador:verysecretbutwrong@" + streams, isBroken, "has the right user and password"},
		{"nats://" + none, isBroken, "keeps no streams | start it with JetStream"},
		{"nats://velador:verysecret@127.0.0.1:1", isBroken, "the external NATS cannot be reached"},
		{"verysecret", isBroken, "holds something that is no address | give one such as"},
	} {
		d, _ := diagnose(t, t.TempDir(), "VELADOR_NATS_URL="+test.url)
		d.wants(t, "bus", test.state, test.words)
		if text, err := json.Marshal(d); err != nil || strings.Contains(string(text), "verysecret") {
			t.Errorf("the password stands in %s (%v)", text, err)
		}
	}
}
