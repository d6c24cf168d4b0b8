package api

// CollectorStatus is one collector. The first six members are the contract's. What its process says
// about itself is as old as its newest sign of life, two seconds or so; counters begin with the process.
type CollectorStatus struct {
	PID       int    `json:"pid" doc:"Process id; unique on one host only." example:"12345"`
	Timeframe string `json:"timeframe" doc:"Length of a candle." example:"1m"`
	Symbol    string `json:"symbol" doc:"The exchange's name of the market, or the selector that the collector was started with." example:"ETHUSDT"`
	Status    string `json:"status" doc:"running, error (it keeps failing and is tried again) or stopped." enum:"running,error,stopped" example:"running"`
	StartedAt Time   `json:"startedAt" format:"date-time" doc:"When its process was started, UTC." example:"2025-11-04T10:30:00.000Z"`
	Uptime    int64  `json:"uptime" doc:"Whole seconds since startedAt." example:"3600"`

	ID          int64  `json:"id" doc:"Id in the registry; unique for ever." example:"7"`
	Exchange    string `json:"exchange" doc:"The venue." example:"binance"`
	Host        string `json:"host" doc:"The machine that its process runs on." example:"tokio-1"`
	Phase       string `json:"phase" doc:"What it is doing: starting, backfilling (it fetches what is missing), live, stale (it brings no candle, or says nothing any more), backoff (no process until nextAttempt), stopping or stopped." enum:"starting,backfilling,live,stale,backoff,stopping,stopped" example:"live"`
	NextAttempt Time   `json:"nextAttempt,omitzero" format:"date-time" doc:"When its process is started again, UTC; missing while it runs or is not wanted." example:"2025-11-04T10:31:00.000Z"`
	Adopted     bool   `json:"adopted" doc:"Its process outlived a velador, and this one found it running." example:"false"`

	CPU      float64  `json:"cpu" doc:"Percent of one core, lately." example:"0.4"`
	Memory   Memory   `json:"memory" doc:"Of its process."`
	Restarts int      `json:"restarts" doc:"Lives before this one under the same wish." example:"0"`
	LastExit LastExit `json:"lastExit,omitzero" doc:"How the life before this one ended; of a stopped collector, this one. Missing when none has ended."`

	LastCandle        LastCandle `json:"lastCandle,omitzero" doc:"The newest closed candle that it brought, or found stored when it began, of any series; missing before the first."`
	Candles           uint64     `json:"candles" doc:"Closed candles that this life has brought." example:"1440"`
	OpenGaps          int        `json:"openGaps" doc:"Gaps that it still asks for." example:"0"`
	MessagesPerSecond float64    `json:"messagesPerSecond" doc:"Messages from the exchange's streams, lately." example:"3.5"`
	Series            int        `json:"series" doc:"Series that it follows: one for each symbol." example:"1"`
	SeriesLive        int        `json:"seriesLive" doc:"Of them, at the live edge." example:"1"`

	LastError string `json:"lastError,omitempty" doc:"Why it failed, in words." example:"the exchange closed the connection"`
	StoppedAt Time   `json:"stoppedAt,omitzero" format:"date-time" doc:"When it ended; missing while it has not." example:"2025-11-04T12:30:00.000Z"`
}

// Memory is what a process takes.
type Memory struct {
	RSS int64 `json:"rss" doc:"Resident bytes, shared ones included; 0 while there is no process or nobody has looked." example:"18874368"`
	USS int64 `json:"uss,omitempty" doc:"Bytes that are its own alone; missing where the system does not tell." example:"9437184"`
}

// LastExit is how a process ended.
type LastExit struct {
	At Time `json:"at" format:"date-time" doc:"When it was noticed, UTC." example:"2025-11-04T10:29:58.000Z"`
	// Code is nil where a signal ended it, or where nobody saw how it ended.
	Code   *int   `json:"code,omitempty" doc:"Exit code; missing where a signal ended it, or where nobody saw how it ended." example:"1"`
	Signal int    `json:"signal,omitempty" doc:"Number of the signal that ended it." example:"9"`
	Reason string `json:"reason" doc:"What it said at last, or why it was ended, as it was written down; may be empty." example:"the bus cannot be reached"`
	Text   string `json:"text" doc:"How it ended, as a sentence." example:"terminó con el código de salida 1"`
}

// LastCandle is the newest closed candle that a collector brought or found stored.
type LastCandle struct {
	OpenTime   int64 `json:"openTime" doc:"First instant of its interval, epoch milliseconds." example:"1762252200000"`
	AgeSeconds int64 `json:"ageSeconds" doc:"Whole seconds from its close to the collector's newest sign of life, by the exchange's clock." example:"12"`
}

// StatusAnswer lists the collectors whose process is alive.
type StatusAnswer struct {
	Collectors []CollectorStatus `json:"collectors" nullable:"false" doc:"Never null; empty when none is alive."`
}

// CollectorsAnswer lists all collectors that are wanted or still run, with a process or without.
type CollectorsAnswer struct {
	Collectors []CollectorStatus `json:"collectors" nullable:"false" doc:"Oldest first; never null."`
}

// Life is one life of a collector's process that has ended.
type Life struct {
	PID       int    `json:"pid" doc:"Process id that it had; 0 when it never got one." example:"12345"`
	Host      string `json:"host" doc:"The machine that it ran on." example:"tokio-1"`
	StartedAt Time   `json:"startedAt" format:"date-time" doc:"UTC." example:"2025-11-04T10:30:00.000Z"`
	EndedAt   Time   `json:"endedAt" format:"date-time" doc:"When its end was noticed, UTC." example:"2025-11-04T12:30:00.000Z"`
	// Code is nil where a signal ended it, or where nobody saw how it ended.
	Code   *int   `json:"code,omitempty" doc:"Exit code; missing where a signal ended it, or where nobody saw how it ended." example:"1"`
	Signal int    `json:"signal,omitempty" doc:"Number of the signal that ended it." example:"9"`
	Reason string `json:"reason" doc:"What it said at last, or why it was ended, as it was written down; may be empty." example:"the bus cannot be reached"`
	Text   string `json:"text" doc:"How it ended, as a sentence." example:"terminó con el código de salida 1"`
}

// HistoryAnswer lists the former lives of one collector's process.
type HistoryAnswer struct {
	ID    int64  `json:"id" doc:"The collector's." example:"7"`
	Lives []Life `json:"lives" nullable:"false" doc:"Newest first; never null."`
}

// StartRequest asks for a collector. Members that are not known are ignored.
type StartRequest struct {
	Timeframe string `json:"timeframe" enum:"1s,1m,3m,5m,15m,30m,1h,2h,4h,6h,8h,12h,1d,3d,1w,1M" doc:"Length of a candle; case matters." example:"1m"`
	Symbol    string `json:"symbol" doc:"The exchange's own name of a market, in its own case; a list (ETHUSDT,BTCUSDT) or globs (*USDT) select several." example:"ETHUSDT"`
	Exchange  string `json:"exchange,omitempty" doc:"binance when it is left out." example:"binance"`
	// Since is where the first back-fill begins. The server also takes epoch milliseconds as a JSON number.
	Since string `json:"since,omitempty" doc:"Where the first back-fill begins: epoch milliseconds, RFC 3339, or a duration before now such as 24h or 30d. Left out: with the candle that is forming now." example:"24h"`
}

// StartAnswer tells which process collects now.
type StartAnswer struct {
	Message string `json:"message" doc:"What was done, in a sentence." example:"Collector iniciado para ETHUSDT en timeframe 1m"`
	PID     int    `json:"pid" doc:"Of its process; unique on one host only." example:"12345"`
	ID      int64  `json:"id" doc:"Id in the registry; unique for ever." example:"7"`
}

// StopRequest names the collector to stop, by PID or by ID. Where both are given the ID decides.
type StopRequest struct {
	PID int   `json:"pid,omitempty" minimum:"1" maximum:"2147483647" doc:"Process id." example:"12345"`
	ID  int64 `json:"id,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Id in the registry." example:"7"`
}

// StopAnswer tells that the process has ended.
type StopAnswer struct {
	Message string `json:"message" doc:"What was done, in a sentence." example:"Collector detenido exitosamente"`
	PID     int    `json:"pid" doc:"That its process had." example:"12345"`
}

// StopAllRequest asks to stop every collector. It has no members, and may be left out.
type StopAllRequest struct{}

// StopAllAnswer tells which collectors were stopped. Where some could not be, the status is 500, or
// 503 when it may help to ask again; then the member error says so in a sentence, as in every error.
type StopAllAnswer struct {
	Error   string             `json:"error,omitempty" doc:"Why not all were stopped, in a sentence." example:"Collectors que no pudieron detenerse: 1; detenidos: 1"`
	Code    string             `json:"code,omitempty" doc:"As in every error." example:"stop_all_failed"`
	Message string             `json:"message,omitempty" doc:"Where all were stopped." example:"Collectors detenidos: 1"`
	Stopped []StoppedCollector `json:"stopped" nullable:"false" doc:"Whose process has ended, oldest first; never null."`
	Failed  []FailedStop       `json:"failed,omitempty" nullable:"false" doc:"Those that could not be stopped, and are as they were or about to end; missing where all were."`
}

// StoppedCollector is a collector whose process has ended.
type StoppedCollector struct {
	ID  int64 `json:"id" doc:"Id in the registry." example:"7"`
	PID int   `json:"pid" doc:"Process id that it had; 0 where it had no process." example:"12345"`
}

// FailedStop is a collector that could not be stopped.
type FailedStop struct {
	ID    int64  `json:"id" doc:"Id in the registry." example:"8"`
	Code  string `json:"code" doc:"As in every error." example:"stop_failed"`
	Error string `json:"error" doc:"Why, in a sentence." example:"El collector no pudo detenerse: the agent tokio-1 does not answer; ask again"`
}

// LogsAnswer is the end of a collector's log.
type LogsAnswer struct {
	ID    int64    `json:"id" doc:"The collector's." example:"7"`
	Lines []string `json:"lines" nullable:"false" doc:"Oldest first, without line ends; never null."`
}
