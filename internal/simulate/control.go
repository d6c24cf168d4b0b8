package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"velador/internal/candle"
	"velador/internal/klineapi"
)

// controls serves what steers the simulator, none of which the exchange has:
//
//	GET  /control/           what there is to steer
//	GET  /control/clock      the clock's state
//	POST /control/clock      {"do":"pause"|"resume"|"step"|"speed"|"now", "step":"60s", "speed":100}
//	GET POST DELETE /control/archive   the archive's faults: list, set one, clear all
//
// and below /control/ also all that klineapi's own Control offers.
func (s *Simulator) controls() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/{$}", s.controlIndex)
	mux.HandleFunc("GET /control/clock", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.clock.State()) })
	mux.HandleFunc("POST /control/clock", s.controlClock)
	mux.HandleFunc("GET /control/archive", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.archive.faults.all()) })
	mux.HandleFunc("POST /control/archive", s.controlArchive)
	mux.HandleFunc("DELETE /control/archive", func(w http.ResponseWriter, _ *http.Request) {
		s.archive.faults.clear()
		writeJSON(w, http.StatusOK, s.archive.faults.all())
	})
	mux.Handle("/control/", http.StripPrefix("/control", s.api.Control()))
	return mux
}

// controlIndex tells what can be steered and how things stand.
func (s *Simulator) controlIndex(w http.ResponseWriter, _ *http.Request) {
	markets := s.feed.Markets(s.Now())
	symbols := make([]string, len(markets))
	for i, m := range markets {
		symbols[i] = m.Symbol
	}
	writeJSON(w, http.StatusOK, struct {
		Clock         ClockState           `json:"clock"`
		From          candle.Millis        `json:"from"`
		To            candle.Millis        `json:"to,omitempty"`
		Symbols       []string             `json:"symbols"`
		Profile       klineapi.Profile     `json:"profile"`
		ArchiveFaults []ArchiveFault       `json:"archive_faults"`
		FaultKinds    []klineapi.FaultKind `json:"fault_kinds"`
		ArchiveKinds  []ArchiveFaultKind   `json:"archive_fault_kinds"`
		Endpoints     []string             `json:"endpoints"`
	}{s.clock.State(), s.from, s.To(), symbols, s.api.Profile(), s.archive.faults.all(), klineapi.FaultKinds(), ArchiveFaultKinds(), endpoints})
}

// endpoints are what the index names.
var endpoints = []string{
	`GET /control/clock`,
	`POST /control/clock {"do":"pause"}`, `POST /control/clock {"do":"resume"}`,
	`POST /control/clock {"do":"step","step":"60s"}`, `POST /control/clock {"do":"speed","speed":100}`,
	`GET /control/archive`, `POST /control/archive {"kind":"checksum","key":"data/spot/daily/klines/*/*/*.zip"}`, `DELETE /control/archive`,
	`GET /control/faults`, `POST /control/faults {"kind":"rest-server-error","path":"/api/v3/klines","count":3}`, `DELETE /control/faults`,
	`POST /control/shutdown {"lead":"60s"}`, `POST /control/cut {"reset":true}`,
	`GET /control/counters`, `DELETE /control/counters`, `GET /control/profile`,
}

// clockOrder is the body of POST /control/clock.
type clockOrder struct {
	Do    string  `json:"do"`
	Step  string  `json:"step,omitempty"`  // a duration of virtual time, such as 90s
	Speed float64 `json:"speed,omitempty"` // a factor of wall time
}

func (s *Simulator) controlClock(w http.ResponseWriter, r *http.Request) {
	var order clockOrder
	if !readJSONBody(w, r, &order) {
		return
	}
	if err := s.order(order); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, s.clock.State())
}

func (s *Simulator) order(order clockOrder) error {
	switch order.Do {
	case "now":
		return nil
	case "pause":
		s.clock.Pause()
		return nil
	case "resume":
		s.clock.Resume()
		return nil
	case "speed":
		return s.clock.SetSpeed(order.Speed)
	case "step":
		d, err := time.ParseDuration(order.Step)
		if err != nil {
			return fmt.Errorf("step %q is no duration: give one such as 60s", order.Step)
		}
		return s.clock.Step(d)
	}
	return fmt.Errorf("%q is nothing a clock does: use pause, resume, step, speed or now", order.Do)
}

func (s *Simulator) controlArchive(w http.ResponseWriter, r *http.Request) {
	var fault ArchiveFault
	if !readJSONBody(w, r, &fault) {
		return
	}
	if err := s.archive.faults.add(fault); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, s.archive.faults.all())
}

// readJSONBody reads a small JSON body; false when it has answered with what is wrong.
func readJSONBody(w http.ResponseWriter, r *http.Request, into any) bool {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	body.DisallowUnknownFields()
	err := body.Decode(into)
	if err == nil {
		if _, err = body.Token(); errors.Is(err, io.EOF) {
			return true
		}
		err = errors.New("more than one JSON value")
	}
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": "the body cannot be read: " + err.Error()})
	return false
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	send(w, status, "application/json", append(body, '\n'))
}
