package server

import (
	"net/http"
	"reflect"

	"velador/api"
	"velador/internal/problem"
)

// routes gives the mux, and the method of each path without a placeholder.
func (s *Server) routes() (mux *http.ServeMux, fixed map[string]string) {
	mux = http.NewServeMux()
	d := newDescription(mux, s.cfg.Version)
	s.calls(d, false)
	d.complete()
	asJSON, asYAML := d.pages()
	mux.HandleFunc("GET "+loginPath, s.showLogin)
	mux.HandleFunc("POST "+loginPath, s.login)
	mux.HandleFunc("POST "+logoutPath, s.logout)
	mux.HandleFunc("GET /openapi.json", asJSON)
	mux.HandleFunc("GET /openapi.yaml", asYAML)
	mux.HandleFunc("GET /docs", s.docs)
	for name := range docsAssets {
		mux.HandleFunc("GET /docs/"+name, s.docsAsset(name))
	}
	s.showPages(mux)
	return mux, d.fixed
}

// calls is the whole surface on one page: those calls that the server has the parts for, or every one.
// Each lists the problems of its own; failures.go has those that any call may meet.
func (s *Server) calls(d *description, every bool) {
	register(s, d, route{
		method: http.MethodGet, path: "/api/collectors/status", id: "status", tag: tagCollectors,
		summary: "The collectors whose process is alive",
		text:    "Those whose process is gone become stopped in the registry as a side effect.",
		answer:  reflect.TypeFor[api.StatusAnswer](),
		fails:   []problem.Code{problem.CodeDatabaseUnavailable, problem.CodeBusUnavailable},
	}, s.status)
	register(s, d, route{
		method: http.MethodGet, path: "/api/collectors", id: "collectors", tag: tagCollectors,
		summary: "All collectors that are wanted or still run, with a process or without",
		text: "Beside those of /api/collectors/status: those that wait for their next attempt, and those that velador resumes. " +
			"A collector that was stopped is not listed; its id finds it until its record is removed, seven days later.",
		answer: reflect.TypeFor[api.CollectorsAnswer](),
		fails:  []problem.Code{problem.CodeDatabaseUnavailable, problem.CodeBusUnavailable},
	}, s.collectors)
	register(s, d, route{
		method: http.MethodPost, path: "/api/collectors/start", id: "start", tag: tagCollectors,
		summary: "Start a collector",
		text:    "The body is read as JSON whatever its content type. Members that are not known are ignored.",
		body:    reflect.TypeFor[api.StartRequest](),
		fails: []problem.Code{
			problem.CodeInvalidTimeframe, problem.CodeInvalidSelector, api.CodeMissingParameter, api.CodeNotText, api.CodeInvalidSince,
			problem.CodeUnknownExchange, problem.CodeUnknownSymbol, problem.CodeNoSymbolMatches, problem.CodeAlreadyRunning,
			problem.CodeCollectorFailed, problem.CodeExchangeUnavailable, problem.CodeExchangeNonsense, problem.CodeExchangeBanned,
			problem.CodeDatabaseUnavailable, problem.CodeBusUnavailable,
		},
	}, s.start)
	d.alsoMillis(reflect.TypeFor[api.StartRequest](), "since")
	register(s, d, route{
		method: http.MethodPost, path: "/api/collectors/stop", id: "stop", tag: tagCollectors,
		summary: "Stop a collector, by pid or by id",
		text:    "Answers when its process has ended. Where both are given the id decides.",
		body:    reflect.TypeFor[api.StopRequest](),
		fails: []problem.Code{
			problem.CodeInvalidPID, api.CodeInvalidID, problem.CodeCollectorNotFound, problem.CodeAmbiguousPID, problem.CodeStopFailed,
			problem.CodeDatabaseUnavailable, problem.CodeBusUnavailable,
		},
	}, s.stop)
	register(s, d, route{
		method: http.MethodPost, path: "/api/collectors/restart", id: "restart", tag: tagCollectors,
		summary: "End a collector's process and start it anew, by pid or by id",
		text: "The process brings home what it holds and ends; another one is started at once, under the same id. One that waits for its next attempt waits no longer. " +
			"Answers when the new process runs. Where both are given the id decides.",
		body: reflect.TypeFor[api.RestartRequest](),
		fails: []problem.Code{
			problem.CodeInvalidPID, api.CodeInvalidID, problem.CodeCollectorNotFound, problem.CodeAmbiguousPID, problem.CodeRestartFailed,
			problem.CodeDatabaseUnavailable, problem.CodeBusUnavailable,
		},
	}, s.restart)
	register(s, d, route{
		method: http.MethodPost, path: stopAllPath, id: "stop-all", tag: tagCollectors,
		summary: "Stop every collector",
		text: "Answers when the process of each has ended. The body may be left out. Where some could not be stopped the answer is " +
			"stop_all_failed, with status 500, or 503 when it may help to ask again; its members stopped and failed say which.",
		failsAlso: reflect.TypeFor[api.StopAllAnswer](),
		body:      reflect.TypeFor[api.StopAllRequest](), bodyOptional: true,
		answer: reflect.TypeFor[api.StopAllAnswer](),
		fails:  []problem.Code{api.CodeStopAllFailed, problem.CodeDatabaseUnavailable, problem.CodeBusUnavailable},
	}, s.stopAll)
	register(s, d, route{
		method: http.MethodGet, path: "/api/collectors/{id}", id: "collector", tag: tagCollectors,
		summary: "One collector, dead or alive",
		text:    "One that was stopped is found until its record is removed, seven days later.",
		fails:   []problem.Code{api.CodeInvalidID, problem.CodeCollectorNotFound, problem.CodeDatabaseUnavailable, problem.CodeBusUnavailable},
	}, s.collector)
	register(s, d, route{
		method: http.MethodGet, path: "/api/collectors/{id}/history", id: "history", tag: tagCollectors,
		summary: "The former lives of a collector's process, and how each ended",
		text:    "The life that goes on is not among them. A collector keeps its id over all of them.",
		fails:   []problem.Code{api.CodeInvalidID, api.CodeInvalidNumber, problem.CodeCollectorNotFound, problem.CodeDatabaseUnavailable},
	}, s.history)
	register(s, d, route{
		method: http.MethodGet, path: "/api/collectors/{id}/logs", id: "logs", tag: tagCollectors,
		summary: "What a collector says",
		text:    "With follow=true a stream of Server-Sent Events: one without a name for each line.",
		answer:  reflect.TypeFor[api.LogsAnswer](), events: []event{{"", nil, "a line of the log"}, ended},
		fails: []problem.Code{api.CodeInvalidID, api.CodeInvalidNumber, api.CodeInvalidChoice, problem.CodeCollectorNotFound, problem.CodeDatabaseUnavailable},
	}, s.logs)
	register(s, d, route{
		method: http.MethodGet, path: "/api/candles", id: "candles", tag: tagCandles,
		summary: "Closed candles of one series",
		text: "Every decimal is equal in value to what the exchange sent; in JSON decimals are strings. In CSV the first line names the columns, " +
			"times are epoch milliseconds, and the connection is cut when reading fails midway, so that a truncated file never ends cleanly. " +
			"A series that is not known has no candles and is no error.",
		answer: reflect.TypeFor[api.CandlesAnswer](), answerAlso: "text/csv",
		fails: []problem.Code{
			api.CodeMissingParameter, problem.CodeInvalidSelector, problem.CodeInvalidTimeframe, problem.CodeUnknownExchange,
			api.CodeInvalidTime, api.CodeInvalidRange, api.CodeInvalidNumber, api.CodeInvalidChoice,
			problem.CodeFormatNotAvailable, problem.CodeDatabaseUnavailable,
		},
	}, s.candles)
	register(s, d, route{
		method: http.MethodGet, path: "/api/coverage", id: "coverage", tag: tagCandles,
		summary: "How complete a series is",
		text: "With by=day day by day too: how many candles each is expected to hold, how many it holds, and what is known of the others. " +
			"A series that is not known has none and is no error.",
		fails: []problem.Code{
			api.CodeMissingParameter, problem.CodeInvalidSelector, problem.CodeInvalidTimeframe, problem.CodeUnknownExchange,
			api.CodeInvalidTime, api.CodeInvalidRange, api.CodeInvalidChoice, api.CodeTooManyDays, problem.CodeDatabaseUnavailable,
		},
	}, s.coverage)
	if every || s.cfg.Verifier != nil {
		register(s, d, route{
			method: http.MethodPost, path: "/api/verify", id: "verify", tag: tagCandles,
			summary: "Hold what is stored of a series against the exchange's history, and correct it",
			text: "Compares every stored candle with what the exchange's REST history says today, digit for digit. Of the differences the first 1000 are told one by one. " +
				"It ends when the client goes; what it has corrected until then stays corrected. " +
				"Candles that closed less than five minutes ago, by the exchange's clock, are left out: its history may still change.",
			body: reflect.TypeFor[api.VerifyRequest](),
			events: []event{
				{"progress", reflect.TypeFor[api.VerifyProgress](), "how far it has come"},
				{"difference", reflect.TypeFor[api.VerifyDifference](), "a candle that is not stored as the exchange has it; the first 1000 of them"},
				{"report", reflect.TypeFor[api.VerifyReport](), "what was found and done in all"}, ended,
			},
			fails: []problem.Code{
				api.CodeMissingParameter, api.CodeNotText, problem.CodeInvalidSelector, problem.CodeInvalidTimeframe, problem.CodeUnknownExchange,
				api.CodeInvalidTime, api.CodeInvalidRange, api.CodeInvalidChoice, problem.CodeSeriesNotFound, api.CodeVerifying, api.CodeTooManyVerifications,
				problem.CodeExchangeUnavailable, problem.CodeExchangeNonsense, problem.CodeExchangeBanned, problem.CodeDatabaseUnavailable,
			},
		}, s.verify)
	}
	if every || s.cfg.Market != nil {
		register(s, d, route{
			method: http.MethodGet, path: "/api/candles/stream", id: "candle-stream", tag: tagCandles,
			summary: "Candles of one series as they form and close",
			text: "Server-Sent Events: closed, whose id is the open time, for each candle in order once it is stored; and forming for the one that is not closed yet. " +
				"With after, or Last-Event-ID, those that are stored already come first, without a seam; each comes once. " +
				"A candle that is stored later in a hole before the newest one comes as closed without an id. " +
				"trouble (ErrorAnswer) tells that the database cannot be read at this moment; the stream goes on when it can.",
			events: []event{
				{"closed", reflect.TypeFor[api.Candle](), "a closed candle, once it is stored; its id is its open time"},
				{"forming", reflect.TypeFor[api.Candle](), "the candle that is not closed yet, as it is now"},
				{"trouble", nil, "the database cannot be read at this moment; the stream goes on when it can"},
			},
			fails: []problem.Code{
				api.CodeMissingParameter, problem.CodeInvalidSelector, problem.CodeInvalidTimeframe, problem.CodeUnknownExchange,
				api.CodeInvalidTime, problem.CodeDatabaseUnavailable,
			},
		}, s.candleStream)
	}
	if every || s.cfg.Symbols != nil {
		register(s, d, route{
			method: http.MethodGet, path: "/api/symbols", id: "symbols", tag: tagCandles,
			summary: "The symbols of an exchange",
			text:    "Those that begin with what is searched for first, then those that contain it; symbols that do not trade now included.",
			fails: []problem.Code{
				problem.CodeUnknownExchange, api.CodeInvalidNumber, problem.CodeExchangeUnavailable, problem.CodeExchangeNonsense, problem.CodeExchangeBanned,
			},
		}, s.symbols)
	}
	if every || s.cfg.Browser != nil {
		s.dataRoutes(d)
	}
	register(s, d, route{
		method: http.MethodGet, path: "/api/events", id: "events", tag: tagOperation,
		summary: "What changes, as it changes",
		text: "Server-Sent Events: where the server wants a token first session, with whose end the stream ends; collectors with the body of /api/collectors; then changes, at most one a second, with those that have changed and the ids of those that are gone; " +
			"and every two seconds system with the body of /api/system. A client that was slow gets all it missed in one event, or a whole collectors again. " +
			"trouble (ErrorAnswer) tells that the list cannot be had at this moment; a whole collectors ends it.",
		events: []event{
			{"session", reflect.TypeFor[api.Session](), "where the server wants a token, the first: what this client may do"},
			{"collectors", reflect.TypeFor[api.CollectorsAnswer](), "all collectors, as `GET /api/collectors` lists them"},
			{"changes", reflect.TypeFor[api.CollectorChanges](), "those that have changed since the event before, and the ids of those that are gone"},
			{"system", reflect.TypeFor[api.SystemAnswer](), "how the machinery is, as `GET /api/system` says it"},
			{"trouble", nil, "the collectors cannot be listed at this moment; a whole `collectors` ends it"},
		},
	}, s.events)
	register(s, d, route{
		method: http.MethodGet, path: "/healthz", id: "health", tag: tagOperation,
		summary: "Does the process live?",
		text:    "It needs no token. Whether it can do its work, /readyz tells.",
	}, s.health)
	register(s, d, route{
		method: http.MethodGet, path: "/readyz", id: "ready", tag: tagOperation,
		summary: "Can it do its work?",
		text:    "It needs no token. 503 names each part that keeps it from that, with the reason.",
		fails:   []problem.Code{api.CodeNotReady}, failsAlso: reflect.TypeFor[api.ReadyAnswer](),
	}, s.ready)
	if every || s.cfg.System != nil {
		register(s, d, route{
			method: http.MethodGet, path: "/api/system", id: "system", tag: tagOperation,
			summary: "How the machinery is: database, bus, writer, budgets",
			text:    "The same figures as those of /metrics, at most two seconds old. What is not known at this moment is null.",
		}, s.system)
	}
	if every || s.cfg.Metrics != nil {
		register(s, d, route{
			method: http.MethodGet, path: "/metrics", id: "metrics", tag: tagOperation,
			summary:    "Figures for Prometheus",
			text:       "In Prometheus' text format (version 0.0.4). Series are told apart by the collector's id, never by PID.",
			answerAlso: "text/plain",
		}, s.metrics)
	}
}

// dataRoutes are the calls that read tables; the studio has them alone.
func (s *Server) dataRoutes(d *description) {
	register(s, d, route{
		method: http.MethodGet, path: "/api/series", id: "series", tag: tagData,
		summary: "The series that are stored",
		text:    "Those of which only gaps are known too.",
		fails:   []problem.Code{problem.CodeDatabaseUnavailable},
	}, s.storedSeries)
	register(s, d, route{
		method: http.MethodGet, path: "/api/data", id: "tables", tag: tagData,
		summary: "The tables that can be browsed, with their columns",
		text:    "And the parameters that narrow the rows of each.",
	}, s.dataTables)
	register(s, d, route{
		method: http.MethodGet, path: "/api/data/{table}", id: "data", tag: tagData,
		summary: "A page of a table",
		text: "Pages follow each other by cursor: each begins where the one before ended, whatever came meanwhile. In CSV all rows are streamed, the first line names the columns, times are epoch milliseconds, " +
			"null is empty, and the connection is cut when reading fails midway.",
		answer: reflect.TypeFor[api.DataAnswer](), answerAlso: "text/csv",
		fails: []problem.Code{
			problem.CodeRouteNotFound, api.CodeMissingParameter, problem.CodeInvalidSelector, problem.CodeInvalidTimeframe, problem.CodeUnknownExchange,
			api.CodeInvalidTime, api.CodeInvalidRange, api.CodeInvalidNumber, api.CodeInvalidChoice, problem.CodeFormatNotAvailable, problem.CodeDatabaseUnavailable,
		},
	}, s.data)
}
