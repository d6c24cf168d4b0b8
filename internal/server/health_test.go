package server

import (
	"context"
	"errors"
	"testing"

	"velador/internal/problem"
)

func TestHealthTellsThatTheProcessLives(t *testing.T) {
	t.Parallel()
	build(t).get("/healthz").want(t, 200, `{"status":"ok"}`)
}

func TestReadinessAsksEveryPart(t *testing.T) {
	t.Parallel()
	fine := func(context.Context) error { return nil }
	h := build(t, func(c *Config) { c.Ready = []Check{{"database", fine}, {"bus", fine}, {"agent", fine}} })
	h.get("/readyz").want(t, 200, `{"status":"ready","checks":{"agent":"ok","bus":"ok","database":"ok"}}`)
}

func TestReadinessNamesWhatIsMissingAndWhy(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *Config) {
		c.Ready = []Check{
			{"database", func(context.Context) error {
				return problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "away")
			}},
			{"bus", func(context.Context) error { return nil }},
			{"agent", func(context.Context) error { return errors.New("dial tcp 10.0.0.7: refused") }},
			{"clock", func(context.Context) error { panic("a defect") }},
		}
	})
	h.get("/readyz").want(t, 503, `{"error":"velador no está listo: agent, clock, database","code":"not_ready","status":"not ready","checks":{`+
		`"agent":"no disponible: el registro del servidor dice más","bus":"ok","clock":"no disponible: el registro del servidor dice más",`+
		`"database":"La base de datos no está disponible ahora: inténtelo más tarde"}}`)
	h.get("/readyz", "Accept-Language", "en").want(t, 503, `{"error":"velador is not ready: agent, clock, database","code":"not_ready","status":"not ready","checks":{`+
		`"agent":"not available: the server's log says more","bus":"ok","clock":"not available: the server's log says more",`+
		`"database":"The database is not available now: try again later"}}`)
}
