package api

// CollectorChanges tells what has become of the list of collectors since the event before.
type CollectorChanges struct {
	Collectors []CollectorStatus `json:"collectors" nullable:"false" doc:"Those that are new or have changed, each as a whole; never null."`
	Gone       []int64           `json:"gone" nullable:"false" doc:"Ids of those that are listed no more; never null." example:"[7]"`
}

// RestartRequest names the collector to start anew, by PID or by ID. Where both are given the ID decides.
type RestartRequest struct {
	PID int   `json:"pid,omitempty" minimum:"1" maximum:"2147483647" doc:"Process id." example:"12345"`
	ID  int64 `json:"id,omitempty" minimum:"1" maximum:"9007199254740991" doc:"Id in the registry." example:"7"`
}

// RestartAnswer tells which process collects now.
type RestartAnswer struct {
	Message string `json:"message" doc:"What was done, in a sentence." example:"Collector reiniciado para ETHUSDT en timeframe 1m"`
	PID     int    `json:"pid" doc:"Of the new process." example:"12346"`
	ID      int64  `json:"id" doc:"Id in the registry, as before." example:"7"`
}

// SymbolsAnswer lists symbols of a venue.
type SymbolsAnswer struct {
	Exchange string   `json:"exchange" doc:"The venue." example:"binance"`
	Symbols  []string `json:"symbols" nullable:"false" doc:"Those that begin with what was searched for, then those that contain it, each by name; never null." example:"[\"ETHUSDT\"]"`
	Total    int      `json:"total" doc:"How many there are, of which the answer holds the first." example:"12"`
}

// Session is the data of the event named session, the first of GET /api/events: what this client may do.
type Session struct {
	Name     string `json:"name" doc:"Of the token; local where the server wants none." example:"ops"`
	Access   string `json:"access" doc:"full, or read where it may change nothing." enum:"full,read" example:"full"`
	SignedIn bool   `json:"signedIn" doc:"It has a browser's session, which POST /logout ends." example:"false"`
}
