package api

// SystemAnswer says how the machinery is. A number that is not known at this moment is null.
type SystemAnswer struct {
	Version    string           `json:"version" doc:"Of velador." example:"v1.2.3"`
	Go         string           `json:"go" doc:"Version of the compiler." example:"go1.26.8"`
	StartedAt  Time             `json:"startedAt" format:"date-time" doc:"When this server was started, UTC." example:"2025-11-04T10:30:00.000Z"`
	Uptime     int64            `json:"uptime" doc:"Whole seconds since then." example:"3600"`
	Memory     SystemMemory     `json:"memory"`
	Database   SystemDatabase   `json:"database"`
	Bus        SystemBus        `json:"bus"`
	Writer     SystemWriter     `json:"writer"`
	Gaps       *SystemGaps      `json:"gaps,omitempty" doc:"Rows of the ledger of gaps, by state; missing while the database does not answer."`
	Collectors *SystemCollector `json:"collectors,omitempty" doc:"Collectors that are not over, by status; missing while they cannot be asked for."`
	Budgets    []SystemBudget   `json:"budgets" nullable:"false" doc:"What the exchanges allow this machine; never null."`
}

// SystemMemory is what the server takes.
type SystemMemory struct {
	RSS  *int64 `json:"rss" nullable:"true" doc:"Bytes of the server's process in memory." example:"52428800"`
	Heap int64  `json:"heap" doc:"Bytes of live objects." example:"20971520"`
}

// SystemDatabase says how the database is.
type SystemDatabase struct {
	Kind  string `json:"kind" doc:"Which database it is." enum:"sqlite,postgres" example:"sqlite"`
	Up    bool   `json:"up" doc:"It answers." example:"true"`
	Bytes *int64 `json:"bytes" nullable:"true" doc:"That it takes on the disk." example:"104857600"`
}

// SystemBus says what is on its way to the database.
type SystemBus struct {
	Connected      bool     `json:"connected" doc:"The server reaches it." example:"true"`
	Pending        *int64   `json:"pending" nullable:"true" doc:"Messages that are not committed yet." example:"0"`
	Unacknowledged *int64   `json:"unacknowledged" nullable:"true" doc:"Of them, those that a writer has in hand." example:"0"`
	Bytes          *int64   `json:"bytes" nullable:"true" doc:"That they take on the disk." example:"0"`
	OldestSeconds  *float64 `json:"oldestSeconds" nullable:"true" doc:"How long the oldest has waited; null when none waits." example:"0.2"`
}

// SystemWriter counts what this server's writer has done since it started.
type SystemWriter struct {
	Batches   int64   `json:"batches" doc:"Committed transactions." example:"120"`
	New       int64   `json:"new" doc:"Candles that were not stored before." example:"5000"`
	Same      int64   `json:"same" doc:"Candles that were stored with the same values." example:"40"`
	Changed   int64   `json:"changed" doc:"Corrections: candles that replaced others." example:"0"`
	Gaps      int64   `json:"gaps" doc:"Messages about gaps." example:"4"`
	Open      int64   `json:"open" doc:"Of them, those that name an open gap." example:"2"`
	Absent    int64   `json:"absent" doc:"Of them, those that name one absent at the source." example:"1"`
	Repaired  int64   `json:"repaired" doc:"Of them, those that name a repaired one." example:"1"`
	Audits    int64   `json:"audits" doc:"Audits that confirmed candles." example:"12"`
	Vanished  int64   `json:"vanished" doc:"Stored candles that an audit did not find at the exchange; they are kept." example:"0"`
	Rejected  int64   `json:"rejected" doc:"Messages that nobody can store." example:"0"`
	PerSecond float64 `json:"perSecond" doc:"Candles a second, lately." example:"12.5"`
	Failing   string  `json:"failing" doc:"Why the database takes nothing at this moment; empty while it does." example:""`
	Lag       Lag     `json:"lagSeconds" doc:"From a message's arrival on the bus to its commit."`
	CloseLag  *Lag    `json:"closeLagSeconds,omitempty" doc:"From a candle's close to its commit, of those that came alone, within five minutes by this machine's clock; missing before the first."`
}

// Lag is how long something took, of the newest thousand, in seconds.
type Lag struct {
	P50 float64 `json:"p50" doc:"Half of them took no longer." example:"0.01"`
	P99 float64 `json:"p99" doc:"Of a hundred, 99 took no longer." example:"0.05"`
	Max float64 `json:"max" doc:"The longest." example:"0.1"`
}

// SystemGaps counts gaps.
type SystemGaps struct {
	Open     int64 `json:"open" doc:"Still asked for." example:"0"`
	Absent   int64 `json:"absent" doc:"Proved absent at the source." example:"3"`
	Repaired int64 `json:"repaired" doc:"Closed again." example:"7"`
}

// SystemCollector counts collectors.
type SystemCollector struct {
	Running int64 `json:"running" doc:"Their process runs." example:"4"`
	Failed  int64 `json:"failed" doc:"Their process fails again and again." example:"0"`
	Stopped int64 `json:"stopped" doc:"Wanted, and resumed soon." example:"0"`
}

// SystemBudget is what is spent of one exchange's limits.
type SystemBudget struct {
	Exchange      string `json:"exchange" doc:"The venue." example:"binance"`
	Used          int    `json:"used" doc:"Weight spent in the window that runs." example:"120"`
	Limit         int    `json:"limit" doc:"Weight that the exchange allows in a window." example:"6000"`
	WindowSeconds int    `json:"windowSeconds" doc:"Length of a window." example:"60"`
	Waiting       int    `json:"waiting" doc:"Requests in line." example:"0"`
	Sharers       int    `json:"sharers" doc:"Processes that have asked lately." example:"5"`
	BannedUntil   *int64 `json:"bannedUntil" nullable:"true" doc:"Until when the exchange refuses every request, epoch milliseconds; null when it does not." example:"1762252200000"`
}
