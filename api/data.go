package api

// SeriesAnswer lists the series that are stored.
type SeriesAnswer struct {
	Series []StoredSeries `json:"series" nullable:"false" doc:"By exchange, symbol and length of the timeframe; never null."`
}

// StoredSeries is one series in the database.
type StoredSeries struct {
	Exchange   string `json:"exchange" doc:"The venue." example:"binance"`
	Symbol     string `json:"symbol" doc:"The exchange's own name of the market." example:"ETHUSDT"`
	Timeframe  string `json:"timeframe" doc:"Length of a candle." example:"1m"`
	First      *int64 `json:"first" nullable:"true" doc:"Oldest stored open time, epoch milliseconds; null where only gaps are known." example:"1679616000000"`
	Last       *int64 `json:"last" nullable:"true" doc:"Newest stored open time; null where only gaps are known." example:"1679702340000"`
	OpenGaps   int64  `json:"openGaps" doc:"Gaps that are still asked for." example:"0"`
	AbsentGaps int64  `json:"absentGaps" doc:"Gaps that are proved absent at the source." example:"1"`
}

// TablesAnswer lists the tables that can be browsed.
type TablesAnswer struct {
	Tables []DataTable `json:"tables" nullable:"false" doc:"Never null."`
}

// DataTable is one table that can be browsed.
type DataTable struct {
	Name    string        `json:"name" doc:"As the path takes it." example:"gaps"`
	Columns []TableColumn `json:"columns" nullable:"false" doc:"In the order of the rows' values."`
	Filters []string      `json:"filters" nullable:"false" doc:"Parameters that narrow the rows." example:"[\"exchange\",\"symbol\"]"`
}

// TableColumn is one column of a table.
type TableColumn struct {
	Name string `json:"name" doc:"As sort takes it." example:"openTime"`
	Type string `json:"type" doc:"text, integer, decimal (a text with every digit), time (epoch milliseconds) or boolean; each may be null." enum:"text,integer,decimal,time,boolean" example:"time"`
	Sort bool   `json:"sort" doc:"Rows can be sorted by it." example:"true"`
}

// DataAnswer is one page of a table.
type DataAnswer struct {
	Columns []TableColumn `json:"columns" nullable:"false" doc:"In the order of the rows' values."`
	Rows    [][]any       `json:"rows" nullable:"false" doc:"Each a list with one value for every column: a text, a whole number, a boolean or null; never null."`
	Next    *string       `json:"next" nullable:"true" doc:"Cursor of the next page; null after the last row." example:"eyJ0IjoiZ2FwcyJ9"`
}
