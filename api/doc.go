// Package api holds what velador's HTTP API says and hears: one Go type for each JSON body. The
// server answers with these types and package client reads them. It imports the standard library only.
//
// The calls:
//
//	GET  /api/collectors/status                     StatusAnswer
//	GET  /api/collectors                            CollectorsAnswer
//	POST /api/collectors/start     StartRequest     StartAnswer
//	POST /api/collectors/stop      StopRequest      StopAnswer
//	POST /api/collectors/stop-all  StopAllRequest   StopAllAnswer
//	POST /api/collectors/restart   RestartRequest   RestartAnswer
//	GET  /api/collectors/{id}                       CollectorStatus
//	GET  /api/collectors/{id}/logs                  LogsAnswer, or Server-Sent Events with follow=true
//	GET  /api/collectors/{id}/history               HistoryAnswer
//	GET  /api/candles                               CandlesAnswer, or CSV with format=csv
//	GET  /api/candles/stream                        Server-Sent Events: Candle
//	GET  /api/coverage                              CoverageAnswer
//	POST /api/verify               VerifyRequest    Server-Sent Events: VerifyProgress, VerifyDifference, VerifyReport
//	GET  /api/symbols                               SymbolsAnswer
//	GET  /api/series                                SeriesAnswer
//	GET  /api/data                                  TablesAnswer
//	GET  /api/data/{table}                          DataAnswer, or CSV with format=csv
//	GET  /api/events                                Server-Sent Events: Session, CollectorsAnswer, CollectorChanges, SystemAnswer
//	GET  /api/system                                SystemAnswer
//	GET  /healthz                                   HealthAnswer
//	GET  /readyz                                    ReadyAnswer
//	GET  /metrics                                   Prometheus' text format
//
// docs/API.md tells of each what it takes, answers and how it fails.
//
// Every error, whatever its status, is an ErrorAnswer. The members that a type lists first are the
// contract with existing clients: they keep their names, order and meaning; others may follow.
package api
