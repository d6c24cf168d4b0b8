package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"velador/api"
	"velador/client"
	"velador/internal/access"
	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/server"
	"velador/internal/server/servertest"
	"velador/internal/store"
)

const token = "0123456789abcdef-ops"

// dialAll makes a client, with a token, of a server that has every part but a verifier.
func dialAll(t *testing.T) (*client.Client, *parts, *servertest.Market) {
	t.Helper()
	clock := func() time.Time { return noon }
	p := &parts{servertest.NewFleet(clock, "ETHUSDT"), servertest.Minutes("ETHUSDT", candle.MillisOf(noon), 3), servertest.NewLogs()}
	market, keys := new(servertest.Market), new(access.Keys)
	if err := keys.AddFile("ops " + token + "\n"); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(server.New(server.Config{
		Fleet: p.fleet, Candles: p.candles, Logs: p.logs, Clock: clock, Keys: keys, Market: market, Browser: onePage{},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			io.WriteString(w, "velador_up 1\n")
		}),
		System: func(context.Context) (api.SystemAnswer, error) { return api.SystemAnswer{Version: "v1"}, nil },
	}).Handler())
	t.Cleanup(h.Close)
	carrier := &http.Transport{}
	t.Cleanup(carrier.CloseIdleConnections)
	c, err := client.New(h.URL, client.WithLanguage("en"), client.WithHTTPClient(&http.Client{Transport: bearer{carrier}}))
	if err != nil {
		t.Fatal(err)
	}
	return c, p, market
}

// bearer sends a token, as the CLI does.
type bearer struct{ http.RoundTripper }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.RoundTripper.RoundTrip(r)
}

// onePage is a database in which every table has one row, found by a search that begins with its cursor.
type onePage struct{}

func (onePage) Browse(_ context.Context, q store.Browse) (store.Page, error) {
	row := make([]any, len(q.Table.Columns()))
	row[0] = string(q.Table) + " " + q.Symbol + " " + q.State + " " + q.Search + " " + q.Sort
	return store.Page{Rows: [][]any{row}}, nil
}

func TestTheMachineryTheFiguresAndTheTablesAreRead(t *testing.T) {
	t.Parallel()
	c, _, _ := dialAll(t)
	ctx := t.Context()
	if system, err := c.System(ctx); err != nil || system.Version != "v1" {
		t.Errorf("the system is %+v, %v", system, err)
	}
	readAll := func(body io.ReadCloser, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		data, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	if got := readAll(c.Metrics(ctx)); got != "velador_up 1\n" {
		t.Errorf("the figures are %q", got)
	}
	if tables, err := c.Tables(ctx); err != nil || len(tables) != 4 {
		t.Errorf("the tables are %v, %v", tables, err)
	}
	q := client.DataQuery{Table: "gaps", Symbol: "ETHUSDT", State: "open", Search: "eth", Sort: "from", From: noon, To: noon.Add(time.Hour), Descending: true, Limit: 5}
	page, err := c.Data(ctx, q)
	if err != nil || len(page.Rows) != 1 || page.Rows[0][0] != "gaps ETHUSDT open eth from" || page.Next != nil {
		t.Errorf("the page is %+v, %v", page, err)
	}
	if got := readAll(c.DataCSV(ctx, q)); !strings.Contains(got, "\ngaps ETHUSDT open eth from,") {
		t.Errorf("the CSV is %q", got)
	}
	var failure *client.Error
	if _, err := c.Data(ctx, client.DataQuery{Table: "no/such?table"}); !errors.As(err, &failure) || failure.Status != 404 {
		t.Errorf("a table that does not exist is %v", err)
	}
}

func TestCandlesAreFollowedAsTheyFormAndClose(t *testing.T) {
	t.Parallel()
	c, _, market := dialAll(t)
	series := client.Series{Symbol: "ETHUSDT", Timeframe: "1m", From: noon.Add(time.Minute)}
	next := servertest.Minutes("ETHUSDT", candle.MillisOf(noon.Add(3*time.Minute)), 1).Stored[0]
	enough := errors.New("enough")
	var closed []int64
	err := c.FollowCandles(t.Context(), series, client.CandlesWatcher{
		Closed: func(one api.Candle) error {
			if closed = append(closed, one.OpenTime); len(closed) == 2 {
				market.Form(candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1}, next)
			}
			return nil
		},
		Forming: func(one api.Candle) error {
			if one.OpenTime != int64(next.OpenTime) {
				t.Errorf("%d forms", one.OpenTime)
			}
			return enough
		},
	})
	if !errors.Is(err, enough) || len(closed) != 2 || closed[0] != noon.Add(time.Minute).UnixMilli() {
		t.Errorf("it ended with %v after %v", err, closed)
	}
}

func TestWhatChangesIsTold(t *testing.T) {
	t.Parallel()
	c, p, _ := dialAll(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told []string
	listed := make(chan struct{})
	tell := func(what string) { told = append(told, what) }
	go func() {
		<-listed
		if _, err := c.Start(ctx, eth); err != nil {
			t.Error(err)
		}
	}()
	systems := 0
	err := c.Events(ctx, client.EventsWatcher{
		Session: func(s api.Session) { tell("session " + s.Name) },
		Collectors: func(list []api.CollectorStatus) {
			if tell("collectors"); len(list) == 0 {
				close(listed)
			} else {
				cancel()
			}
		},
		Changes: func(change api.CollectorChanges) {
			tell("changes " + change.Collectors[0].Symbol)
			p.fleet.Fail(problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "x"))
		},
		Trouble: func(e *client.Error) {
			tell("trouble " + e.Code)
			p.fleet.Fail(nil)
		},
		System: func(api.SystemAnswer) { systems++ },
	})
	want := "session ops, collectors, changes ETHUSDT, trouble database_unavailable, collectors"
	if got := strings.Join(told, ", "); !errors.Is(err, context.Canceled) || got != want || systems == 0 {
		t.Errorf("%s was told, and the system %d times; it ended with %v", got, systems, err)
	}
}
