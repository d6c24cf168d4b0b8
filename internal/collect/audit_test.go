package collect

// The tables of what is looked at again; splice_test.go says how they are read.
var auditTables = []struct{ name, timeframe, script string }{
	{"an hour is read again five minutes after its end, and handed over again", "15m", `
		10:16     start stored=10:00 confirmed=10:00 hour=00:05    ->
		10:16     asks 10:00..10:31 catch-up                       ->
		10:16     answers 10:00 forming=10:15                      ->
		11:00     stream 10:15 10:30 10:45                         -> 10:15 10:30 10:45
		11:04:59  asks nothing                                     ->
		11:05     asks 10:00..10:45 reread                         ->
		11:05     answers 10:00 10:15 10:30 10:45  -> again[10:15] again[10:30] again[10:45] audit[10:00:00.001..10:45 3]
		11:05     asks nothing                                     ->
		12:00     stream 11:00 11:15 11:30 11:45                   -> 11:00 11:15 11:30 11:45
		12:04:59  asks nothing                                     ->
		12:05     asks 10:45..11:45 reread                  ->
		12:05     answers 10:45 11:00 11:15 11:30 11:45 -> again[11:00] again[11:15] again[11:30] again[11:45] audit[10:45:00.001..11:45 4]
	`},
	{"a series has an hour of its own, and waits five minutes in it too", "15m", `
		10:16     start stored=10:00 confirmed=10:00 hour=00:33    ->
		10:16     asks 10:00..10:31 catch-up                       ->
		10:16     answers 10:00 forming=10:15                      ->
		11:15     stream 10:15 10:30 10:45 11:00                   -> 10:15 10:30 10:45 11:00
		11:30     stream 11:15                                     -> 11:15
		11:33     asks 10:00..11:14:59.999 reread                  ->
		11:33     answers 10:00 10:15 10:30 10:45 11:00 -> again[10:15] again[10:30] again[10:45] again[11:00] audit[10:00:00.001..11:00 4]
	`},
	{"a back-fill is confirmed at its birth, but for what is young", "15m", `
		10:16     start since=08:30 hour=00:05                     ->
		10:16     asks 08:30..10:31 catch-up                       ->
		10:16     answers 08:45 09:00 09:15 full                   -> 08:45 09:00 09:15 audit[08:45..09:15 3]
		10:16     asks 09:15..10:31 catch-up                       ->
		10:16     answers 09:15 09:30 09:45 10:00 forming=10:15    -> 09:30 09:45 10:00 audit[09:15:00.001..09:45 2]
		11:00     stream 10:15 10:30 10:45                         -> 10:15 10:30 10:45
		11:05     asks 09:45..10:45 reread                  ->
		11:05     answers 09:45 10:00 10:15 10:30 10:45 -> again[10:00] again[10:15] again[10:30] again[10:45] audit[09:45:00.001..10:45 4]
	`},
	{"what came by history behind a candle of the stream is not confirmed at its birth", "15m", `
		10:00:30  start fresh hour=00:05                           ->
		10:15     stream 10:00                                     -> 10:00
		10:20     behind                                           ->
		11:36     asks 10:00..11:51 catch-up                       ->
		11:36     answers 10:00 10:15 10:30 10:45 11:00 11:15 forming=11:30 -> 10:15 10:30 10:45 11:00 11:15
		11:36     asks 09:59:59.999..10:59:59.999 reread           ->
		11:36     answers 10:00 10:15 10:30 10:45 -> again[10:00] again[10:15] again[10:30] again[10:45] audit[10:00..10:45 4]
		11:36     asks nothing                                     ->
	`},
	{"the first question after a restart reads what is provisional too", "15m", `
		12:16     start stored=10:30 confirmed=10:00 hour=00:05    ->
		12:16     asks 10:00..12:31 catch-up                       ->
		12:16     answers 10:00 10:15 10:30 10:45 11:00 11:15 11:30 11:45 12:00 forming=12:15 -> again[10:15] again[10:30] audit[10:00:00.001..10:30 2] 10:45 11:00 11:15 11:30 11:45 12:00 audit[10:30:00.001..11:45 5]
		12:16     asks nothing                                     ->
		12:20     behind                                           ->
		12:20     asks 12:00..12:35 catch-up                       ->
		12:20     answers 12:00 forming=12:15                      ->
	`},
	{"what is young after a restart waits for its hour", "15m", `
		10:36     start stored=10:15 confirmed=10:00 hour=00:05    ->
		10:36     asks 10:00..10:51 catch-up                       ->
		10:36     answers 10:00 10:15 forming=10:30                -> again[10:15] audit[10:00:00.001..10:15 1]
		10:36     asks nothing                                     ->
		11:00     stream 10:30 10:45                               -> 10:30 10:45
		11:05     asks 10:15..10:45 reread                         ->
	`},
	{"a store that knows of no audit has the last candle read again", "15m", `
		12:16     start stored=11:45 hour=00:05                    ->
		12:16     asks 11:45..12:31 catch-up                       ->
		12:16     answers 11:45 12:00 forming=12:15                -> 12:00
		13:05     stream 12:15 12:30 12:45                         -> 12:15 12:30 12:45
		13:05     asks 11:45..12:45 reread                  ->
	`},
	{"after a long absence one page follows the other", "15m", `
		12:16     start stored=12:00 confirmed=2023-01-01 hour=00:05   ->
		12:16     asks 12:00..12:31 catch-up                                 ->
		12:16     answers 12:00 forming=12:15                                ->
		12:16     asks 2023-01-01..11:59:59.999 reread                 ->
		12:16     answers 2023-01-01 2023-01-01T00:15 2023-01-01T00:30 full -> again[2023-01-01T00:15] again[2023-01-01T00:30] audit[2023-01-01T00:00:00.001..2023-01-01T00:30 2]
		12:16     asks 2023-01-01T00:30..11:59:59.999 reread                 ->
		12:16     answers 2023-01-01T00:30 2023-01-01T00:45                  -> again[2023-01-01T00:45] audit[2023-01-01T00:30:00.001..2023-01-01T00:45 1]
		12:16     asks nothing                                               ->
	`},
	{"a candle that history lacks is looked for three times before that is believed", "15m", `
		10:16     start stored=10:00 confirmed=10:00 hour=00:05    ->
		10:16     asks 10:00..10:31 catch-up                       ->
		10:16     answers 10:00 forming=10:15                      ->
		11:00     stream 10:15 10:30 10:45                         -> 10:15 10:30 10:45
		11:05     asks 10:00..10:45 reread                         ->
		11:05     answers 10:00 10:15 10:45                        -> again[10:15] again[10:45]
		11:05:59  asks nothing                                     ->
		11:06     asks 10:00..10:45 reread                         ->
		11:06     answers 10:00 10:15 10:45                        -> again[10:15] again[10:45]
		11:15     stream 11:00                                     -> 11:00
		11:15:59  asks nothing                                     ->
		11:16     asks 10:00..10:45 reread                         ->
		11:16     answers 10:00 10:15 10:45                        -> again[10:15] again[10:45] audit[10:00:00.001..10:45 2]
		11:16     asks nothing                                     ->
	`},
	{"history that trails by more than five minutes confirms nothing of what it lacks", "15m", `
		10:16     start stored=10:00 confirmed=10:00 hour=00:05    ->
		10:16     asks 10:00..10:31 catch-up                       ->
		10:16     answers 10:00 forming=10:15                      ->
		11:00     stream 10:15 10:30 10:45                         -> 10:15 10:30 10:45
		11:05     asks 10:00..10:45 reread                         ->
		11:05     answers 10:00                                    ->
		11:30     stream 11:00 11:15                               -> 11:00 11:15
		11:30     asks nothing                                     ->
		12:00     stream 11:30 11:45                               -> 11:30 11:45
		12:05     asks 10:00..11:45 reread                  ->
		12:05     answers 10:00 10:15 10:30                        -> again[10:15] again[10:30] audit[10:00:00.001..10:30 2]
		12:06     asks nothing                                     ->
	`},
	{"a row that belongs into an open gap repairs it", "15m", `
		10:16     start stored=10:00 confirmed=09:00 missing=09:30..09:45 hour=00:05          ->
		10:16     asks 09:00..10:31 catch-up                                                  ->
		10:16     answers 09:00 09:15 09:30 09:45 forming=10:15 -> again[09:15] 09:30 09:45 gap[09:30..09:45 repaired 0] audit[09:00:00.001..09:45 3]
	`},
	{"the stream has no more say in what is confirmed", "15m", `
		10:46     start stored=10:30 confirmed=09:00 missing=09:30..09:30 hour=00:05          ->
		10:46     asks 09:00..11:01 catch-up                                                  ->
		10:46     answers 09:00 09:15 09:45 10:00 10:15 10:30 forming=10:45 -> again[09:15] again[09:45] again[10:00] again[10:15] audit[09:00:00.001..10:15 4]
		10:46     asks 09:15..09:45 history                                                   ->
		10:46     answers 09:15 09:45                                                         -> gap[09:30..09:30 open 1]
		10:46:10  asks nothing                                                                ->
		10:46:10  stream 09:30                                                                ->
		10:46:10  asks 09:15..09:45 history                                                   ->
		10:46:10  answers 09:15 09:30 09:45                                                   -> 09:30 gap[09:30..09:30 repaired 1]
	`},
	{"an answer that a late frame has overtaken confirms nothing", "15m", `
		10:16     start stored=10:00 confirmed=10:00 hour=00:05                               ->
		10:16     asks 10:00..10:31 catch-up                                                  ->
		10:16     answers 10:00 forming=10:15                                                 ->
		11:00     stream 10:15 10:45                                                          -> 10:15
		11:00     asks 10:15..11:15 repair                                                    ->
		11:00     answers 10:15 10:45 forming=11:00                                           -> gap[10:30..10:30 open 1] 10:45
		11:01     asks 10:15..10:45 history                                                   ->
		11:01     answers 10:15 10:45                                                         -> gap[10:30..10:30 open 2]
		11:05     asks 10:00..10:45 reread                                                    ->
		11:05     stream 10:30                                                                -> 10:30 gap[10:30..10:30 repaired 2]
		11:05     answers 10:00 10:15 10:45                                                   ->
		11:05     asks 10:00..10:45 reread                                                    ->
		11:05     answers 10:00 10:15 10:30 10:45         -> again[10:15] again[10:30] again[10:45] audit[10:00:00.001..10:45 3]
	`},
	{"a candle of four hours is read again once", "4h", `
		12:10     start stored=08:00 confirmed=04:00 hour=00:05                               ->
		12:10     asks 04:00..16:10 catch-up                                                  ->
		12:10     answers 04:00 08:00 forming=12:00                                           -> again[08:00] audit[04:00:00.001..08:00 1]
		16:00     stream 12:00                                                                -> 12:00
		16:04     asks nothing                                                                ->
		16:05     asks 08:00..12:00 reread                                             ->
		16:05     answers 08:00 12:00                                                         -> again[12:00] audit[08:00:00.001..12:00 1]
		17:05     asks nothing                                                                ->
		18:05     asks nothing                                                                ->
	`},
	{"a candle off the grid is confirmed with its interval", "15m", `
		2018-02-09T09:50  start stored=2018-02-09T09:30 confirmed=2018-02-09T09:30 hour=00:35 ->
		2018-02-09T09:50  asks 2018-02-09T09:30..2018-02-09T10:05 catch-up                    ->
		2018-02-09T09:50  answers 2018-02-09T09:30 forming=2018-02-09T09:45                   ->
		2018-02-09T10:00  stream 2018-02-09T09:58:14.789                                      -> 2018-02-09T09:58:14.789
		2018-02-09T10:16  stream 2018-02-09T10:00                                             -> 2018-02-09T10:00
		2018-02-09T10:30  stream 2018-02-09T10:15                                             -> 2018-02-09T10:15
		2018-02-09T10:35  asks 2018-02-09T09:30..2018-02-09T10:15 reread                      ->
		2018-02-09T10:35  answers 2018-02-09T09:30 2018-02-09T09:58:14.789 2018-02-09T10:00 -> again[2018-02-09T09:58:14.789] again[2018-02-09T10:00] audit[2018-02-09T09:30:00.001..2018-02-09T10:00 2]
	`},
	{"months are read again when they have ended", "1M", `
		2024-03-05  start stored=2024-02-01 confirmed=2023-12-01 hour=00:05                   ->
		2024-03-05  asks 2023-12-01..2024-04-05 catch-up                                      ->
		2024-03-05  answers 2023-12-01 2024-01-01 2024-02-01 forming=2024-03-01 -> again[2024-01-01] again[2024-02-01] audit[2023-12-01T00:00:00.001..2024-02-01 2]
		2024-03-05  asks nothing                                                              ->
		2024-04-01  stream 2024-03-01                                                         -> 2024-03-01
		2024-04-01  asks nothing                                                              ->
		2024-04-01T00:05  asks 2024-02-01..2024-03-01 reread                                  ->
		2024-04-01T00:05  answers 2024-02-01 2024-03-01                                       -> again[2024-03-01] audit[2024-02-01T00:00:00.001..2024-03-01 1]
		2024-04-01T01:05  asks nothing                                                        ->
	`},
	{"proofs of an earlier life count on", "1m", `
		12:00:30  start stored=11:59 confirmed=11:59 missing=10:00..10:03 missing=11:00..11:00 ledger=10:00..10:03/open/2/11:55 ledger=11:00..11:02/open/1/12:00 hour=00:55 ->
		12:00:30  asks 11:59..12:01:30 catch-up                                               ->
		12:00:30  answers 11:59 forming=12:00                                                 ->
		12:00:59  asks nothing                                                                ->
		12:01     stream 12:00                                                                -> 12:00
		12:01     asks 10:59..11:01 history                                                   ->
		12:01     answers 10:59 11:01                                                         -> gap[11:00..11:00 open 2]
		12:05     stream 12:01 12:02 12:03 12:04                                              -> 12:01 12:02 12:03 12:04
		12:05     asks 09:59..10:04 history                                                   ->
		12:05     answers 09:59 10:04                                                         -> gap[10:00..10:03 absent 3]
	`},
	{"what is absent is asked for again when its day is over", "15m", `
		10:16     start stored=10:00 confirmed=10:00 ledger=2023-03-20T08:00..2023-03-20T08:15/absent/3/2023-03-20T12:00 hour=00:55 ->
		10:16     asks 10:00..10:31 catch-up                                                  ->
		10:16     answers 10:00 forming=10:15                                                 ->
		10:16     asks 2023-03-20T07:45..2023-03-20T08:30 reread                              ->
		10:16     answers 2023-03-20T07:45 2023-03-20T08:30                                   -> gap[2023-03-20T08:00..2023-03-20T08:15 absent 3]
		10:17     asks nothing                                                                ->
	`},
	{"what was absent and is there after all is repaired", "15m", `
		10:16     start stored=10:00 confirmed=10:00 ledger=2023-03-20T08:00..2023-03-20T08:15/absent/3/2023-03-20T12:00 hour=00:55 ->
		10:16     asks 10:00..10:31 catch-up                                                  ->
		10:16     answers 10:00 forming=10:15                                                 ->
		10:16     asks 2023-03-20T07:45..2023-03-20T08:30 reread                              ->
		10:16     answers 2023-03-20T07:45 2023-03-20T08:00 2023-03-20T08:30 -> 2023-03-20T08:00 gap[2023-03-20T08:15..2023-03-20T08:15 open 3] gap[2023-03-20T08:00..2023-03-20T08:00 repaired 3] gap[2023-03-20T08:15..2023-03-20T08:15 absent 4]
		10:17     asks nothing                                                                ->
	`},
}
