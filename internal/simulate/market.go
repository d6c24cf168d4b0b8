package simulate

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// generatedMarket is a line of minutes that a seed generates. Any minute can be had without those
// before it: the price at each midnight is a function of seed and day, and a day's minutes lead
// from one midnight to the next. A day, once generated, is kept while it is used. The walk is reckoned
// in floats, so a seed gives the same market on machines of one architecture.
type generatedMarket struct {
	kind     marketKind
	seed     uint64 // of this market
	common   uint64 // of what moves all markets
	calendar *calendar
	days     *memory[dayKey, *marketDay]
}

type dayKey struct {
	market *generatedMarket
	day    int64
}

// minute is a generated candle, in units of its grid.
type minute struct {
	open, high, low, close uint64 // ticks
	volume, taker          uint64 // steps
	quote, takerQuote      uint64 // 10^-8 of the quote asset
	trades, first          uint32 // first trade's number within the day
}

type marketDay [1440]minute

var _ line = (*generatedMarket)(nil)

// generate makes the instruments of a generated market whose run begins at start: those named, or
// the whole catalogue. Nothing opens at or after end.
func generate(symbols []string, seed uint64, start, end candle.Millis) ([]*instrument, error) {
	if start < candle.MillisOf(time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)) {
		return nil, fmt.Errorf("a generated market cannot start at %s: give a day from 2018 on", start)
	}
	kinds := catalogue
	if len(symbols) > 0 {
		kinds = nil
		for _, symbol := range symbols {
			i := slices.IndexFunc(catalogue, func(k marketKind) bool { return k.base+k.quote == symbol })
			if i >= 0 {
				kinds = append(kinds, catalogue[i])
			} else if err := candle.CheckSymbol(symbol); err != nil {
				return nil, err
			} else {
				kinds = append(kinds, inventKind(symbol))
			}
		}
	}
	halts := haltsOf(seed, start)
	days := newMemory[dayKey, *marketDay](max(48, 2*len(kinds)))
	instruments := make([]*instrument, 0, len(kinds))
	for _, kind := range kinds {
		symbol := kind.base + kind.quote
		m := &generatedMarket{kind: kind, seed: mix(seed, mixString(symbol)), common: mix(seed, 0x636f6d6d6f6e), days: days}
		m.calendar = newCalendar(m.listing(start), end, halts)
		in := &instrument{seed: m.seed, market: klineapi.Market{
			Symbol: symbol, Base: kind.base, Quote: kind.quote,
			TickSize: scaledAmount(1, kind.tickPlaces).decimal(), StepSize: scaledAmount(1, kind.stepPlaces).decimal(),
		}}
		in.lines[candle.Minute1] = m
		instruments = append(instruments, in)
	}
	return instruments, nil
}

// listing gives the first minute: years back, 2019-01-01 for the two greatest, between a year and
// a month before the start where that lies earlier; and within the run for the one that is listed then.
func (m *generatedMarket) listing(start candle.Millis) candle.Millis {
	if m.kind.base == listedInRun {
		return start - start%minuteMillis + 12*minuteMillis
	}
	first := candle.MillisOf(time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC))
	if m.kind.base != "BTC" && m.kind.base != "ETH" {
		first += candle.Millis(m.seed%1000)*dayMillis + 8*60*minuteMillis
	}
	if latest := start - start%dayMillis - candle.Millis(30+m.seed%330)*dayMillis; first > latest {
		first = latest
	}
	return first
}

func (m *generatedMarket) len() int                     { return m.calendar.count }
func (m *generatedMarket) openTime(i int) candle.Millis { return m.calendar.openTime(i) }
func (m *generatedMarket) closeTime(i int) candle.Millis {
	return m.calendar.closeTime(m.calendar.openTime(i))
}
func (m *generatedMarket) search(t candle.Millis) int { return m.calendar.search(t) }
func (m *generatedMarket) row(i int) klineapi.Row     { return m.bar(i).row() }

func (m *generatedMarket) bar(i int) bar {
	open := m.calendar.openTime(i)
	day := int64(open / dayMillis)
	at := m.day(day)[open%dayMillis/minuteMillis]
	b := bar{
		openTime: open, closeTime: m.calendar.closeTime(open),
		open: scaledAmount(at.open, m.kind.tickPlaces), high: scaledAmount(at.high, m.kind.tickPlaces),
		low: scaledAmount(at.low, m.kind.tickPlaces), close: scaledAmount(at.close, m.kind.tickPlaces),
		volume: scaledAmount(at.volume, m.kind.stepPlaces), takerVolume: scaledAmount(at.taker, m.kind.stepPlaces),
		quote: scaledAmount(at.quote, 8), taker: scaledAmount(at.takerQuote, 8),
		trades: int64(at.trades), first: -1, last: -1,
	}
	if at.trades > 0 {
		b.first = day*maxTradesADay + int64(at.first)
		b.last = b.first + b.trades - 1
	}
	return b
}

const (
	maxTradesAMinute = 2500
	maxTradesADay    = 1440 * maxTradesAMinute
)

func (m *generatedMarket) day(day int64) *marketDay {
	key := dayKey{m, day}
	if d, ok := m.days.get(key); ok {
		return d
	}
	d := m.generateDay(day)
	m.days.put(key, d)
	return d
}

// octaves is how many scales of time the price at midnight wanders on: 1, 2, 4 … 512 days.
const octaves = 10

// wander gives a random walk's value on a day without walking there: noise on many scales, each as
// wide as a walk goes in its time. Its daily steps have about the deviation 1.
func wander(seed uint64, day int64) float64 {
	sum := 0.0
	for k := range octaves {
		period := int64(1) << k
		at := day / period
		x := float64(day%period) / float64(period)
		a, b := bell(mix(seed, uint64(k), uint64(at))), bell(mix(seed, uint64(k), uint64(at+1)))
		sum += (a + (b-a)*x*x*(3-2*x)) * math.Sqrt(float64(period)) * 0.5
	}
	return sum
}

// bell makes a hash a number of about normal distribution.
func bell(h uint64) float64 {
	return (unit(h) + unit(mix(h, 1)) + unit(mix(h, 2)) + unit(mix(h, 3)) - 2) * math.Sqrt(3)
}

// midnight gives the logarithm of the price as a day begins.
func (m *generatedMarket) midnight(day int64) float64 {
	own := math.Sqrt(max(0.2, 1-m.kind.beta*m.kind.beta*0.4))
	return math.Log(m.kind.price) + m.kind.volatility*(own*wander(m.seed, day)+0.6*m.kind.beta*wander(m.common, day))
}

// ticks puts a price on the market's grid; a price is at least one tick.
func (m *generatedMarket) ticks(logPrice float64) uint64 {
	return max(1, uint64(math.Round(math.Exp(logPrice)*float64(pow10[m.kind.tickPlaces]))))
}

// generateDay draws a day's minutes: a walk from midnight to midnight whose volatility comes in
// clusters and follows the hours, with trades and volumes that go with it.
func (m *generatedMarket) generateDay(day int64) *marketDay {
	random := rand.New(rand.NewPCG(m.seed, uint64(day)))
	from, to := m.midnight(day), m.midnight(day+1)
	var step, sigma, heat [1440]float64
	x, sum, squares := 0.4*random.NormFloat64(), 0.0, 0.0
	spread := m.kind.volatility / math.Sqrt(1440) * math.Exp(0.35*bell(mix(m.common, uint64(day), 7)))
	for i := range step {
		x = 0.965*x + 0.17*random.NormFloat64()
		heat[i] = (1 + 0.4*math.Sin(2*math.Pi*(float64(i)/1440-0.33))) * math.Exp(x)
		sigma[i] = spread * math.Sqrt(heat[i])
		step[i] = sigma[i] * random.NormFloat64()
		sum += step[i]
		squares += sigma[i] * sigma[i]
	}
	var d marketDay
	dayOpen := candle.Millis(day) * dayMillis
	logPrice, last, first := from, m.ticks(from), uint32(0)
	for i := range d {
		logPrice += step[i] + (to-from-sum)*sigma[i]*sigma[i]/squares
		close := m.ticks(logPrice)
		if i == len(d)-1 {
			close = m.ticks(to) // the next day begins where this one ended
		}
		open := dayOpen + candle.Millis(i)*minuteMillis
		silent, reopens := m.calendar.silent(open)
		trades := poisson(random, m.kind.trades*heat[i])
		if i == len(d)-1 || reopens || open == m.calendar.first {
			trades = max(trades, 1) // so that a flat candle always shows the close before it
		}
		if silent {
			trades = 0
		}
		d[i] = m.drawMinute(random, last, close, trades, sigma[i])
		d[i].first = first
		first += d[i].trades
		last = d[i].close
	}
	return &d
}

// poisson draws a number of trades about mean.
func poisson(random *rand.Rand, mean float64) uint32 {
	if mean > 30 {
		return uint32(max(1, min(maxTradesAMinute, mean*math.Exp(0.25*random.NormFloat64()))))
	}
	n, p, limit := uint32(0), random.Float64(), math.Exp(-mean)
	for p > limit && n < 200 {
		n++
		p *= random.Float64()
	}
	return n
}

// drawMinute draws a candle from the close before it to its own close. Its quote volume is a sum of
// amounts at prices between low and high, exact on the grid.
func (m *generatedMarket) drawMinute(random *rand.Rand, before, close uint64, trades uint32, sigma float64) minute {
	if trades == 0 {
		return minute{open: before, high: before, low: before, close: before}
	}
	c := minute{open: close, high: close, low: close, close: close, trades: trades}
	if trades > 1 {
		c.open = before
		if jump := random.IntN(5); jump == 0 {
			c.open++
		} else if jump == 1 && c.open > 1 {
			c.open--
		}
		c.high, c.low = max(c.open, close), min(c.open, close)
	}
	if trades > 2 {
		reach := sigma * float64(close) * 0.6
		c.high += uint64(math.Abs(random.NormFloat64()) * reach)
		if down := uint64(math.Abs(random.NormFloat64()) * reach); down < c.low {
			c.low -= down
		}
	}
	notional := m.kind.turnover / m.kind.trades * float64(trades) * math.Exp(0.7*random.NormFloat64()/(1+math.Log(float64(trades))/3))
	price := float64(close) / float64(pow10[m.kind.tickPlaces])
	c.volume = max(uint64(trades), uint64(notional/price*float64(pow10[m.kind.stepPlaces])))
	atLow := uint64(float64(c.volume) * (0.1 + 0.2*random.Float64()))
	atHigh := uint64(float64(c.volume) * (0.1 + 0.2*random.Float64()))
	middle := min(c.high, max(c.low, (c.open+c.close)/2))
	c.quote = m.quoteUnits(atLow*c.low + atHigh*c.high + (c.volume-atLow-atHigh)*middle)
	share := min(1, max(0, 0.5+0.18*random.NormFloat64()))
	if trades == 1 {
		share = math.Round(share)
	}
	if c.taker = min(c.volume, uint64(float64(c.volume)*share)); c.taker == c.volume {
		c.takerQuote = c.quote
	} else {
		hi, lo := bits.Mul64(c.quote, c.taker)
		c.takerQuote, _ = bits.Div64(hi, lo, c.volume)
	}
	return c
}

// quoteUnits turns ticks times steps into 10^-8 of the quote asset.
func (m *generatedMarket) quoteUnits(units uint64) uint64 {
	places := m.kind.tickPlaces + m.kind.stepPlaces
	if places > 8 {
		return units / pow10[places-8]
	}
	return units * pow10[8-places]
}
