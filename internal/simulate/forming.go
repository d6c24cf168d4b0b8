package simulate

import (
	"velador/internal/candle"
)

// Steps in which a forming candle grows: about one a second, so that a subscriber, who is told
// every two seconds, sees most of them; more for long candles that are not built from shorter ones.
const (
	minSteps = 64
	maxSteps = 1024
)

// formBar gives the candle final as it was at now (SIM-T4): a pure function of the candle, the seed
// and the instant. The open is fixed, high and low only widen, volumes and trades only grow, and
// from its last step on it equals the final one in every value. done tells that it does. Before its
// first trade it is flat at its open.
//
// The price walks from the open over high and low, in an order that the seed draws, to the close;
// steps come at instants that the seed draws, one in each of as many equal parts of the interval.
func formBar(final bar, seed uint64, now candle.Millis) (formed bar, done bool) {
	end := closingInstant(final.openTime, final.closeTime)
	if now >= end || !final.traded() {
		return final, true
	}
	steps := stepsOf(final, end)
	seed = mix(seed, uint64(final.openTime))
	taken := stepsTaken(seed, steps, int64(end-final.openTime), int64(now-final.openTime))
	if taken == steps {
		return final, true
	}
	formed = final.flat()
	if taken == 0 {
		return formed, false
	}
	part, of := uint64(taken), uint64(steps)
	formed.trades = int64(amount{lo: uint64(final.trades)}.share(part, of).lo)
	formed.volume, formed.quote = final.volume.share(part, of), final.quote.share(part, of)
	formed.takerVolume, formed.taker = final.takerVolume.share(part, of), final.taker.share(part, of)
	for _, a := range []*amount{&formed.volume, &formed.quote, &formed.takerVolume, &formed.taker} {
		*a = a.floor(pow10[amountPlaces-8])
	}
	if final.first >= 0 && formed.trades > 0 {
		formed.first, formed.last = final.first, min(final.last, final.first+formed.trades-1)
	}
	walk := newWalk(final, seed, steps)
	for i := 1; i <= taken; i++ {
		price := walk.at(i)
		formed.high, formed.low, formed.close = maxAmount(formed.high, price), minAmount(formed.low, price), price
	}
	return formed, false
}

// stepsOf is at most one step a trade: a candle of three trades has three states.
func stepsOf(final bar, end candle.Millis) int {
	steps := max(minSteps, min(maxSteps, int64(end-final.openTime)/2000))
	if final.trades > 0 {
		steps = min(steps, final.trades)
	}
	return int(steps)
}

// stepsTaken counts the steps that lie at or before elapsed. Step i lies within part i of the span.
func stepsTaken(seed uint64, steps int, span, elapsed int64) int {
	i := int(elapsed * int64(steps) / span) // the part in which elapsed lies; all before it are over
	if i >= steps {
		i = steps - 1
	}
	from, until := span*int64(i)/int64(steps), span*int64(i+1)/int64(steps)
	at := from + int64(unit(mix(seed, uint64(i)))*float64(until-from))
	if elapsed >= at && elapsed > 0 {
		return i + 1
	}
	return i
}

// walk is the way of the price through a candle.
type walk struct {
	seed   uint64
	steps  int
	points [4]struct { // open, one extreme, the other, close
		step  int
		price amount
	}
	low, high amount
	tick      uint64 // prices stay on the grid of the candle's own
}

func newWalk(final bar, seed uint64, steps int) walk {
	w := walk{seed: seed, steps: steps, low: final.low, high: final.high}
	places := 0
	for _, price := range []amount{final.open, final.high, final.low, final.close} {
		places = max(places, price.places())
	}
	w.tick = pow10[amountPlaces-places]
	first, second := final.high, final.low
	if mix(seed, 1<<40)&1 == 0 {
		first, second = second, first
	}
	// The extremes stand in the first and the second half, between the open's step and the last.
	half := max(1, steps/2)
	w.points[0].step, w.points[0].price = 1, final.open
	w.points[1].step, w.points[1].price = 1+int(mix(seed, 1<<41)%uint64(half)), first
	w.points[2].step, w.points[2].price = min(steps, half+1+int(mix(seed, 1<<42)%uint64(half))), second
	w.points[3].step, w.points[3].price = steps, final.close
	return w
}

// at gives the price of step i, 1 ≤ i < steps.
func (w walk) at(i int) amount {
	if i == 1 {
		return w.points[0].price
	}
	k := 1
	for k < 3 && i > w.points[k].step {
		k++
	}
	from, to := w.points[k-1], w.points[k]
	if i == to.step {
		return to.price
	}
	// A straight line with noise of a quarter of its own length.
	length := uint64(to.step-from.step) << 10
	done := uint64(i-from.step)<<10 + mix(w.seed, uint64(i), 3)%(length/4+1)
	var price amount
	if from.price.less(to.price) {
		price = from.price.plus(to.price.minus(from.price).share(min(done, length), length))
	} else {
		price = from.price.minus(from.price.minus(to.price).share(min(done, length), length))
	}
	return maxAmount(w.low, minAmount(w.high, price.floor(w.tick)))
}

// within keeps a candle built from shorter ones inside its own recording: the exchange disagrees
// with itself now and then, and what forms must never have to shrink to become what is recorded.
func (b bar) within(final bar) bar {
	b.open = final.open
	b.high, b.low = maxAmount(final.open, minAmount(b.high, final.high)), minAmount(final.open, maxAmount(b.low, final.low))
	b.close = maxAmount(b.low, minAmount(b.high, b.close))
	b.volume, b.quote = minAmount(b.volume, final.volume), minAmount(b.quote, final.quote)
	b.takerVolume, b.taker = minAmount(b.takerVolume, final.takerVolume), minAmount(b.taker, final.taker)
	b.trades = min(b.trades, final.trades)
	b.closeTime = final.closeTime
	switch {
	case b.trades == 0 || final.first < 0:
		b.first, b.last = -1, -1
	default:
		b.first, b.last = final.first, min(final.last, final.first+b.trades-1)
	}
	return b
}
