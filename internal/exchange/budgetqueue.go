package exchange

import (
	"slices"
	"time"
)

// seat is a collector in the line: when it had its last turn of each class.
type seat struct {
	turns [classes]uint64
	seen  time.Time // when it last asked
	held  int       // requests of it that wait
}

// waiter is a request that waits.
type waiter struct {
	request
	seat    *seat
	arrived time.Time
	ends    time.Time // zero: never
	answer  func(answer)
}

// queue is a line of requests: by class, within a class by turns of the collectors, and within a
// collector by arrival. It decides and waits for nothing.
type queue struct {
	waiting [classes][]*waiter
	turn    uint64
	// credit is what a class that waits may have although others come before it, in hundredths of
	// what it asks for.
	credit  [classes]int
	soonest time.Time // before it, nobody's time in line is over; zero: nobody's ever
}

func (q *queue) len() int {
	n := 0
	for _, waiting := range q.waiting {
		n += len(waiting)
	}
	return n
}

// add puts a request in line.
func (q *queue) add(w *waiter) {
	w.seat.held++
	q.waiting[w.class] = append(q.waiting[w.class], w)
	if !w.ends.IsZero() && (q.soonest.IsZero() || w.ends.Before(q.soonest)) {
		q.soonest = w.ends
	}
}

// remove takes a request out of line, if it is there still.
func (q *queue) remove(w *waiter) {
	i := slices.Index(q.waiting[w.class], w)
	if i < 0 {
		return
	}
	q.waiting[w.class] = slices.Delete(q.waiting[w.class], i, i+1)
	w.seat.held--
	if len(q.waiting[w.class]) == 0 {
		q.credit[w.class] = 0
	}
}

// drain takes all requests out of line for which is says yes.
func (q *queue) drain(is func(*waiter) bool) (out []*waiter) {
	q.soonest = time.Time{}
	for class := range q.waiting {
		q.waiting[class] = slices.DeleteFunc(q.waiting[class], func(w *waiter) bool {
			if is(w) {
				w.seat.held--
				out = append(out, w)
				return true
			}
			if !w.ends.IsZero() && (q.soonest.IsZero() || w.ends.Before(q.soonest)) {
				q.soonest = w.ends
			}
			return false
		})
		if len(q.waiting[class]) == 0 {
			q.credit[class] = 0
		}
	}
	return out
}

// overdue takes out of line those whose time there is over.
func (q *queue) overdue(now time.Time) []*waiter {
	if q.soonest.IsZero() || now.Before(q.soonest) {
		return nil
	}
	return q.drain(func(w *waiter) bool { return !w.ends.IsZero() && !now.Before(w.ends) })
}

// head gives the request of a class whose turn it is: of the collector that has waited for its turn
// for longest, and of those that never had one the oldest.
func (q *queue) head(class int) (first *waiter) {
	for _, w := range q.waiting[class] {
		if first == nil || w.seat.turns[class] < first.seat.turns[class] ||
			w.seat.turns[class] == first.seat.turns[class] && w.arrived.Before(first.arrived) {
			first = w
		}
	}
	return first
}

// next takes the next request out of line for which room has room now; room tells when to look
// again otherwise. Without one it tells when to look again, zero when nobody waits. Nobody overtakes
// another class's request that comes before it and does not fit yet: a large one would wait for ever.
func (q *queue) next(room func(*waiter) (again time.Time)) (w *waiter, again time.Time) {
	for class := classes - 1; class > 0; class-- {
		if q.credit[class] > 0 {
			if w := q.head(class); w != nil && q.credit[class] >= 100*max(w.amount, 1) && room(w).IsZero() {
				q.credit[class] -= 100 * max(w.amount, 1)
				q.grant(w)
				return w, time.Time{}
			}
		}
	}
	for class := range classes {
		w := q.head(class)
		if w == nil {
			continue
		}
		if again := room(w); !again.IsZero() {
			return nil, again
		}
		for lower := class + 1; lower < classes; lower++ {
			if len(q.waiting[lower]) > 0 {
				q.credit[lower] = min(q.credit[lower]+classRules[lower].least*max(w.amount, 1), maxCredit)
			}
		}
		q.grant(w)
		return w, time.Time{}
	}
	return nil, time.Time{}
}

// maxCredit bounds what a class may have saved: what it could not use at its ceiling must not come
// in one piece before live traffic.
const maxCredit = 100 * 100

// grant takes a request out of line for good.
func (q *queue) grant(w *waiter) {
	q.turn++
	w.seat.turns[w.class] = q.turn
	q.remove(w)
}
