package exchange

import "time"

// account is what is spent of one venue's limits. It decides and waits for nothing: its owner
// locks it and gives it the time.
type account struct {
	limit    int
	window   time.Duration
	ends     time.Time // when the running window ends
	used     int       // weight spent in it, by us or, as the venue says, by all
	late     int       // of it, what was spent since the venue has begun its next window, by our clock
	ban      BanError  // the latest ban; over when Until has passed
	connects int       // connection attempts that the venue allows in ConnectWindow
	attempts []time.Time

	// A wary account does not trust a window that it has not seen from its beginning, and one that is
	// alone trusts none: others spend in it too. Such a window is blind: one request at a time is let
	// through, until the venue's count comes back with it.
	wary, alone bool
	blind       bool
	probed      time.Time // how long the count is waited for that the request under way brings
	doubted     time.Time // the end of the window that was doubted last
}

// probePatience is how long a blind account waits for the venue's count; a request may fail.
const probePatience = 2 * time.Second

func newAccount() account {
	return account{limit: DefaultWeight, window: DefaultWindow, connects: DefaultConnects}
}

// banned tells whether a ban runs.
func (a *account) banned(now time.Time) bool { return now.Before(a.ban.Until) }

// stop notes a ban and tells whether that is news: a ban that runs is never shortened.
func (a *account) stop(now time.Time, ban BanError) bool {
	if latest := now.Add(maxRetryAfter); ban.Until.After(latest) {
		ban.Until = latest
	}
	if !ban.Until.After(a.ban.Until) || !ban.Until.After(now) {
		return false
	}
	a.ban = ban
	return true
}

// roll begins a new window when the running one is over. The guard lets the venue begin its own
// first: what is spent early would still count in its old one. What is spent late may count in either,
// and so it counts in both.
func (a *account) roll(now time.Time) {
	if now.Before(a.ends) {
		return
	}
	a.blind = a.alone || a.wary && now.Sub(a.ends) >= a.window // the first one included
	a.probed = time.Time{}
	if a.used, a.late = a.late, 0; now.Sub(a.ends) >= a.window {
		a.used = 0
	}
	a.ends = a.windowEnd(now)
}

func (a *account) windowEnd(now time.Time) time.Time {
	return now.Add(-windowGuard).Truncate(a.window).Add(a.window + windowGuard)
}

// doubt makes the running window a blind one: somebody has spent in it without asking here. Once in a
// window is enough; what is counted after that is known.
func (a *account) doubt(now time.Time) {
	if a.roll(now); !a.doubted.Equal(a.ends) {
		a.blind, a.doubted = true, a.ends
	}
}

// room tells when to ask again whether weight fits into percent of the limit; the zero time when
// it does now. A weight that no window could hold fits when nothing else was spent, or it would wait
// for ever.
func (a *account) room(now time.Time, weight, percent int) (again time.Time) {
	a.roll(now)
	if a.blind && now.Before(a.probed) {
		return a.probed
	}
	if a.used > 0 && a.used+weight > a.share(percent) {
		return a.ends
	}
	return time.Time{}
}

func (a *account) share(percent int) int { return a.limit * percent / 100 }

// spend notes what room has allowed.
func (a *account) spend(now time.Time, weight int) {
	a.used += weight
	if !now.Before(a.ends.Add(-windowGuard)) {
		a.late += weight
	}
	if a.blind {
		a.probed = now.Add(probePatience)
	}
}

// observe raises what counts as spent to the venue's own count, and tells whether it was waited
// for. A lower count changes nothing: it may be an answer that was overtaken, and what is on its way
// is not in it.
func (a *account) observe(now time.Time, used int) bool {
	a.roll(now)
	a.used = max(a.used, used)
	awaited := a.blind && !a.probed.IsZero()
	if awaited {
		a.blind, a.probed = a.alone, time.Time{}
	}
	return awaited
}

// setLimit takes a limit as the venue names it and tells whether that is news. A limit or window
// that is not positive is ignored.
func (a *account) setLimit(now time.Time, weight int, window time.Duration) bool {
	if weight <= 0 || window <= 0 || (weight == a.limit && window == a.window) {
		return false
	}
	changed := window != a.window
	a.limit, a.window = weight, window
	if changed && !a.ends.IsZero() {
		// What was spent stays spent until the new kind of window ends.
		a.ends = a.windowEnd(now)
	}
	return true
}

// attemptRoom tells when to ask again whether a connection may be attempted, so that at most so
// many lie within ConnectWindow; the zero time when it may now.
func (a *account) attemptRoom(now time.Time, most int) (again time.Time) {
	a.forgetAttempts(now)
	if most = max(most, 1); len(a.attempts) >= most {
		return a.attempts[len(a.attempts)-most].Add(ConnectWindow)
	}
	return time.Time{}
}

// spacedRoom is attemptRoom that spreads: the first half of the share goes at once, and from there
// on one at a time, as often as the limit can bear for ever.
func (a *account) spacedRoom(now time.Time, percent int) (again time.Time) {
	if again = a.attemptRoom(now, a.connects*percent/100); !again.IsZero() {
		return again
	}
	share := max(a.connects*sharePercent/100, 1)
	if n := len(a.attempts); n > 0 && n >= share/2 {
		if next := a.attempts[n-1].Add(ConnectWindow / time.Duration(share)); now.Before(next) {
			return next
		}
	}
	return time.Time{}
}

// attempt notes a connection attempt.
func (a *account) attempt(now time.Time) { a.attempts = append(a.attempts, now) }

// forgetAttempts drops those that no limit counts any more. None lies in the future, unless the
// clock was set back: such a one would be kept for ever.
func (a *account) forgetAttempts(now time.Time) {
	kept := a.attempts[:0]
	for _, at := range a.attempts {
		if now.Before(at.Add(ConnectWindow)) && !at.After(now) {
			kept = append(kept, at)
		}
	}
	a.attempts = kept
}
