package api

// Candle is one closed candle. Decimals are strings: every digit that the exchange sent, which a
// JSON number would lose in most readers. A decimal that the exchange does not publish is left out.
type Candle struct {
	OpenTime            int64  `json:"openTime" doc:"First instant of the interval, epoch milliseconds." example:"1762252200000"`
	Open                string `json:"open" doc:"First price." example:"3456.78000000"`
	High                string `json:"high" doc:"Highest price." example:"3460.00000000"`
	Low                 string `json:"low" doc:"Lowest price." example:"3450.10000000"`
	Close               string `json:"close" doc:"Last price." example:"3459.99000000"`
	Volume              string `json:"volume,omitempty" doc:"In the base asset." example:"120.50000000"`
	CloseTime           int64  `json:"closeTime" doc:"Last instant of the interval, epoch milliseconds." example:"1762252259999"`
	QuoteVolume         string `json:"quoteVolume,omitempty" doc:"In the quote asset." example:"416542.13000000"`
	Trades              int64  `json:"trades" doc:"Number of trades." example:"421"`
	TakerBuyVolume      string `json:"takerBuyVolume,omitempty" doc:"Base asset bought by takers." example:"60.25000000"`
	TakerBuyQuoteVolume string `json:"takerBuyQuoteVolume,omitempty" doc:"The same in the quote asset." example:"208271.06000000"`
}

// CandlesAnswer holds stored candles of one series. A series that is not known has none.
type CandlesAnswer struct {
	Symbol    string   `json:"symbol" doc:"The exchange's own name of the market." example:"ETHUSDT"`
	Timeframe string   `json:"timeframe" doc:"Length of a candle." example:"1m"`
	Exchange  string   `json:"exchange" doc:"The venue." example:"binance"`
	Candles   []Candle `json:"candles" nullable:"false" doc:"By open time; never null."`
}

// Gap is one stretch of a series without candles.
type Gap struct {
	From    int64  `json:"from" doc:"First missing open time, epoch milliseconds." example:"1679661600000"`
	To      int64  `json:"to" doc:"Last missing open time, epoch milliseconds." example:"1679666340000"`
	State   string `json:"state" doc:"open (still asked for), absent (proved absent at the source) or repaired." enum:"open,absent,repaired" example:"absent"`
	Proofs  int    `json:"proofs" doc:"Answers of the exchange that held candles on both sides and none within." example:"3"`
	Missing int64  `json:"missing" doc:"Candles that the stretch would hold." example:"80"`
}

// CoverageAnswer says how complete a stretch of a series is. Expected minus Present is what is
// missing; the gaps say what is known of it.
type CoverageAnswer struct {
	Symbol    string `json:"symbol" doc:"The exchange's own name of the market." example:"ETHUSDT"`
	Timeframe string `json:"timeframe" doc:"Length of a candle." example:"1m"`
	Exchange  string `json:"exchange" doc:"The venue." example:"binance"`
	First     *int64 `json:"first,omitempty" doc:"Oldest stored open time of the stretch, epoch milliseconds; missing when none is stored." example:"1679616000000"`
	Last      *int64 `json:"last,omitempty" doc:"Newest stored open time of the stretch." example:"1679702340000"`
	Expected  int64  `json:"expected" doc:"Candles of a complete series from the first to the last that is stored or known as missing." example:"1440"`
	Present   int64  `json:"present" doc:"Stored candles." example:"1360"`
	Gaps      []Gap  `json:"gaps" nullable:"false" doc:"Known gaps that touch the stretch, oldest first; never null."`
	Days      []Day  `json:"days,omitzero" nullable:"false" doc:"With by=day, and missing without it: every day of the stretch, oldest first; of timeframes above a day those on which a candle opens, or should."`
}

// Day says how complete one UTC day of a series is. Expected is Present plus Absent plus Open. An
// interval that holds two candles, one of them off the grid, is counted once.
type Day struct {
	Date     string `json:"date" format:"date" doc:"In UTC." example:"2023-03-24"`
	Expected int64  `json:"expected" doc:"Candles of a complete day; of the first day those from the first that is stored or known as missing on, of the last those up to the last." example:"1440"`
	Present  int64  `json:"present" doc:"Intervals that hold a stored candle." example:"1360"`
	Repaired int64  `json:"repaired" doc:"Of those present, the ones that were missing at first and came later." example:"0"`
	Absent   int64  `json:"absent" doc:"Missing, and proved absent at the source." example:"80"`
	Open     int64  `json:"open" doc:"Missing, and not known as absent." example:"0"`
}
