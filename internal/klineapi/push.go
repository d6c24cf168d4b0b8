package klineapi

import (
	"hash/fnv"
	"math"
	"strconv"

	"velador/internal/candle"
)

// never is an instant that does not come.
const never candle.Millis = math.MaxInt64

// pusher decides what a stream sends and when. It knows no connection; what it gives depends on the
// source and on the instants only, so all subscribers see the same (SIM-W17).
type pusher interface {
	// step gives what is due up to now, in order, and when to ask next; that may be in the past when
	// there is more.
	step(now candle.Millis) (events []*event, next candle.Millis)
}

// chunk is how many candles' closes are taken in one step, so that a clock that jumps a year does
// not fetch a year at once.
const chunk = 1000

// klinePush is the push of a kline stream: forming frames on a tick grid, closing frames after the
// close (SIM-W11 to W14).
type klinePush struct {
	source  Source
	profile *Profile
	topic   *topic
	lost    func() // called for every closing frame that is lost on purpose

	every, phase candle.Millis
	ticked       candle.Millis // the newest tick that was served
	asked        candle.Millis // closes are known up to here
	forming      Row           // as At gave it last
	isForming    bool
	waiting      []closing // closed, their frame still to come; ascending by open time and by due
	lastAt       candle.Millis
	pushed       Row           // the last row that was sent, or would have been before the first subscriber came
	closed       candle.Millis // open time of the newest candle whose closing frame went out or was lost
}

// closing is a closed candle whose frame is due at an instant.
type closing struct {
	row Row
	due candle.Millis
}

// newKlinePush starts a stream as if it had always run: closes whose frames are still due at now
// will come, and what a tick before now has shown is not shown again.
func newKlinePush(source Source, profile *Profile, t *topic, now candle.Millis, lost func()) *klinePush {
	p := &klinePush{source: source, profile: profile, topic: t, lost: lost, closed: -1, every: candle.Millis(profile.Tick.millis())}
	if t.tf == candle.Second1 {
		p.every = candle.Millis(profile.Tick1s.millis())
	}
	p.phase = candle.Millis(draw(profile.Seed, t.symbol) % uint64(p.every))
	p.asked = now
	switch profile.Close {
	case CloseFast:
		p.asked -= candle.Millis(profile.CloseFastMax.millis())
	case CloseLoaded:
		p.asked -= candle.Millis(profile.CloseLoadedMax.millis())
	}
	p.lost = func() {} // losses before the first subscriber are nobody's
	p.collect(now)
	p.lost = lost
	for len(p.waiting) > 0 && p.waiting[0].due <= now {
		p.closed = p.waiting[0].row.OpenTime
		p.waiting = p.waiting[1:]
	}
	p.ticked = p.tick(now)
	p.pushed, _ = source.At(t.symbol, t.tf, t.zone, p.ticked)
	p.forming, p.isForming = source.At(t.symbol, t.tf, t.zone, now)
	return p
}

// tick gives the newest instant of the tick grid up to now.
func (p *klinePush) tick(now candle.Millis) candle.Millis {
	return now - ((now-p.phase)%p.every+p.every)%p.every
}

func (p *klinePush) step(now candle.Millis) ([]*event, candle.Millis) {
	if last := p.asked.Add(chunk * p.topic.tf.Step()); now > last {
		now = last
	}
	var events []*event
	p.collect(now)
	tick := p.tick(now)
	if len(p.waiting) > 0 && tick <= p.waiting[0].row.CloseTime {
		events = p.show(events, tick, tick)
	}
	if tick > p.ticked && p.profile.Close == CloseWithNextTrade {
		p.releaseByTrade(tick)
	}
	for len(p.waiting) > 0 && p.waiting[0].due <= now {
		c := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.closed, p.pushed, p.lastAt = c.row.OpenTime, c.row, c.due
		events = append(events, &event{topic: p.topic, at: c.due, row: c.row, final: true})
	}
	// A tick that falls between a close and its frame is held until that frame is out: frames of a
	// candle precede those of the next one (SIM-W14).
	if len(p.waiting) == 0 {
		events = p.show(events, tick, max(tick, p.lastAt))
	}
	return events, p.next(now, tick)
}

// show serves a tick, unless that was done before: it appends the candle that forms at an instant,
// if it has changed.
func (p *klinePush) show(events []*event, tick, at candle.Millis) []*event {
	if tick <= p.ticked {
		return events
	}
	p.ticked = tick
	p.forming, p.isForming = p.source.At(p.topic.symbol, p.topic.tf, p.topic.zone, at)
	if !p.isForming || p.forming.OpenTime <= p.closed || !traded(&p.forming) || p.forming == p.pushed {
		return events
	}
	p.pushed, p.lastAt = p.forming, at
	return append(events, &event{topic: p.topic, at: at, row: p.forming})
}

// next tells when something may be due after now.
func (p *klinePush) next(now, tick candle.Millis) candle.Millis {
	next := tick + p.every
	if len(p.waiting) > 0 {
		next = min(next, p.waiting[0].due)
	}
	if p.isForming && p.forming.CloseTime >= now && p.profile.Close != CloseWithNextTrade {
		next = min(next, p.forming.CloseTime+1+p.delay(p.forming.OpenTime))
	}
	return next
}

// collect takes up the candles that closed up to now. While the forming candle is known to last
// longer there are none.
func (p *klinePush) collect(now candle.Millis) {
	if now <= p.asked || p.isForming && now <= p.forming.CloseTime && p.asked >= p.forming.OpenTime {
		return
	}
	for _, row := range p.source.Closing(p.topic.symbol, p.topic.tf, p.topic.zone, p.asked, now) {
		p.await(row)
	}
	p.asked = now
}

// await draws what becomes of a closed candle's frame (SIM-W12).
func (p *klinePush) await(row Row) {
	c := closing{row: row, due: row.CloseTime + 1 + p.delay(row.OpenTime)}
	if p.profile.Close == CloseWithNextTrade {
		c.due = never
		if traded(&row) {
			p.release(row.OpenTime + 1)
		}
	}
	if p.profile.CloseLost > 0 && fraction(draw(p.profile.Seed, "lost", p.key(), number(row.OpenTime))) < p.profile.CloseLost {
		p.lost()
		if len(p.waiting) == 0 {
			p.closed = max(p.closed, row.OpenTime)
		}
		return
	}
	if n := len(p.waiting); n > 0 {
		c.due = max(c.due, p.waiting[n-1].due)
	}
	p.waiting = append(p.waiting, c)
}

// releaseByTrade lets waiting frames go when the candle that forms at a tick has seen a trade.
func (p *klinePush) releaseByTrade(tick candle.Millis) {
	if len(p.waiting) == 0 {
		return
	}
	row, forming := p.source.At(p.topic.symbol, p.topic.tf, p.topic.zone, tick)
	if forming && traded(&row) && row.OpenTime > p.waiting[len(p.waiting)-1].row.OpenTime {
		p.release(tick)
	}
}

func (p *klinePush) release(at candle.Millis) {
	for i := range p.waiting {
		if w := &p.waiting[i]; w.due == never {
			w.due = max(at, p.lastAt, w.row.CloseTime+1)
		}
	}
}

// delay draws how long after its close a candle's frame comes.
func (p *klinePush) delay(open candle.Millis) candle.Millis {
	least, most := p.profile.CloseFastMin.millis(), p.profile.CloseFastMax.millis()
	if p.profile.Close == CloseLoaded {
		most = p.profile.CloseLoadedMax.millis()
	}
	return candle.Millis(least + int64(draw(p.profile.Seed, "close", p.key(), number(open))%uint64(most-least+1)))
}

func (p *klinePush) key() string { return p.topic.name }

// traded tells that a candle has seen a trade.
func traded(r *Row) bool {
	return r.Trades > 0 || !r.Volume.IsAbsent() && r.Volume.Compare(candle.Decimal{}) > 0
}

// draw gives a number that looks random and depends on nothing but its arguments.
func draw(seed uint64, parts ...string) uint64 {
	h := fnv.New64a()
	for _, part := range parts {
		_, _ = h.Write([]byte(part)) // a hash takes everything
		_, _ = h.Write([]byte{0})
	}
	x := h.Sum64() ^ seed*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9 // splitmix64's finish spreads neighbouring inputs
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fraction maps a draw to 0 ≤ x < 1.
func fraction(x uint64) float64 { return float64(x>>11) / (1 << 53) }

func number(t candle.Millis) string { return strconv.FormatInt(int64(t), 10) }
