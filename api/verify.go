package api

// VerifyRequest asks to hold what is stored of a series against the exchange's own history.
type VerifyRequest struct {
	Symbol    string `json:"symbol" doc:"The exchange's own name of the market." example:"ETHUSDT"`
	Timeframe string `json:"timeframe" enum:"1s,1m,3m,5m,15m,30m,1h,2h,4h,6h,8h,12h,1d,3d,1w,1M" doc:"Length of a candle; case matters." example:"1m"`
	Exchange  string `json:"exchange,omitempty" doc:"binance when it is left out." example:"binance"`
	From      string `json:"from,omitempty" doc:"First open time, included: epoch milliseconds or RFC 3339; the oldest stored one when it is left out." example:"2026-11-22T00:00:00Z"`
	To        string `json:"to,omitempty" doc:"Last open time, included; the newest stored one when it is left out." example:"2026-11-23T00:00:00Z"`
	DryRun    bool   `json:"dryRun,omitempty" doc:"With true nothing is changed." example:"false"`
}

// VerifyProgress is the data of an event named progress: how far a verification has come.
type VerifyProgress struct {
	Expected  int64 `json:"expected" doc:"Candles of a complete series between the oldest and the newest stored one." example:"10080"`
	Done      int64 `json:"done" doc:"Of those, how many steps were looked at." example:"4000"`
	Checked   int64 `json:"checked" doc:"Stored candles that were compared." example:"3920"`
	UpTo      int64 `json:"upTo" doc:"Open time up to which was looked, epoch milliseconds." example:"1762252200000"`
	Requests  int64 `json:"requests" doc:"Questions that the exchange answered." example:"4"`
	Failures  int64 `json:"failures" doc:"Questions that it did not answer, and that were repeated." example:"0"`
	Differing int64 `json:"differing" doc:"Candles of which the exchange has other values." example:"1"`
	Missing   int64 `json:"missing" doc:"Candles that the exchange has and that were not stored." example:"0"`
	Vanished  int64 `json:"vanished" doc:"Stored candles that the exchange no longer has; they are kept." example:"0"`
	Absent    int64 `json:"absent" doc:"Steps at which neither the exchange nor the database has a candle." example:"80"`
	Waiting   Time  `json:"waiting,omitzero" format:"date-time" doc:"Until when the exchange refuses every question; missing while it does not." example:"2026-11-23T10:02:00.000Z"`
}

// VerifyDifference is the data of an event named difference: one candle that is not stored as the
// exchange has it.
type VerifyDifference struct {
	Kind   string  `json:"kind" doc:"differing (other values), missing (not stored) or vanished (no longer at the exchange)." enum:"differing,missing,vanished" example:"differing"`
	Stored *Candle `json:"stored,omitempty" doc:"Missing where none was stored."`
	Served *Candle `json:"served,omitempty" doc:"Missing where the exchange has none."`
}

// VerifyReport is the data of the event named report, the last one before end.
type VerifyReport struct {
	Symbol    string `json:"symbol" doc:"The exchange's own name of the market." example:"ETHUSDT"`
	Timeframe string `json:"timeframe" doc:"Length of a candle." example:"1m"`
	Exchange  string `json:"exchange" doc:"The venue." example:"binance"`
	From      *int64 `json:"from,omitempty" doc:"First open time that was looked at, epoch milliseconds; missing where the exchange's history is not final yet." example:"1762166400000"`
	To        *int64 `json:"to,omitempty" doc:"Last open time that was looked at." example:"1762252200000"`
	VerifyProgress
	// ConfirmedFrom and ConfirmedTo are nil where nothing of the series is confirmed.
	ConfirmedFrom *int64  `json:"confirmedFrom,omitempty" doc:"The series is confirmed from this open time on, by this verification and by those of its collectors; missing where it is not." example:"1762166400000"`
	ConfirmedTo   *int64  `json:"confirmedTo,omitempty" doc:"Up to this one. What is stored beyond is provisional." example:"1762252200000"`
	Corrected     int64   `json:"corrected" doc:"Candles that were written: those that differed, and those that were missing." example:"1"`
	DryRun        bool    `json:"dryRun" doc:"Nothing was changed." example:"false"`
	Seconds       float64 `json:"seconds" doc:"How long it took." example:"1.5"`
}
