package servertest

import (
	"errors"
	"sync"

	"velador/internal/candle"
)

// Market tells those who listen what it is told, at once. Its zero value is ready.
type Market struct {
	mu        sync.Mutex
	listeners map[int]listener
	made      int
	deaf      bool
}

// listener hears of one series; one of the two functions is nil.
type listener struct {
	series candle.Series
	show   func(candle.Candle)
	tell   func(candle.Range)
}

// Fail makes every further attempt to listen fail.
func (m *Market) Fail() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = true
}

// Forming listens to Form.
func (m *Market) Forming(series candle.Series, show func(candle.Candle)) (stop func(), err error) {
	return m.add(listener{series: series, show: show})
}

// Stored listens to Store.
func (m *Market) Stored(series candle.Series, tell func(candle.Range)) (stop func(), err error) {
	return m.add(listener{series: series, tell: tell})
}

func (m *Market) add(l listener) (stop func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf {
		return nil, errors.New("nobody can listen")
	}
	if m.listeners == nil {
		m.listeners = map[int]listener{}
	}
	m.made++
	id := m.made
	m.listeners[id] = l
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.listeners, id)
	}, nil
}

// Listeners tells how many listen.
func (m *Market) Listeners() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.listeners)
}

// Form shows a candle that is not closed.
func (m *Market) Form(series candle.Series, c candle.Candle) {
	m.each(series, func(l listener) {
		if l.show != nil {
			l.show(c)
		}
	})
}

// Store tells that candles have been stored.
func (m *Market) Store(series candle.Series, r candle.Range) {
	m.each(series, func(l listener) {
		if l.tell != nil {
			l.tell(r)
		}
	})
}

func (m *Market) each(series candle.Series, do func(listener)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.listeners {
		if l.series == series {
			do(l)
		}
	}
}
