package api

// CollectorStatus is one collector. The first six members are the contract's.
type CollectorStatus struct {
	PID       int    `json:"pid" doc:"Process id; unique on one host only." example:"12345"`
	Timeframe string `json:"timeframe" doc:"Length of a candle." example:"1m"`
	Symbol    string `json:"symbol" doc:"The exchange's name of the market, or the selector that the collector was started with." example:"ETHUSDT"`
	Status    string `json:"status" doc:"running, error (it keeps failing and is tried again) or stopped." enum:"running,error,stopped" example:"running"`
	StartedAt Time   `json:"startedAt" format:"date-time" doc:"When its process was started, UTC." example:"2025-11-04T10:30:00.000Z"`
	Uptime    int64  `json:"uptime" doc:"Whole seconds since startedAt." example:"3600"`

	ID        int64  `json:"id" doc:"Id in the registry; unique for ever." example:"7"`
	Exchange  string `json:"exchange" example:"binance"`
	Host      string `json:"host" doc:"The machine that its process runs on." example:"tokio-1"`
	Restarts  int    `json:"restarts" doc:"Lives before this one under the same wish." example:"0"`
	StoppedAt Time   `json:"stoppedAt,omitzero" format:"date-time" doc:"When it ended; missing while it has not." example:"2025-11-04T12:30:00.000Z"`
	LastError string `json:"lastError,omitempty" doc:"Why it failed, in words." example:"the exchange closed the connection"`
}

// StatusAnswer lists the collectors whose process is alive.
type StatusAnswer struct {
	Collectors []CollectorStatus `json:"collectors" nullable:"false" doc:"Never null; empty when none is alive."`
}

// StartRequest asks for a collector. Members that are not known are ignored.
type StartRequest struct {
	Timeframe string `json:"timeframe" doc:"One of 1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M; case matters." example:"1m"`
	Symbol    string `json:"symbol" doc:"The exchange's own name of a market, in its own case; a list (ETHUSDT,BTCUSDT) or globs (*USDT) select several." example:"ETHUSDT"`
	Exchange  string `json:"exchange,omitempty" doc:"binance when it is left out." example:"binance"`
	// Since is where the first back-fill begins. The server also takes epoch milliseconds as a JSON number.
	Since string `json:"since,omitempty" doc:"Where the first back-fill begins: epoch milliseconds, RFC 3339, or a duration before now such as 24h or 30d. Left out: with the candle that is forming now." example:"24h"`
}

// StartAnswer tells which process collects now.
type StartAnswer struct {
	Message string `json:"message" example:"Collector iniciado para ETHUSDT en timeframe 1m"`
	PID     int    `json:"pid" example:"12345"`
	ID      int64  `json:"id" doc:"Id in the registry; unique for ever." example:"7"`
}

// StopRequest names the collector to stop, by PID or by ID. Where both are given the ID decides.
type StopRequest struct {
	PID int   `json:"pid,omitempty" doc:"Process id, from 1 to 2147483647." example:"12345"`
	ID  int64 `json:"id,omitempty" doc:"Id in the registry, from 1." example:"7"`
}

// StopAnswer tells that the process has ended.
type StopAnswer struct {
	Message string `json:"message" example:"Collector detenido exitosamente"`
	PID     int    `json:"pid" example:"12345"`
}

// LogsAnswer is the end of a collector's log.
type LogsAnswer struct {
	ID    int64    `json:"id" example:"7"`
	Lines []string `json:"lines" nullable:"false" doc:"Oldest first, without line ends; never null."`
}
