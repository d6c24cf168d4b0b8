package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // locks the server's file from outside

	"velador/internal/candle"
	"velador/internal/klineapi"
	"velador/internal/store/postgres/pgtest"
)

// world is what a schedule happens to: an exchange that replays recordings, a server with its
// collectors, and a database that may be taken away.
type world struct {
	t        *testing.T
	plan     schedule
	site     *site
	server   *program
	cluster  *pgtest.Server // nil: SQLite
	database string         // its name on the cluster
	done     map[string]int // happenings by what they were
}

// newWorld starts the exchange and the server, and has the server collect what the plan wants.
func newWorld(t *testing.T, plan schedule, recordings string, speed float64, cluster *pgtest.Server) *world {
	t.Helper()
	w := &world{t: t, plan: plan, cluster: cluster, done: make(map[string]int)}
	var env []string
	if cluster != nil {
		address := cluster.Database(t)
		parsed, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		w.database = strings.TrimPrefix(parsed.Path, "/")
		env = append(env, "DATABASE_URL="+address)
		t.Cleanup(func() { cluster.Exec(t, "DROP DATABASE "+w.database+" WITH (FORCE)") }) // after the server has ended
	}
	exchange, urls := simulator(t, "--data", filepath.Join(recordings, "wide-2021-04"), "--symbols", strings.Join(plan.symbols, ","),
		"--from", plan.live.String(), "--speed", fmt.Sprint(speed), "--seed", fmt.Sprint(plan.seed), "--log-level", "warn")
	w.site = newSiteOn(t, exchange, append(env, urls...))
	w.serve()
	for _, f := range plan.collectors {
		start(t, w.server, fmt.Sprintf(`{"timeframe":"%s","symbol":"%s","since":"%s"}`, f.timeframe, f.selector(), plan.day.From))
	}
	return w
}

func (w *world) serve() { w.server = w.site.serve(nil) }

// now is the exchange's clock.
func (w *world) now() candle.Millis {
	w.t.Helper()
	_, _, text := call(w.t, "GET", w.site.exchange.url+"/control/clock", "")
	return candle.Millis(object(w.t, text)["now"].(float64))
}

// await lets the market run until its clock shows so much.
func (w *world) await(at candle.Millis, speed float64) {
	w.t.Helper()
	for {
		left := at.Sub(w.now())
		if left <= 0 {
			return
		}
		time.Sleep(max(5*time.Millisecond, time.Duration(float64(left)/speed))) // the market takes that long
	}
}

// control posts an order to the exchange.
func (w *world) control(method, path string, body any) {
	w.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	if status, _, answer := call(w.t, method, w.site.exchange.url+"/control/"+path, string(text)); status/100 != 2 {
		w.t.Fatalf("%s %s %s: %d %s", method, path, text, status, answer)
	}
}

// befall does what is to happen. Its sleeps are the happening itself: how long something is away.
func (w *world) befall(h happening) {
	w.t.Helper()
	w.done[h.what]++
	if len(h.faults) > 0 {
		w.control("POST", "faults", h.faults)
	}
	cut := func() { w.control("POST", "cut", map[string]bool{"reset": h.reset}) }
	switch h.what {
	case "frames", "closes", "silence":
	case "cut", "half-open", "handshake", "rest", "ban":
		cut()
	case "goodbye":
		w.control("POST", "shutdown", map[string]klineapi.Duration{"lead": klineapi.Duration(h.lasts)})
	case "stall":
		w.frozen(h.lasts, w.site.exchange.cmd.Process.Pid)
	case "freeze server":
		w.frozen(h.lasts, w.server.cmd.Process.Pid)
	case "kill collectors":
		w.killSome(h)
	case "freeze collectors":
		w.frozen(h.lasts, w.victims(h)...)
	case "kill server":
		w.site.kill(w.server)
		time.Sleep(h.lasts)
		w.serve()
	case "kill both":
		w.site.kill(w.server)
		w.killSome(h)
		time.Sleep(h.lasts)
		w.serve()
	case "stop and start":
		w.server.stop()
		time.Sleep(h.lasts)
		w.serve()
	case "restart database":
		w.cluster.Stop(w.t)
		time.Sleep(h.lasts)
		w.cluster.Run(w.t)
	case "pause database", "lock database":
		back := w.takeDatabase()
		time.Sleep(h.lasts)
		back()
	case "end its sessions":
		w.cluster.Exec(w.t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+w.database+"'")
	case "kill server meanwhile":
		back := w.takeDatabase()
		time.Sleep(h.lasts)
		w.site.kill(w.server)
		back()
		w.serve()
	default:
		w.t.Fatalf("nobody knows how to %s", h.what)
	}
}

// victims gives the PIDs of some collectors that run.
func (w *world) victims(h happening) []int {
	var pids []int
	for pid := range w.site.processes() {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	chance := rand.New(rand.NewPCG(w.plan.seed, uint64(h.victim)))
	chance.Shuffle(len(pids), func(i, k int) { pids[i], pids[k] = pids[k], pids[i] })
	return pids[:min(h.some, len(pids))]
}

// killSome kills collectors; one that has ended meanwhile is dead enough.
func (w *world) killSome(h happening) {
	for _, pid := range w.victims(h) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// frozen stops processes where they stand for a while.
func (w *world) frozen(lasts time.Duration, pids ...int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // a collector may have ended meanwhile
	}
	time.Sleep(lasts)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

// takeDatabase makes the database answer nothing until it is given back: PostgreSQL's processes are
// stopped where they stand, SQLite's file is locked by somebody else.
func (w *world) takeDatabase() (back func()) {
	w.t.Helper()
	if w.cluster != nil {
		w.cluster.Pause(w.t)
		return func() { w.cluster.Resume(w.t) }
	}
	ctx := context.Background()
	db, err := sql.Open("sqlite", filepath.Join(w.site.dir, "velador.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		_, err = conn.ExecContext(ctx, "PRAGMA busy_timeout = 20000")
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
			w.t.Error(err)
		}
		_ = conn.Close() // nothing was written
		_ = db.Close()
	}
}
