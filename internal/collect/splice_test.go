package collect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// The tables below are read from top to bottom: what time the exchange has, what happens to the
// series, and after -> what it hands over.
//
//	begins                                           the series is followed from now on
//	start stored=T | since=T | fresh, missing=A..B   the store has answered
//	      confirmed=T ledger=A..B/state/proofs/T     what it knows beside
//	      hour=T                                     the series is audited; its hours begin at this minute
//	      sparse                                     its venue has no row where nothing was traded
//	forming T, stream T …                            frames of candles that form, or have closed
//	asks A..B urgency | nothing                      what is asked for now
//	answers T … forming=T full asof=T                the exchange's rows
//	fails N                                          the Nth question in a row has failed
//
// A time without a date is one of 2023-03-24; gap[A..B state proofs] is a gap, again[T] a candle that is
// handed over once more, audit[A..B rows] an audit.
var spliceTables = []struct{ name, timeframe, script string }{
	{"history and stream are joined over a close that happens in between", "1m", `
		10:02:30  start stored=10:00                       ->
		10:02:30  asks 10:00..10:03:30 catch-up            ->
		10:03:01  stream 10:02                             ->
		10:03:01  answers 10:00 10:01 forming=10:02        -> 10:01 10:02
		10:03:02  asks nothing                             ->
		10:04:01  stream 10:03                             -> 10:03
	`},
	{"a page that is full is followed by another one", "1m", `
		10:05:30  start stored=10:00                       ->
		10:05:30  asks 10:00..10:06:30 catch-up            ->
		10:05:30  answers 10:00 10:01 10:02 full           -> 10:01 10:02
		10:05:30  asks 10:02..10:06:30 catch-up            ->
		10:05:31  answers 10:02 10:03 10:04 full           -> 10:03 10:04
		10:05:31  asks 10:04..10:06:31 catch-up            ->
		10:05:31  answers 10:04 forming=10:05              ->
		10:05:32  asks nothing                             ->
	`},
	{"a clock that was old when the question was asked is noticed", "1m", `
		10:00:30  start stored=10:00                                 ->
		10:00:30  asks 10:00..10:01:30 catch-up                      ->
		10:04:30  answers 10:00 10:01 asof=10:04:30                  -> 10:01
		10:04:30  asks 10:01..10:05:30 catch-up                      ->
		10:04:30  answers 10:01 10:02 10:03 forming=10:04            -> 10:02 10:03
		10:04:31  asks nothing                                       ->
	`},
	{"without anything stored it begins with the candle that forms", "1m", `
		10:00:30  stream 09:59                             ->
		10:00:30  start fresh                              ->
		10:00:31  asks nothing                             ->
		10:01:00  stream 10:00                             -> 10:00
	`},
	{"what closes before the store answers is fetched", "1m", `
		10:00:30  begins                                   ->
		10:03:10  start fresh                              ->
		10:03:10  asks 10:00..10:04:10 catch-up            ->
		10:03:10  answers 10:00 10:01 10:02 forming=10:03  -> 10:00 10:01 10:02
		10:03:11  asks nothing                             ->
	`},
	{"what has closed in the stream before the store answers is handed over", "1m", `
		10:00:30  begins                                   ->
		10:02:05  stream 09:59 10:00 10:01                 ->
		10:02:10  start fresh                              -> 10:00 10:01
		10:02:10  asks 10:01..10:03:10 catch-up            ->
		10:02:10  answers 10:01 forming=10:02              ->
		10:02:11  asks nothing                             ->
	`},
	{"the first closing frame that is lost is fetched", "1m", `
		10:00:30  start fresh                              ->
		10:01:10  asks 10:00..10:02:10 repair              ->
		10:01:10  answers 10:00 forming=10:01              -> 10:00
	`},
	{"a market that is listed later begins without a gap", "1m", `
		14:00:30  start since=12:00                        ->
		14:00:30  asks 12:00..14:01:30 catch-up            ->
		14:00:31  answers                                  ->
		14:00:32  asks nothing                             ->
		14:01:31  asks 12:00..14:02:31 repair              ->
		14:01:31  answers                                  ->
		15:00:02  forming 15:00                            ->
		15:00:04  asks 12:00..15:01:04 repair              ->
		15:00:04  answers forming=15:00                    ->
		15:00:50  asks nothing                             ->
		15:01:00  stream 15:00                             ->
		15:01:00  asks 12:00..15:02 repair                ->
		15:01:00  answers forming=15:00                    -> 15:00
		15:02:00  stream 15:01                             -> 15:01
	`},
	{"a first candle that was seen to form is missed when history does not have it", "1m", `
		14:00:30  start since=12:00                        ->
		14:00:30  asks 12:00..14:01:30 catch-up            ->
		14:00:31  answers                                  ->
		15:00:02  forming 15:00                            ->
		15:02:00  stream 15:01                             ->
		15:02:00  asks 12:00..15:03 repair                ->
		15:02:00  answers forming=15:01                    -> gap[15:00..15:00 open 0] 15:01
		15:02:00  asks 15:00..15:01 history                ->
		15:02:00  answers 15:00 15:01                      -> 15:00 gap[15:00..15:00 repaired 0]
	`},
	{"a listing in the middle of history is the beginning", "1h", `
		18:10  start since=12:00                           ->
		18:10  asks 12:00..19:10 catch-up                  ->
		18:10  answers 15:00 16:00 17:00 forming=18:00     -> 15:00 16:00 17:00
	`},
	{"a doubled, a stale and a disordered closing frame change nothing", "1m", `
		10:00:30  start stored=09:59                       ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:01:00  stream 10:00                             -> 10:00
		10:01:01  stream 10:00                             ->
		10:01:02  stream 09:55                             ->
		10:03:00  stream 10:02                             ->
		10:03:01  stream 10:02                             ->
		10:03:01  stream 10:01                             -> 10:01 10:02
	`},
	{"a closing frame that is lost is fetched when the next candle was seen for a while", "1m", `
		10:00:30  start stored=09:59                       ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:01:02  forming 10:01                            ->
		10:01:03  asks nothing                             ->
		10:01:04  asks 09:59..10:02:04 repair              ->
		10:01:04  answers 09:59 forming=10:00              ->
		10:01:08  asks nothing                             ->
		10:01:09  asks 09:59..10:02:09 repair              ->
		10:01:09  answers 09:59 10:00 forming=10:01        -> 10:00
	`},
	{"a closing frame that comes after the next candle's frames is in time", "1m", `
		10:00:30  start stored=09:59                       ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:01:02  forming 10:01                            ->
		10:01:03  stream 10:00                             -> 10:00
		10:01:09  asks nothing                             ->
	`},
	{"a hole in the stream is filled before the series goes on", "1m", `
		10:00:30  start stored=09:59                       ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:03:00  stream 10:02                             ->
		10:03:00  asks 09:59..10:04 repair                ->
		10:03:01  stream 10:03                             ->
		10:03:01  answers 09:59 10:00 10:01 forming=10:02  -> 10:00 10:01 10:02 10:03
	`},
	{"a hole that is one is told, and three spaced answers prove it", "1m", `
		10:00:30  start stored=09:59                       ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:03:00  stream 10:02                             ->
		10:03:00  asks 09:59..10:04 repair                ->
		10:03:00  answers 09:59 forming=10:02              -> gap[10:00..10:01 open 1] 10:02
		10:03:59  stream 10:03                             -> 10:03
		10:03:59  asks nothing                             ->
		10:04:00  asks 09:59..10:02 history                ->
		10:04:00  answers 09:59 10:02                      -> gap[10:00..10:01 open 2]
		10:13:00  stream 10:04 10:05 10:06 10:07 10:08     -> 10:04 10:05 10:06 10:07 10:08
		10:13:00  stream 10:09 10:10 10:11 10:12           -> 10:09 10:10 10:11 10:12
		10:13:59  asks nothing                             ->
		10:14:00  stream 10:13                             -> 10:13
		10:14:00  asks 09:59..10:02 history                ->
		10:14:00  answers 09:59 10:02                      -> gap[10:00..10:01 absent 3]
		10:15:00  stream 10:14                             -> 10:14
		10:15:00  asks nothing                             ->
	`},
	{"a hole that history fills later is repaired, part by part", "1m", `
		10:05:30  start stored=10:00                                ->
		10:05:30  asks 10:00..10:06:30 catch-up                     ->
		10:05:30  answers 10:00 10:05 asof=10:06:30                 -> gap[10:01..10:04 open 1] 10:05
		10:06:30  asks 10:00..10:05 history                         ->
		10:06:30  answers 10:00 10:02 10:05                         -> 10:02 gap[10:03..10:04 open 1] gap[10:01..10:01 open 1] gap[10:01..10:01 open 2] gap[10:03..10:04 open 2]
		10:06:31  stream 10:04                                      -> 10:04 gap[10:03..10:03 open 2]
		10:06:32  stream 10:04                                      ->
		10:16:30  stream 10:06 10:07 10:08 10:09                    -> 10:06 10:07 10:08 10:09
		10:16:30  stream 10:10 10:11 10:12 10:13 10:14 10:15        -> 10:10 10:11 10:12 10:13 10:14 10:15
		10:16:30  asks 10:00..10:02 history                         ->
		10:16:30  answers 10:00 10:01 10:02                         -> 10:01 gap[10:01..10:01 repaired 2]
		10:16:30  asks 10:02..10:04 history                         ->
		10:16:30  answers 10:02 10:04                               -> gap[10:03..10:03 absent 3]
	`},
	{"where the venue has no row for a quiet interval, one answer with rows on both sides will do", "1m", `
		10:00:30  start stored=09:59 missing=09:30..09:31 sparse hour=00:55 ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:00:30  asks 09:29..09:32 history                ->
		10:00:30  answers 09:29 09:32                      -> gap[09:30..09:31 absent 1]
		10:03:00  stream 10:02                             ->
		10:03:00  asks 09:59..10:04 repair                 ->
		10:03:00  answers 09:59 forming=10:02              -> gap[10:00..10:01 absent 1] 10:02
		10:06:00  stream 10:05                             ->
		10:06:00  asks 10:02..10:07 repair                 ->
		10:06:00  answers 10:02 10:03 forming=10:05        -> 10:03 gap[10:04..10:04 absent 1] 10:05
		10:06:09  asks nothing                             ->
		10:55:00  stream 10:54                             ->
		10:55:00  asks 10:05..10:56 repair                 ->
		10:55:00  answers 10:05 forming=10:54              -> gap[10:06..10:53 absent 1] 10:54
		10:55:00  asks 09:59..10:49:59.999 reread           ->
	`},
	{"history that trails the stream does not hold the series for ever, and is asked again", "1m", `
		10:00:30  start stored=09:59                       ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:02:01  stream 10:01                             ->
		10:02:01  asks 09:59..10:03:01 repair              ->
		10:02:01  answers 09:59                            ->
		10:02:05  asks nothing                             ->
		10:02:06  asks 09:59..10:03:06 repair              ->
		10:02:06  answers 09:59                            ->
		10:02:16  asks 09:59..10:03:16 repair              ->
		10:02:16  answers 09:59                            -> gap[10:00..10:00 open 0] 10:01
		10:02:16  asks 09:59..10:01 history                ->
		10:02:17  answers 09:59 10:00 10:01                -> 10:00 gap[10:00..10:00 repaired 0]
	`},
	{"while no question is answered a hole is left to later", "1m", `
		10:00:30  start stored=09:59                       ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:08:00  stream 10:01 10:02 10:03 10:04 10:05 10:06 10:07   ->
		10:08:00  fails 3                                            ->
		10:09:00  stream 10:08                                       ->
		10:09:00  fails 2                                            ->
		10:09:00  fails 3                    -> gap[10:00..10:00 open 0] 10:01 10:02 10:03 10:04 10:05 10:06 10:07 10:08
		10:09:00  asks 09:59..10:01 history                          ->
	`},
	{"an outage of 80 minutes costs a handful of questions", "1m", `
		12:39:30  start stored=12:38                          ->
		12:39:30  asks 12:38..12:40:30 catch-up               ->
		12:39:30  answers 12:38 forming=12:39                 ->
		12:39:42  stream 12:39                                -> 12:39
		12:41:09  asks nothing                                ->
		12:41:10  asks 12:39..12:42:10 repair                 ->
		12:41:10  answers 12:39                               ->
		12:42:09  asks nothing                                ->
		12:42:10  asks 12:39..12:43:10 repair                 ->
		12:42:10  answers 12:39                               ->
		12:44:10  asks 12:39..12:45:10 repair                 ->
		12:44:10  answers 12:39                               ->
		12:48:10  asks 12:39..12:49:10 repair                 ->
		12:48:10  answers 12:39                               ->
		12:56:10  asks 12:39..12:57:10 repair                 ->
		12:56:10  answers 12:39                               ->
		13:12:10  asks 12:39..13:13:10 repair                 ->
		13:12:10  answers 12:39                               ->
		13:44:10  asks 12:39..13:45:10 repair                 ->
		13:44:10  answers 12:39                               ->
		14:00:02  forming 14:00                               ->
		14:00:04  asks 12:39..14:01:04 repair                 ->
		14:00:04  answers 12:39 forming=14:00                 ->
		14:00:59  asks nothing                                ->
		14:01:00  stream 14:00                                ->
		14:01:00  asks 12:39..14:02 repair                   ->
		14:01:00  answers 12:39 forming=14:00                 -> gap[12:40..13:59 open 1] 14:00
	`},
	{"a candle that opens off the grid follows, and the grid follows it", "15m", `
		2018-02-09T10:20  start stored=2018-02-09T09:45                                     ->
		2018-02-09T10:20  asks 2018-02-09T09:45..2018-02-09T10:35 catch-up                  ->
		2018-02-09T10:20  answers 2018-02-09T09:45 2018-02-09T09:58:14.789 2018-02-09T10:00 forming=2018-02-09T10:15 -> 2018-02-09T09:58:14.789 2018-02-09T10:00
	`},
	{"a candle that opens off the grid after an outage stands for its interval", "15m", `
		2018-02-09T10:20  start stored=2018-02-09T09:00                                     ->
		2018-02-09T10:20  asks 2018-02-09T09:00..2018-02-09T10:35 catch-up                  ->
		2018-02-09T10:20  answers 2018-02-09T09:00 2018-02-09T09:58:14.789 2018-02-09T10:00 forming=2018-02-09T10:15 -> gap[2018-02-09T09:15..2018-02-09T09:30 open 1] 2018-02-09T09:58:14.789 2018-02-09T10:00
	`},
	{"months follow the calendar", "1M", `
		2024-03-05  start stored=2023-12-01                                                 ->
		2024-03-05  asks 2023-12-01..2024-04-05 catch-up                                    ->
		2024-03-05  answers 2023-12-01 2024-01-01 2024-02-01 forming=2024-03-01             -> 2024-01-01 2024-02-01
		2024-04-01  stream 2024-03-01                                                       -> 2024-03-01
		2024-05-02  asks 2024-03-01..2024-06-02 repair                                      ->
		2024-05-02  answers 2024-03-01 2024-04-01 forming=2024-05-01                        -> 2024-04-01
	`},
	{"a week begins where the exchange says, not where we would reckon", "1w", `
		2026-11-25  start fresh                                                             ->
		2026-11-25  asks 2026-11-18..2026-12-02 catch-up                                    ->
		2026-11-25  answers 2026-11-19 forming=2026-11-24                                   ->
		2026-12-01  stream 2026-11-24                                                       -> 2026-11-24
	`},
	{"a week that ends before the store answers is fetched", "1w", `
		2026-11-23T23:59  begins                                                            ->
		2026-11-24T00:01  start fresh                                                       ->
		2026-11-24T00:01  asks 2026-11-16T23:59..2026-12-01T00:01 catch-up                  ->
		2026-11-24T00:01  answers 2026-11-17 forming=2026-11-24                             -> 2026-11-17
		2026-12-01        stream 2026-11-24                                                 -> 2026-11-24
	`},
	{"a week that ended before the beginning is not, nor one that begins after a halt missed", "1w", `
		2026-11-26  begins                                                                  ->
		2026-12-09  start fresh                                                             ->
		2026-12-09  asks 2026-11-19..2026-12-16 catch-up                                    ->
		2026-12-09  answers 2026-11-19 2026-12-01 forming=2026-12-08                        -> 2026-12-01
	`},
	{"what the store misses is fetched after the live edge is reached", "1m", `
		12:00:30  start stored=11:59 missing=10:00..10:03 missing=11:00..11:00              ->
		12:00:30  asks 11:59..12:01:30 catch-up                                             ->
		12:00:30  answers 11:59 forming=12:00                                               ->
		12:00:30  asks 09:59..10:04 history                                                 ->
		12:00:30  answers 09:59 10:00 10:01 full      -> 10:00 10:01 gap[10:02..10:03 open 0] gap[10:00..10:01 repaired 0]
		12:00:30  asks 10:01..10:04 history                                                 ->
		12:00:30  answers 10:01 10:02 10:03                                                 -> 10:02 10:03 gap[10:02..10:03 repaired 0]
		12:00:30  asks 10:59..11:01 history                                                 ->
		12:00:30  answers 10:59 11:01                                                       -> gap[11:00..11:00 open 1]
		12:00:40  asks nothing                                                              ->
	`},
	{"a gap beside another one is proved by rows further out", "1m", `
		12:00:30  start stored=11:59 missing=10:00..10:03                                   ->
		12:00:30  asks 11:59..12:01:30 catch-up                                             ->
		12:00:30  answers 11:59 forming=12:00                                               ->
		12:00:30  asks 09:59..10:04 history                                                 ->
		12:00:30  answers 10:04                                                             ->
		12:01:00  stream 12:00                                                              -> 12:00
		12:01:29  asks nothing                                                              ->
		12:01:30  asks 09:52..10:04 history                                                 ->
		12:01:30  answers 09:53 10:04                                                       -> gap[10:00..10:03 open 1]
	`},
	{"a reconnect continues from the last candle", "1m", `
		10:00:30  start stored=09:59                       ->
		10:00:30  asks 09:59..10:01:30 catch-up            ->
		10:00:30  answers 09:59 forming=10:00              ->
		10:01:00  stream 10:00                             -> 10:00
		10:03:30  behind                                   ->
		10:03:30  asks 10:00..10:04:30 catch-up            ->
		10:03:30  answers 10:00 10:01 10:02 forming=10:03  -> 10:01 10:02
		10:04:00  stream 10:03                             -> 10:03
	`},
	{"a candle that only the stream has takes its place between history's rows", "1m", `
		10:03:30  start stored=10:00                       ->
		10:03:30  stream 10:02                             ->
		10:03:30  asks 10:00..10:04:30 catch-up            ->
		10:03:30  answers 10:00 10:01 10:03 asof=10:04:30  -> 10:01 10:02 10:03
	`},
	{"of many that wait only the newest are kept; history has the others", "1m", `
		10:10:30  stream 10:00 10:01 10:02 10:03 10:04 10:05 10:06 10:07 10:08 10:09            ->
		10:10:30  start stored=09:59                                                            ->
		10:10:30  asks 09:59..10:11:30 catch-up                                                 ->
		10:10:30  answers 09:59 10:00 10:01 full                         -> 10:00 10:01 10:02 10:03 10:04 10:05 10:06 10:07 10:08 10:09
		10:10:30  asks 10:09..10:11:30 catch-up                                                 ->
	`},
}

func TestSpliceFollowsItsTables(t *testing.T) {
	t.Parallel()
	for _, table := range slices.Concat(spliceTables, auditTables) {
		t.Run(table.name, func(t *testing.T) {
			t.Parallel()
			tf, err := candle.ParseTimeframe(table.timeframe)
			if err != nil {
				t.Fatal(err)
			}
			p := play{splice: splice{series: candle.Series{Exchange: "test", Symbol: "ETHUSDT", Timeframe: tf}}}
			for line := range strings.Lines(table.script) {
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				happening, want, ok := strings.Cut(line, "->")
				if !ok {
					t.Fatalf("no -> in %q", line)
				}
				if err := p.happen(strings.Fields(happening)); err != nil {
					t.Fatalf("%s\n%v", line, err)
				}
				if got, want := strings.Join(p.out, " "), strings.Join(strings.Fields(want), " "); got != want {
					t.Fatalf("%s\ncame %s", line, got)
				}
			}
		})
	}
}

// play drives a splice by a table.
type play struct {
	splice
	now   candle.Millis
	asked question
	out   []string
}

func (p *play) candle(c candle.Candle) bool {
	p.out = append(p.out, clockText(c.OpenTime))
	return true
}

func (p *play) again(c candle.Candle) bool {
	p.out = append(p.out, "again["+clockText(c.OpenTime)+"]")
	return true
}

func (p *play) audited(a candle.Audit) {
	p.out = append(p.out, fmt.Sprintf("audit[%s..%s %d]", clockText(a.Range.From), clockText(a.Range.To), a.Rows))
}

func (p *play) gap(g candle.Gap) {
	p.out = append(p.out, fmt.Sprintf("gap[%s..%s %s %d]", clockText(g.Range.From), clockText(g.Range.To), g.State, g.Proofs))
}

func (p *play) happen(words []string) error {
	p.out = nil
	now, args := instant(words[0]), words[2:]
	p.now = now
	plain, named := []candle.Millis{}, map[string][]string{}
	for _, arg := range args {
		if name, value, ok := strings.Cut(arg, "="); ok || arg == "fresh" || arg == "full" || arg == "sparse" {
			named[name] = append(named[name], value)
		} else if words[1] == "answers" || words[1] == "stream" || words[1] == "forming" {
			plain = append(plain, instant(arg))
		}
	}
	one := func(name string) candle.Millis {
		if len(named[name]) == 0 {
			return 0
		}
		return instant(named[name][0])
	}
	switch words[1] {
	case "start":
		r := candle.Resume{Last: one("stored"), HasLast: named["stored"] != nil}
		for _, stretch := range named["missing"] {
			from, to, _ := strings.Cut(stretch, "..")
			r.Missing = append(r.Missing, candle.Range{From: instant(from), To: instant(to)})
		}
		r.ConfirmedTo = one("confirmed")
		for _, g := range named["ledger"] { // A..B/state/proofs/checked
			parts := strings.Split(g, "/")
			from, to, _ := strings.Cut(parts[0], "..")
			proofs, err := strconv.Atoi(parts[2])
			if err != nil {
				return err
			}
			r.Ledger = append(r.Ledger, candle.Gap{
				Range: candle.Range{From: instant(from), To: instant(to)}, State: candle.GapState(parts[1]), Proofs: proofs, CheckedAt: instant(parts[3]),
			})
		}
		p.auditing, p.sparse = named["hour"] != nil, named["sparse"] != nil
		p.start(r, one("since"), now)
		p.audit.phase = one("hour") % 3_600_000
		p.drain(p)
	case "begins":
		p.begun = now
	case "behind":
		p.behind = true
	case "forming":
		p.observe(plain[0], now)
	case "stream":
		for _, open := range plain {
			p.observe(open, now)
			p.offer(bar(open), now, p)
		}
	case "asks":
		got := "nothing"
		if p.asked = p.ask(now); p.asked.urgency != none {
			p.asking = true
			got = clockText(p.asked.r.From) + ".." + clockText(p.asked.r.To) + " " + [...]string{"", "reread", "history", "catch-up", "repair"}[p.asked.urgency]
		}
		if want := strings.Join(args, " "); got != want {
			return fmt.Errorf("asks %s", got)
		}
	case "answers":
		page := exchange.Page{AsOf: now, Unclosed: one("forming"), Full: named["full"] != nil}
		if named["asof"] != nil {
			page.AsOf = one("asof")
		}
		for _, open := range plain {
			page.Candles = append(page.Candles, bar(open))
		}
		p.asking = false
		return p.answer(p.asked, page, now, p)
	case "fails":
		n, err := strconv.Atoi(args[0])
		p.asking = false
		p.unanswered(n, now, p)
		return err
	default:
		return fmt.Errorf("nothing is called %s", words[1])
	}
	return nil
}

const theDay = "2023-03-24"

func instant(text string) candle.Millis {
	if !strings.Contains(text, "-") {
		text = theDay + "T" + text
	}
	m, err := candle.ParseMillis(text)
	if err != nil {
		panic(err)
	}
	return m
}

// clockText writes an instant as the tables do.
func clockText(m candle.Millis) string {
	text := strings.TrimSuffix(m.String(), "Z")
	text = strings.TrimSuffix(text, ".000")
	text, here := strings.CutPrefix(text, theDay+"T")
	text = strings.TrimSuffix(text, ":00")
	if !here {
		text = strings.TrimSuffix(text, "T00:00")
	}
	return text
}

// bar makes the candle that opened at open; no two are alike.
func bar(open candle.Millis) candle.Candle {
	d := func(n int64) candle.Decimal { return candle.MustDecimal(fmt.Sprintf("%d.%08d", n/100+1, n%100000007)) }
	n := int64(open / 1000 % 1000000)
	return candle.Candle{
		OpenTime: open, CloseTime: open + 59999, Open: d(n + 1), High: d(n + 300), Low: d(n), Close: d(n + 2),
		Volume: d(n * 7), QuoteVolume: d(n * 11), Trades: n, TakerBuyVolume: d(n * 3), TakerBuyQuoteVolume: d(n * 5),
	}
}

func TestAnswerThatMakesNoSenseIsRefusedAndAskedAgain(t *testing.T) {
	t.Parallel()
	for name, opens := range map[string][]string{
		"out of order":          {"10:00", "10:02", "10:01"},
		"doubled":               {"10:00", "10:01", "10:01"},
		"not what was asked":    {"09:00", "10:01"},
		"a page of one old row": {"10:00"},
	} {
		p := play{splice: splice{series: candle.Series{Exchange: "test", Symbol: "ETHUSDT", Timeframe: candle.Minute1}}}
		for _, words := range []string{"10:05 start stored=10:00", "10:05 asks 10:00..10:06 catch-up"} {
			if err := p.happen(strings.Fields(words)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.happen(strings.Fields("10:05 answers full " + strings.Join(opens, " "))); err == nil || len(p.out) > 0 {
			t.Errorf("%s: %v, %v", name, p.out, err)
		}
		if q := p.ask(p.now); q.urgency != catchUp {
			t.Errorf("%s: then asks %v", name, q)
		}
	}
}
