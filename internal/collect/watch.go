package collect

import (
	"context"
	"slices"
	"time"

	"velador/internal/candle"
	"velador/internal/exchange"
)

// How the exchange's clock is listened to.
const (
	// quietFor is how long, in our time, nothing may be heard before the exchange is asked what time
	// it is there: in a halt no event says so.
	quietFor = 5 * time.Second
	// quietAtMost is the same while no question is due by our reckoning, of an exchange whose clock runs
	// as fast as ours: five hundred collectors of quiet markets would spend all that the exchange allows
	// on the time. Supervision takes a clock that stands for 30 s for an exchange out of reach.
	quietAtMost = 20 * time.Second
	// drift is what an answer's way may make of the clock's pace.
	drift = 500 * time.Millisecond
	// maxLeap is how far one event may move the clock; what goes further is not believed.
	maxLeap = 24 * time.Hour
	// oddLeap is how far one event may move the clock without the exchange being asked whether it is
	// true.
	oddLeap = time.Hour
	// maxLead is how far the clock may be ahead of the exchange's own word for it before it is set
	// back: less is the time that an answer travels, at a simulator's speed.
	maxLead = 10 * time.Minute
)

// clock is the exchange's, as far as it was heard: the greatest time that it is known to have reached.
type clock struct {
	now   candle.Millis
	heard time.Time // when it last moved, by our clock
	doubt bool      // it moved oddly, or should have: ask

	answer candle.Millis // what the exchange said when it was asked, and when that was
	asked  time.Time
	steady bool // it runs as fast as ours
}

// hear notes the time of an event.
func (c *clock) hear(at candle.Millis, ours time.Time) {
	if at <= c.now {
		return
	}
	leap := at.Sub(c.now)
	c.doubt = c.doubt || leap > oddLeap
	if leap > maxLeap {
		return
	}
	c.now, c.heard = at, ours
}

// reached notes a time that the exchange's history named. It may be old, but it was true.
func (c *clock) reached(at candle.Millis, ours time.Time) {
	if at > c.now {
		c.now, c.heard = at, ours
	}
}

// told notes what the exchange answered when it was asked for the time. Only this may set the clock
// back, after an event that lied.
func (c *clock) told(at candle.Millis, ours time.Time) {
	if at > c.now || c.now > at.Add(maxLead) {
		c.now = at
	}
	c.heard, c.doubt = ours, false
	if passed := ours.Sub(c.asked); c.asked.IsZero() || passed >= quietFor-drift {
		c.steady = !c.asked.IsZero() && (at.Sub(c.answer)-passed).Abs() <= drift+passed/100
		c.answer, c.asked = at, ours
	}
}

// reckoned is what the clock shows if it runs on as ours does. Nothing is judged by it but whether it
// is worth asking.
func (c *clock) reckoned(ours time.Time) candle.Millis { return c.now.Add(ours.Sub(c.heard)) }

// watchClock asks the exchange for the time when nothing was heard for a while, or something odd.
func (c *Collector) watchClock(ctx context.Context) {
	now := time.Now()
	if c.rest.asksTime || !c.rest.open(now) || !c.clock.doubt && !c.wantsTime(now) {
		return
	}
	c.rest.asksTime = true
	c.background(ctx, func(ctx context.Context) func(context.Context) {
		at, err := c.askTime(ctx)
		return func(context.Context) {
			c.rest.asksTime = false
			if err != nil {
				c.failedToAnswer(nil, err)
				return
			}
			c.answered(nil)
			c.clock.told(at, time.Now())
		}
	})
}

func (c *Collector) askTime(ctx context.Context) (candle.Millis, error) {
	timed, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return c.config.Exchange.Time(exchange.WithClass(timed, exchange.ClassLive))
}

// wantsTime tells whether the exchange has been quiet for too long.
func (c *Collector) wantsTime(now time.Time) bool {
	quiet := now.Sub(c.clock.heard)
	if quiet < quietFor || !c.clock.steady || quiet >= quietAtMost {
		return quiet >= quietFor
	}
	then := c.clock.reckoned(now)
	return slices.ContainsFunc(c.series, func(s *follower) bool { return s.ask(then).urgency != none && !now.Before(s.retryAt) })
}
