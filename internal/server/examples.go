package server

import (
	"reflect"
	"time"

	"velador/api"
	"velador/internal/candle"
)

// examplesByType gives a value of each type that is asked or answered, as the description shows it. All
// of them tell of one collector and one series. It is a function and no variable, because every collector
// is this program too and would hold them in its memory.
func examplesByType() map[reflect.Type]any {
	found := map[reflect.Type]any{}
	for _, value := range []any{
		api.StatusAnswer{Collectors: []api.CollectorStatus{exampleCollector()}},
		api.CollectorsAnswer{Collectors: []api.CollectorStatus{exampleWaiting()}},
		exampleCollector(),
		api.StartRequest{Timeframe: "1m", Symbol: "ETHUSDT"},
		api.StartAnswer{Message: "Collector iniciado para ETHUSDT en timeframe 1m", PID: 12345, ID: 7},
		api.StopRequest{PID: 12345},
		api.StopAnswer{Message: "Collector detenido exitosamente", PID: 12345},
		api.RestartRequest{ID: 7},
		api.RestartAnswer{Message: "Collector reiniciado para ETHUSDT en timeframe 1m", PID: 12346, ID: 7},
		api.StopAllRequest{},
		api.StopAllAnswer{Message: "Collectors detenidos: 1", Stopped: []api.StoppedCollector{{ID: 7, PID: 12345}}},
		api.HistoryAnswer{ID: 7, Lives: []api.Life{{
			PID: 12301, Host: "tokio-1", StartedAt: exampleTime(-70), EndedAt: exampleTime(-2), Code: new(1),
			Reason: "the bus cannot be reached", Text: "terminó con el código de salida 1",
		}}},
		api.LogsAnswer{ID: 7, Lines: []string{"12:00:00 INFO starting", exampleLine}},
		api.CandlesAnswer{Symbol: "ETHUSDT", Timeframe: "1m", Exchange: "binance", Candles: []api.Candle{exampleCandle()}},
		exampleCandle(),
		exampleCoverage(),
		api.VerifyRequest{Symbol: "ETHUSDT", Timeframe: "1m", From: "2025-11-03", To: "2025-11-04", DryRun: true},
		exampleProgress(),
		exampleDifference(),
		exampleReport(),
		api.SymbolsAnswer{Exchange: "binance", Symbols: []string{"ETHBTC", "ETHUSDT"}, Total: 12},
		api.SeriesAnswer{Series: []api.StoredSeries{{
			Exchange: "binance", Symbol: "ETHUSDT", Timeframe: "1m", First: new(int64(1679616000000)), Last: new(exampleOpen), AbsentGaps: 1,
		}}},
		api.TablesAnswer{Tables: []api.DataTable{{Name: "gaps", Columns: exampleColumns(), Filters: []string{"exchange", "symbol", "timeframe", "state", "search", "from", "to"}}}},
		api.DataAnswer{
			Columns: exampleColumns(), Next: new("eyJ0IjoiZ2FwcyIsImEiOlsxLDFdfQ"),
			Rows: [][]any{{"binance", "ETHUSDT", "1m", int64(1679661600000), int64(1679666340000), "absent"}},
		},
		api.Session{Name: "ops", Access: "full"},
		api.CollectorChanges{Collectors: []api.CollectorStatus{exampleCollector()}, Gone: []int64{6}},
		exampleSystem(),
		api.HealthAnswer{Status: "ok"},
		api.ReadyAnswer{Status: "ready", Checks: map[string]string{"database": "ok", "bus": "ok", "agent": "ok"}},
	} {
		found[reflect.TypeOf(value)] = value
	}
	return found
}

const (
	// exampleOpen is the open time of the newest candle: 2025-11-04T10:30:00Z.
	exampleOpen int64 = 1762252200000
	exampleLine       = "12:00:01 INFO live series=ETHUSDT/1m"
)

// exampleTime is some minutes after the newest candle opened.
func exampleTime(minutes int) api.Time {
	return api.Time{Time: time.UnixMilli(exampleOpen).UTC().Add(time.Duration(minutes) * time.Minute)}
}

func exampleCollector() api.CollectorStatus {
	return api.CollectorStatus{
		PID: 12345, Timeframe: "1m", Symbol: "ETHUSDT", Status: "running", StartedAt: exampleTime(0), Uptime: 3600,
		ID: 7, Exchange: "binance", Host: "tokio-1", Phase: "live", CPU: 0.4, Memory: api.Memory{RSS: 18874368, USS: 3879731},
		LastCandle: api.LastCandle{OpenTime: exampleOpen + 59*60_000, AgeSeconds: 12}, Candles: 60, MessagesPerSecond: 3.5, Series: 1, SeriesLive: 1,
	}
}

// exampleWaiting is a collector between two lives.
func exampleWaiting() api.CollectorStatus {
	return api.CollectorStatus{
		Timeframe: "1m", Symbol: "ETHUSDT", Status: "error", StartedAt: exampleTime(-70), ID: 7, Exchange: "binance", Host: "tokio-1", Phase: "backoff",
		NextAttempt: exampleTime(1), Restarts: 1, LastError: "the bus cannot be reached",
		LastExit: api.LastExit{At: exampleTime(-2), Code: new(1), Reason: "the bus cannot be reached", Text: "terminó con el código de salida 1"},
	}
}

func exampleCandle() api.Candle {
	return api.Candle{
		OpenTime: exampleOpen, Open: "3456.78000000", High: "3460.00000000", Low: "3450.10000000", Close: "3459.99000000",
		Volume: "120.50000000", CloseTime: exampleOpen + 59_999, QuoteVolume: "416542.13000000", Trades: 421,
		TakerBuyVolume: "60.25000000", TakerBuyQuoteVolume: "208271.06000000",
	}
}

// exampleCoverage is of 24 March 2023, when Binance stood still for 80 minutes.
func exampleCoverage() api.CoverageAnswer {
	return api.CoverageAnswer{
		Symbol: "ETHUSDT", Timeframe: "1m", Exchange: "binance", First: new(int64(1679616000000)), Last: new(int64(1679702340000)), Expected: 1440, Present: 1360,
		Gaps: []api.Gap{{From: 1679661600000, To: 1679666340000, State: "absent", Proofs: 3, Missing: 80}},
		Days: []api.Day{{Date: "2023-03-24", Expected: 1440, Present: 1360, Absent: 80}},
	}
}

func exampleProgress() api.VerifyProgress {
	return api.VerifyProgress{Expected: 1440, Done: 1000, Checked: 1000, UpTo: exampleOpen, Requests: 1, Differing: 1}
}

func exampleDifference() api.VerifyDifference {
	stored, served := exampleCandle(), exampleCandle()
	stored.Trades = 420
	return api.VerifyDifference{Kind: "differing", Stored: &stored, Served: &served}
}

func exampleReport() api.VerifyReport {
	from := exampleOpen - 1439*60_000
	progress := exampleProgress()
	progress.Done, progress.Checked, progress.Requests = 1440, 1440, 2
	return api.VerifyReport{
		Symbol: "ETHUSDT", Timeframe: "1m", Exchange: "binance", From: &from, To: new(exampleOpen), VerifyProgress: progress,
		DryRun: true, Seconds: 1.5,
	}
}

func exampleColumns() []api.TableColumn {
	return []api.TableColumn{
		{Name: "exchange", Type: "text", Sort: true}, {Name: "symbol", Type: "text", Sort: true}, {Name: "timeframe", Type: "text", Sort: true},
		{Name: "from", Type: "time", Sort: true}, {Name: "to", Type: "time", Sort: true}, {Name: "state", Type: "text", Sort: true},
	}
}

func exampleSystem() api.SystemAnswer {
	return api.SystemAnswer{
		Version: "v1.2.3", Go: "go1.26.8", StartedAt: exampleTime(0), Uptime: 3600,
		Memory:   api.SystemMemory{RSS: new(int64(52428800)), Heap: 20971520},
		Database: api.SystemDatabase{Kind: "sqlite", Up: true, Bytes: new(int64(104857600))},
		Bus:      api.SystemBus{Connected: true, Pending: new(int64(0)), Unacknowledged: new(int64(0)), Bytes: new(int64(0))},
		Writer:   api.SystemWriter{Batches: 120, New: 5000, Same: 40, PerSecond: 12.5, Lag: api.Lag{P50: 0.01, P99: 0.05, Max: 0.1}},
		Gaps:     &api.SystemGaps{Absent: 3, Repaired: 7}, Collectors: &api.SystemCollector{Running: 4},
		Budgets: []api.SystemBudget{{Exchange: "binance", Used: 120, Limit: 6000, WindowSeconds: 60, Sharers: 5}},
	}
}

func exampleNotReady() api.ReadyAnswer {
	return api.ReadyAnswer{
		Error: sentences[api.CodeNotReady].in(spanish, map[string]string{"checks": "database"}), Code: api.CodeNotReady, Status: "not ready",
		Checks: map[string]string{"database": sentences[api.CodeDatabaseUnavailable].es, "bus": "ok", "agent": "ok"},
	}
}

func exampleStopAllFailed() api.StopAllAnswer {
	return api.StopAllAnswer{
		Error: sentences[api.CodeStopAllFailed].in(spanish, map[string]string{"failed": "1", "stopped": "1"}), Code: api.CodeStopAllFailed,
		Stopped: []api.StoppedCollector{{ID: 7, PID: 12345}},
		Failed:  []api.FailedStop{{ID: 8, Code: api.CodeStopFailed, Error: "El collector no pudo detenerse: its agent tokio-1 is away"}},
	}
}

// exampleText shows what a call answers that is not JSON.
func exampleText(id string) any {
	switch id {
	case "candles":
		return candle.CSVHeader + "\n1762252200000,3456.78000000,3460.00000000,3450.10000000,3459.99000000,120.50000000,1762252259999,416542.13000000,421,60.25000000,208271.06000000\n"
	case "data":
		return "exchange,symbol,timeframe,from,to,state\nbinance,ETHUSDT,1m,1679661600000,1679666340000,absent\n"
	case "metrics":
		return "# HELP velador_collectors Collectors that are not over, by status.\n# TYPE velador_collectors gauge\nvelador_collectors{status=\"running\"} 4\n"
	}
	return nil
}
