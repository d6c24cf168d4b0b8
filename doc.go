// Package velador is the front page of the house; it holds no code.
//
// velador keeps watch over market-data collectors, and keeps every candle they bring home. It is one
// binary (cmd/velador) whose parts stand on floors; a package imports from the floors below its own,
// never sideways and never up (arrows_test.go holds that):
//
//	cli                                                    wires everything, one file a command
//	server  metrics                                        the HTTP surface, the figures for Prometheus
//	exchange/binance  store/postgres  store/sqlite         implementations of the contracts
//	collect  supervise  ingest  verify  simulate  client   the loops, the simulator, the Go client
//	dashboard                                              the pages, embedded; imports nothing of ours
//	exchange  store  bus  klineapi                         the contracts
//	collector                                              what a collector is
//	problem  candle  proc  backoff  logfile  access  api   the vocabulary
//
// What the server says of its API, cmd/apigen makes into the requests of client and into docs/API.md,
// by way of internal/apigen; neither is part of the binary.
//
// The walk of a candle: exchange/binance/decode.go, collect/splice.go, bus/publish.go,
// ingest/writer.go, store/postgres — five rooms, each entered once.
//
// The walk of a start: server/collectors.go, supervise/fleet.go, bus/assign.go, supervise/local.go,
// proc/spawn.go, and back as the PID.
package velador
