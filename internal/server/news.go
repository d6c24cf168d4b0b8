package server

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"velador/internal/collector"
)

// events answers GET /api/events.
func (s *Server) events(context.Context, *noInput) (*stream, error) {
	return &stream{func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		session := s.sessionOf(r)
		s.sendEvents(w, r, func(ctx context.Context, events *eventWriter) error {
			if s.cfg.Keys.Any() { // else everybody may do everything
				if err := events.say("session", session); err != nil {
					return err
				}
			}
			return s.tellNews(ctx, events)
		})
	}}, nil
}

// tellNews sends what has changed until ctx ends. A client that is slow to take an event misses those
// between, and gets all that has changed since in one.
func (s *Server) tellNews(ctx context.Context, events *eventWriter) error {
	defer s.news.join(s)()
	var seen edition
	for {
		text, changed := s.news.since(s, &seen, languageIn(ctx))
		if text != "" {
			if err := events.send(text); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// maxTombs bounds the ids that are remembered as gone. Who has seen none of the newest ones gets the
// whole list.
const maxTombs = 1024

// news is what has become of the collectors, written once for all who watch. It is produced while
// somebody does.
type news struct {
	mu       sync.Mutex
	watchers int
	stop     context.CancelFunc // of the producer
	ended    chan struct{}      // closed when the producer has ended
	changed  chan struct{}      // closed and replaced when there is something new

	now     edition
	passes  uint64 // counts the lists
	oldest  uint64 // who has seen less than this version gets the whole list
	entries map[int64]*entry
	order   []int64 // of the entries
	tombs   []tomb  // oldest first
	trouble error   // why the list cannot be had; nil when it can
	system  string  // body of the machinery's state
	written map[writtenKey]string
}

// edition says how much is known: counts that grow.
type edition struct{ list, trouble, system uint64 }

// entry is one collector as it was written.
type entry struct {
	live    collector.Live
	texts   [2]*fragment // by language; the second one is written when somebody asks for it
	version uint64       // in which it changed last
	pass    uint64       // the last list that had it
}

type tomb struct {
	id      int64
	version uint64
}

// writtenKey names a text that several watchers get.
type writtenKey struct {
	lang language
	from uint64
}

// join counts a watcher in; leave counts it out. The last one that leaves waits for the producer's end.
func (n *news) join(s *Server) (leave func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watchers++; n.watchers == 1 {
		ctx, cancel := context.WithCancel(s.closing)
		n.stop, n.ended, n.changed = cancel, make(chan struct{}), make(chan struct{})
		n.entries, n.order, n.tombs, n.trouble, n.system, n.written = map[int64]*entry{}, nil, nil, nil, "", nil
		n.now = edition{}
		n.oldest = 1
		go n.produce(ctx, s, n.ended)
	}
	return func() {
		n.mu.Lock()
		n.watchers--
		last, stop, ended := n.watchers == 0, n.stop, n.ended
		if last {
			stop()
		}
		n.mu.Unlock()
		if last {
			<-ended
		}
	}
}

// produce looks at the collectors, and at the machinery, until ctx ends.
func (n *news) produce(ctx context.Context, s *Server, ended chan<- struct{}) {
	defer close(ended)
	var looking sync.WaitGroup
	defer looking.Wait()
	every := func(pause time.Duration, look func()) {
		looking.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for ctx.Err() == nil {
				look()
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	every(s.patience.news, func() {
		list, err := s.cfg.Fleet.All(ctx)
		if ctx.Err() == nil {
			n.take(ctx, s, list, err)
		}
	})
	if s.cfg.System == nil {
		return
	}
	every(s.patience.system, func() {
		state, err := s.cfg.System(ctx)
		if err != nil {
			s.cfg.Logger.Debug("the state of the machinery cannot be told", "error", err)
			return
		}
		var body strings.Builder
		if err := marshalJSON(&body, state); err != nil {
			s.cfg.Logger.Error("the state of the machinery cannot be written", "error", err)
			return
		}
		n.publish(ctx, func() bool {
			n.system = strings.TrimSuffix(body.String(), "\n")
			n.now.system++
			return true
		})
	})
}

// publish changes what is known, and tells those who watch if there is something new. A producer whose
// time is over changes nothing.
func (n *news) publish(ctx context.Context, change func() bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ctx.Err() == nil && change() {
		close(n.changed)
		n.changed = make(chan struct{})
	}
}

// take compares a list with the one before.
func (n *news) take(ctx context.Context, s *Server, list []collector.Live, err error) {
	n.publish(ctx, func() bool {
		n.written = nil // uptimes have changed in any case
		if err != nil {
			if n.trouble == nil {
				s.cfg.Logger.Warn("the collectors cannot be listed for those who watch", "error", err)
				n.now.trouble++
			}
			first := n.trouble == nil
			n.trouble = err
			return first
		}
		next := n.now.list + 1
		changed := n.now.list == 0
		if n.trouble != nil { // its end is told by the whole list
			n.trouble, n.oldest, changed = nil, next, true
		}
		n.order = n.order[:0]
		n.passes++
		for i := range list {
			live := &list[i]
			n.order = append(n.order, live.ID)
			one := n.entries[live.ID]
			if one == nil {
				one = &entry{}
				n.entries[live.ID] = one
			}
			one.pass = n.passes
			if one.update(live) {
				one.version, changed = next, true
			}
		}
		if len(n.entries) > len(list) {
			for id, one := range n.entries {
				if one.pass != n.passes {
					delete(n.entries, id)
					n.tombs, changed = append(n.tombs, tomb{id, next}), true
				}
			}
		}
		if over := len(n.tombs) - maxTombs; over > 0 {
			n.oldest = max(n.oldest, n.tombs[over-1].version)
			n.tombs = slices.Delete(n.tombs, 0, over)
		}
		if changed {
			n.now.list = next
		}
		return changed
	})
}

// update writes a collector anew, and tells whether anything but its uptime has changed.
func (e *entry) update(live *collector.Live) (changed bool) {
	uptime := live.Uptime
	if e.texts[0] != nil && e.live.Record == live.Record && e.live.Vitals == live.Vitals {
		e.live.Uptime = uptime
		return false
	}
	fresh := new(fragment)
	fresh.update(live, spanish)
	changed = e.texts[0] == nil || string(fresh.head) != string(e.texts[0].head) || string(fresh.tail) != string(e.texts[0].tail)
	e.live, e.texts = *live, [2]*fragment{fresh, nil}
	return changed
}

// append writes the collector.
func (e *entry) append(b []byte, lang language) []byte {
	text := &e.texts[0]
	if lang == english {
		text = &e.texts[1]
	}
	if *text == nil {
		*text = new(fragment)
		(*text).update(&e.live, lang)
	}
	b = append(b, (*text).head...)
	b = strconv.AppendInt(b, int64(uptimeOf(&e.live)/time.Second), 10)
	return append(b, (*text).tail...)
}

// since gives the events that bring a watcher from what it has seen to what is known, and a channel
// that is closed when there is more.
func (n *news) since(s *Server, seen *edition, lang language) (text string, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	// The list first: a whole one ends a trouble, and who comes meanwhile gets the last one that was had.
	if seen.list != n.now.list {
		text += n.listSince(seen.list, lang)
		seen.list = n.now.list
	}
	if seen.trouble != n.now.trouble {
		seen.trouble = n.now.trouble
		if n.trouble != nil {
			if body, err := s.answerTo(lang, n.trouble).MarshalJSON(); err == nil {
				text += eventText("trouble", string(body))
			}
		}
	}
	if seen.system != n.now.system {
		text += eventText("system", n.system)
		seen.system = n.now.system
	}
	return text, n.changed
}

// listSince gives the event that brings a watcher from a version of the list to the newest one. Most of
// them come from the same one.
func (n *news) listSince(from uint64, lang language) string {
	if from < n.oldest {
		from = 0
	}
	key := writtenKey{lang, from}
	if text, ok := n.written[key]; ok {
		return text
	}
	body := []byte(`{"collectors":[`)
	first := len(body)
	for _, id := range n.order {
		if one := n.entries[id]; one.version > from {
			if len(body) > first {
				body = append(body, ',')
			}
			body = one.append(body, lang)
		}
	}
	name := "collectors"
	if from > 0 {
		name = "changes"
		body = append(body, `],"gone":[`...)
		first = len(body)
		for _, t := range n.tombs {
			if t.version > from {
				if len(body) > first {
					body = append(body, ',')
				}
				body = strconv.AppendInt(body, t.id, 10)
			}
		}
	}
	text := eventText(name, string(append(body, "]}"...)))
	if n.written == nil {
		n.written = map[writtenKey]string{}
	}
	n.written[key] = text
	return text
}
