package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"velador/internal/bus"
)

// A message that alone fails while its neighbours are committed is tried again this often, with a
// pause between, before it is taken out of the stream.
const (
	poisonAttempts = 5
	poisonPause    = 5 * time.Second
	// When so many messages fail alone and none was committed, it is the database: enough that messages
	// which come again together do not look like it, and few enough to be tried at every attempt.
	maxSuspects = 100
)

// writeAll writes a batch, for as long as it takes: while the database is away, the batch is kept in
// hand and tried again, which keeps the order. It returns what is left in hand when ctx (or, for the
// attempt under way, work) has ended.
func (w *Writer) writeAll(ctx, work context.Context, batch []bus.Delivery) (rest []bus.Delivery) {
	for attempt := 0; len(batch) > 0; attempt++ {
		hand := batch // a variable that nobody changes while it is read
		w.hand.Store(&hand)
		err := w.commit(work, batch)
		if err == nil {
			return nil
		}
		unreachable := isAway(err)
		if !unreachable {
			var committed bool
			if batch, committed = w.divide(work, batch, err); committed {
				attempt = -1
				continue
			}
		}
		if ctx.Err() != nil || len(batch) == 0 {
			return batch
		}
		w.complain(err)
		if w.consumer.Lost() {
			return batch // what comes next is what is in hand, in order
		}
		enough, cancel := context.WithTimeout(ctx, databaseAgain.Draw(attempt))
		if !unreachable && len(batch) < w.Batch {
			// Perhaps it is these messages and not the database: others will tell. An error is enough's.
			more, _ := w.consumer.Fetch(enough, w.Batch-len(batch))
			batch = append(batch, w.sift(more)...)
		}
		<-enough.Done()
		cancel()
	}
	return batch
}

// sift rejects what could not be decoded and gives the others.
func (w *Writer) sift(batch []bus.Delivery) []bus.Delivery {
	good := batch[:0]
	for i := range batch {
		if batch[i].Err != nil {
			w.reject(&batch[i], batch[i].Err)
			continue
		}
		good = append(good, batch[i])
	}
	return good
}

// complain says once in the log that the database does not take candles, and in Stats why, as of now.
func (w *Writer) complain(err error) {
	reason := err.Error()
	w.counters.failing.Store(&reason)
	if !w.away {
		w.away = true
		w.Logger.Warn("the database does not take candles; they wait in the stream and are written when it is back", "error", err)
	}
}

// errSlow is told of a write that is not over yet.
var errSlow = errors.New("it has not answered yet")

// tellWhenSlow complains when a write takes long. The returned function is called when it is over, and
// returns when nothing more will be said.
func (w *Writer) tellWhenSlow() (over func()) {
	said := make(chan struct{})
	timer := time.AfterFunc(w.patience, func() {
		defer close(said)
		w.complain(fmt.Errorf("%w, after %s", errSlow, w.patience))
	})
	return func() {
		if !timer.Stop() {
			<-said
		}
	}
}

// divide finds the messages because of which a batch was refused: it writes the halves, and the halves
// of a refused half, down to single messages. These are rejected when the store calls them invalid;
// when it refuses them for other reasons they are set aside to be delivered again later, and rejected
// in the end, but only when others could be committed: otherwise it is the database that is ill. rest
// is what is still in hand, in order.
func (w *Writer) divide(ctx context.Context, batch []bus.Delivery, cause error) (rest []bus.Delivery, committed bool) {
	var suspects []bus.Delivery
	var reasons []error
	parts := [][]bus.Delivery{batch} // what is to be written, the next one last
	for err := cause; len(parts) > 0; err = nil {
		part := parts[len(parts)-1]
		parts = parts[:len(parts)-1]
		if err == nil {
			if err = w.commit(ctx, part); err == nil {
				committed = true
				continue
			}
		}
		if isAway(err) {
			parts = append(parts, part)
			break
		}
		switch half := len(part) / 2; {
		case half > 0:
			parts = append(parts, part[half:], part[:half])
			continue
		case isPermanent(err):
			w.reject(&part[0], err)
			continue
		}
		suspects, reasons = append(suspects, part[0]), append(reasons, err)
		if !committed && len(suspects) == maxSuspects {
			break
		}
	}
	if !committed {
		rest = append(rest, suspects...)
		suspects = nil
	}
	for _, part := range slices.Backward(parts) {
		rest = append(rest, part...)
	}
	for i := range suspects {
		w.setAside(&suspects[i], reasons[i])
	}
	return rest, committed
}

// setAside gives a message back for later, or rejects it after its last attempt.
func (w *Writer) setAside(d *bus.Delivery, reason error) {
	if d.Attempt >= poisonAttempts {
		w.reject(d, fmt.Errorf("delivered %d times: %w", d.Attempt, reason))
		return
	}
	w.Logger.Warn("a message is set aside: the database refuses it alone", "subject", d.Subject, "attempt", d.Attempt, "error", reason)
	if err := d.Retry(w.pause); err != nil {
		w.Logger.Debug("the message comes again when its time is over", "sequence", d.Sequence, "error", err)
	}
}
