package simulate

import "sync"

// memory keeps what was worked out before, within bounds: when the young generation is full it
// becomes the old one, and the old one is dropped. What is used survives; nothing is ever wrong for
// being forgotten. It is safe for concurrent use.
type memory[K comparable, V any] struct {
	limit int // entries of one generation
	mu    sync.Mutex
	young map[K]V
	old   map[K]V
}

func newMemory[K comparable, V any](limit int) *memory[K, V] {
	return &memory[K, V]{limit: limit, young: map[K]V{}}
}

func (m *memory[K, V]) get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.young[key]
	if !ok {
		if v, ok = m.old[key]; ok {
			m.keep(key, v)
		}
	}
	return v, ok
}

func (m *memory[K, V]) put(key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, v)
}

func (m *memory[K, V]) keep(key K, v V) {
	if len(m.young) >= m.limit {
		m.old, m.young = m.young, map[K]V{}
	}
	m.young[key] = v
}
