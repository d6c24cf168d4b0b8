package bus

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"velador/internal/backoff"
)

const (
	// lookEvery is how often the server is asked whether it can write, beside whenever it complains.
	lookEvery = 5 * time.Second
	// certainAfter is when it is asked once more before anything is done about it: a stream that is just
	// being made looks like one that cannot be recovered.
	certainAfter = time.Second
	// roomToGoOn is how much must fit onto the disk before the server is started anew: so much that a disk
	// to which little comes back does not have it stop and go.
	roomToGoOn = 4 << 20
)

// roomAgain is how often room is looked for.
var roomAgain = backoff.Policy{First: time.Second, Cap: 10 * time.Second, Jitter: 0.1}

// keep watches over the server until Shutdown. A NATS server never writes to a stream again after a
// write to it has failed, for want of room or whatever else, until it is started anew
// (nats-server, filestore.go: setWriteErr).
func (s *Server) keep() {
	defer close(s.ended)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		case <-s.trouble:
		}
		why := s.ill()
		if why == nil {
			continue
		}
		if !s.rest(certainAfter) {
			return
		}
		if why = s.ill(); why == nil {
			continue
		}
		s.cfg.Logger.Error("the bus cannot write its files: collectors keep what they have until there is room again", "dir", s.cfg.Dir, "error", why)
		if !s.revive() {
			return
		}
		s.cfg.Logger.Info("the bus writes its files again")
	}
}

// revive starts the server anew when there is room for its files. It tries for as long as it takes;
// false means that Shutdown came first.
func (s *Server) revive() bool {
	told := false
	for attempt := 0; s.rest(roomAgain.Draw(attempt)); attempt++ {
		if err := s.room(); err != nil {
			s.cfg.Logger.Debug("the bus still waits for room", "error", err)
			continue
		}
		halt(s.running())
		if err := s.launch(); err != nil {
			if !told {
				told = true
				s.cfg.Logger.Error("the bus cannot be started anew, though its disk has room; it is tried again and again", "error", err)
			}
			continue
		}
		if s.ill() == nil {
			return true
		}
	}
	return false
}

// rest waits; false means that Shutdown came first.
func (s *Server) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.stop:
		return false
	case <-timer.C:
		return true
	}
}

// ill tells why the server writes nothing to its streams; nil when it does.
func (s *Server) ill() error {
	nats := s.running()
	if !nats.JetStreamEnabled() { // it gives up on its files when it may not write them
		return errors.New("it has closed its streams")
	}
	for _, stream := range []string{streamCandles, streamAssign} {
		health := nats.Healthz(&server.HealthzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Stream: stream})
		// 404: nobody has made the stream yet. 500: the server was too busy to be asked.
		if health.Error != "" && health.StatusCode == http.StatusServiceUnavailable {
			return errors.New(health.Error)
		}
	}
	return nil
}

// room tells whether something can be written where the server keeps its files.
func (s *Server) room() error {
	file, err := os.OpenFile(filepath.Join(s.cfg.Dir, ".room"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("look for room: %w", err)
	}
	_, err = file.Write(make([]byte, roomToGoOn))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close(), os.Remove(file.Name())); err != nil {
		return fmt.Errorf("look for room: %w", err)
	}
	return nil
}

// isOfDisk tells whether the server complains that it cannot write its files.
func isOfDisk(complaint string) bool {
	for _, words := range []string{"write error", "failed to store a msg", "no space left on device"} {
		if strings.Contains(complaint, words) {
			return true
		}
	}
	return false
}
