package server

import (
	"context"
	"testing"

	"velador/api"
	"velador/internal/problem"
)

func TestTheSystemIsShownAsItIsKnown(t *testing.T) {
	t.Parallel()
	var failure error
	known := api.SystemAnswer{Version: "1.2.3", Database: api.SystemDatabase{Kind: "sqlite"}, Budgets: []api.SystemBudget{{Exchange: "binance", Used: 7, Limit: 6000, WindowSeconds: 60}}}
	h := build(t, func(c *Config) {
		c.System = func(context.Context) (api.SystemAnswer, error) { return known, failure }
	})
	h.get("/api/system").want(t, 200, `{"version":"1.2.3","go":"","startedAt":"0001-01-01T00:00:00.000Z","uptime":0,"memory":{"rss":null,"heap":0},`+
		`"database":{"kind":"sqlite","up":false,"bytes":null},"bus":{"connected":false,"pending":null,"unacknowledged":null,"bytes":null,"oldestSeconds":null},`+
		`"writer":{"batches":0,"new":0,"same":0,"changed":0,"gaps":0,"open":0,"absent":0,"repaired":0,"audits":0,"vanished":0,"rejected":0,"perSecond":0,"failing":"","lagSeconds":{"p50":0,"p99":0,"max":0}},`+
		`"budgets":[{"exchange":"binance","used":7,"limit":6000,"windowSeconds":60,"waiting":0,"sharers":0,"bannedUntil":null}]}`)
	h.beyond = true // the real one says null of what it cannot learn
	failure = problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "")
	if answer := h.get("/api/system"); answer.status != 503 {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	if answer := build(t).get("/api/system"); answer.status != 404 {
		t.Errorf("without a machinery: %d %s", answer.status, answer.body)
	}
}
