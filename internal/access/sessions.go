package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// SessionAge is how long a session lasts.
const SessionAge = 7 * 24 * time.Hour

// maxSessions bounds those that are kept: with one more the oldest ends.
const maxSessions = 1000

// Sessions are the browsers that have signed in. They live in memory: a restart ends them, and with
// them those of a token that is no more. The zero value has none. It is safe for use by several
// goroutines.
type Sessions struct {
	mu   sync.Mutex
	open map[[sha256.Size]byte]session // by digest: what is read out of memory opens nothing
}

type session struct {
	visitor Visitor
	ends    time.Time
	over    chan struct{} // closed when it has ended
}

// Begin opens a session and gives its secret.
func (s *Sessions) Begin(v Visitor, now time.Time) (secret string) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // it never fails
	secret = base64.RawURLEncoding.EncodeToString(raw[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[[sha256.Size]byte]session)
	}
	for len(s.open) >= maxSessions {
		s.dropOldest()
	}
	s.open[sha256.Sum256([]byte(secret))] = session{visitor: v, ends: now.Add(SessionAge), over: make(chan struct{})}
	return secret
}

func (s *Sessions) dropOldest() {
	var first [sha256.Size]byte
	var ends time.Time
	for digest, one := range s.open {
		if ends.IsZero() || one.ends.Before(ends) {
			first, ends = digest, one.ends
		}
	}
	s.drop(first)
}

// drop ends a session, and tells who waits for that.
func (s *Sessions) drop(digest [sha256.Size]byte) {
	if one, found := s.open[digest]; found {
		close(one.over)
		delete(s.open, digest)
	}
}

// Find gives the visitor of a session that lasts.
func (s *Sessions) Find(secret string, now time.Time) (Visitor, bool) {
	digest := sha256.Sum256([]byte(secret))
	s.mu.Lock()
	defer s.mu.Unlock()
	one, found := s.open[digest]
	if found && !now.Before(one.ends) {
		s.drop(digest)
		found = false
	}
	return one.visitor, found
}

// End ends a session; one that is over is no mistake.
func (s *Sessions) End(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(sha256.Sum256([]byte(secret)))
}

// Over gives a channel that is closed when a session has ended. That its time has come is noticed when
// it is looked for.
func (s *Sessions) Over(secret string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one, found := s.open[sha256.Sum256([]byte(secret))]; found {
		return one.over
	}
	ended := make(chan struct{})
	close(ended)
	return ended
}
