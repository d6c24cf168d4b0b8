package postgres_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"

	"velador/internal/candle"
	"velador/internal/problem"
	"velador/internal/store"
	"velador/internal/store/postgres"
	"velador/internal/store/postgres/pgtest"
)

func oneCandle() []store.Entry {
	d := candle.MustDecimal("1.0")
	return []store.Entry{{
		Series: candle.Series{Exchange: "binance", Symbol: "ETHUSDT", Timeframe: candle.Minute1},
		Candle: candle.Candle{Open: d, High: d, Low: d, Close: d},
	}}
}

func TestAnUnreadableURLIsInvalidAndNotRepeated(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "ETHUSDT", "mysql://u:s3cr3t@localhost/db", "postgres://u:s3cr3t@localhost:port/db", "postgres://u:s3cr3t@localhost:70000/db",
		"postgres://u:12/s3cr3t@localhost/db", "postgres://u:s3cr3t?x@localhost/db", "postgres://u:12?s3cr3t@localhost/db", "postgres://u:1#s3cr3t@localhost/db",
		"postgres://u:s3cr3t%zz@localhost/db", "postgres://u:s3cr3t@localhost/db?sslmode=perhaps", "postgres://u:s3cr3t@localhost/db?pool_max_conns=many",
		"host=localhost password=s3cr3t port=many", "host=localhost password='s3cr3t", "password=s3cr3t connect_timeout=soon",
	} {
		for _, config := range []postgres.Config{{URL: text}, {URL: "postgres://localhost/db", DirectURL: text}} {
			if config.DirectURL == "" && config.URL != text {
				continue // "" is no direct URL, which is allowed
			}
			s, err := postgres.Open(t.Context(), config)
			if problem.KindOf(err) != problem.Invalid {
				t.Errorf("%+v: %v, %v", config, s, err)
				continue
			}
			var p *problem.Error
			if !errors.As(err, &p) || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(p.Text, "DATABASE_URL") {
				t.Errorf("%+v: %v", config, err)
			}
		}
	}
}

func TestAnUnreachableDatabaseIsUnavailableInWordsWithoutThePassword(t *testing.T) {
	t.Parallel()
	real := pgtest.Database(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closedPort := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	change := func(do func(*url.URL)) string {
		u, err := url.Parse(real)
		if err != nil {
			t.Fatal(err)
		}
		do(u)
		return u.String()
	}
	for name, c := range map[string]struct{ url, say string }{
		"connection refused": {change(func(u *url.URL) { u.Host = closedPort }), "start PostgreSQL"},
		"unknown host":       {change(func(u *url.URL) { u.Host = "no-such-host.invalid" }), "host"},
		"wrong password":     {change(func(u *url.URL) { u.User = url.UserPassword("velador", pgtest.Password+"-wrong") }), "password"},
		"unknown user":       {change(func(u *url.URL) { u.User = url.UserPassword("nobody", pgtest.Password) }), "password"},
		"unknown database":   {change(func(u *url.URL) { u.Path = "/no_such_database" }), "create"},
		"read-only":          {change(func(u *url.URL) { u.RawQuery += "&default_transaction_read_only=on" }), "no writes"},
		"statement timeout":  {change(func(u *url.URL) { u.RawQuery += "&statement_timeout=1" }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, postgres.Config{URL: c.url})
			errs := map[string]error{"Ping": s.Ping(t.Context())}
			_, errs["Migrate"] = s.Migrate(t.Context())
			_, errs["Write"] = s.Write(t.Context(), oneCandle())
			_, errs["Collectors"] = s.Collectors(t.Context())
			if name == "statement timeout" {
				return // whether a statement makes it in a millisecond is its own affair; nothing may hang
			}
			if name == "read-only" {
				delete(errs, "Ping")
				delete(errs, "Write")
				delete(errs, "Collectors")
			}
			for call, err := range errs {
				var p *problem.Error
				if !errors.As(err, &p) || p.Kind != problem.Unavailable || p.Code != problem.CodeDatabaseUnavailable || !strings.Contains(p.Text, c.say) {
					t.Errorf("%s: %v", call, err)
				}
				if err != nil && strings.Contains(err.Error(), pgtest.Password) {
					t.Errorf("%s shows the password: %v", call, err)
				}
			}
		})
	}
}

func TestAStoreOpenedBeforeItsDatabaseWorksWhenThatComes(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Config{})
	address := server.Database(t)
	server.Stop(t)
	s := open(t, postgres.Config{URL: address})
	if err := s.Ping(t.Context()); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("Ping without a server: %v", err)
	}
	server.Run(t)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMigrationsGoThroughTheDirectURL(t *testing.T) {
	t.Parallel()
	pooled, direct := pgtest.Database(t), pgtest.Database(t)
	s := open(t, postgres.Config{URL: pooled, DirectURL: direct})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	there := open(t, postgres.Config{URL: direct})
	if _, err := there.Write(context.Background(), oneCandle()); err != nil {
		t.Errorf("the direct database was not migrated: %v", err)
	}
	if _, err := s.Write(context.Background(), oneCandle()); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("the pooled database was migrated: %v", err)
	}
}
