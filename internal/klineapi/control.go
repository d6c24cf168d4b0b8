package klineapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxControlBody bounds a body of the control handler, in bytes.
const maxControlBody = 1 << 20

// Control serves the switches of the surface for tests and operators, as JSON. It is mounted on a
// prefix of its own, never below /api, with that prefix stripped:
//
//	GET    /faults           the switches
//	POST   /faults           sets one Fault, or an array of them: {"ids":[…]}
//	DELETE /faults           clears all; ?id=N clears one: {"cleared":n}
//	POST   /shutdown         {"lead":"60s"}: announces serverShutdown: {"connections":n}
//	POST   /cut              {"reset":true}: ends all connections: {"connections":n}
//	GET    /counters         Counters
//	DELETE /counters         sets them to zero
//	GET    /profile          the Profile in force
func (a *API) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, a.faults.List()) })
	mux.HandleFunc("POST /faults", a.controlSet)
	mux.HandleFunc("DELETE /faults", a.controlClear)
	mux.HandleFunc("POST /shutdown", func(w http.ResponseWriter, r *http.Request) {
		body := struct {
			Lead Duration `json:"lead"`
		}{a.profile.ShutdownLead}
		if readJSON(w, r, &body) {
			sendJSON(w, http.StatusOK, map[string]int{"connections": a.AnnounceShutdown(max(0, time.Duration(body.Lead)))})
		}
	})
	mux.HandleFunc("POST /cut", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Reset bool `json:"reset"`
		}
		if readJSON(w, r, &body) {
			sendJSON(w, http.StatusOK, map[string]int{"connections": a.CutConnections(body.Reset)})
		}
	})
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, a.Counters()) })
	mux.HandleFunc("DELETE /counters", func(w http.ResponseWriter, _ *http.Request) {
		a.ResetCounters()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /profile", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, a.profile) })
	return mux
}

func (a *API) controlSet(w http.ResponseWriter, r *http.Request) {
	var body json.RawMessage
	if !readJSON(w, r, &body) {
		return
	}
	var faults []Fault
	if len(body) > 0 && body[0] == '[' {
		if err := json.Unmarshal(body, &faults); err != nil {
			sendProblem(w, err)
			return
		}
	} else {
		faults = make([]Fault, 1)
		if err := json.Unmarshal(body, &faults[0]); err != nil {
			sendProblem(w, err)
			return
		}
	}
	ids := make([]int64, 0, len(faults))
	for _, f := range faults {
		id, err := a.faults.Add(f)
		if err != nil {
			for _, set := range ids { // either all or none
				a.faults.Clear(set)
			}
			sendProblem(w, err)
			return
		}
		ids = append(ids, id)
	}
	sendJSON(w, http.StatusCreated, map[string][]int64{"ids": ids})
}

func (a *API) controlClear(w http.ResponseWriter, r *http.Request) {
	id := int64(0)
	if text := r.URL.Query().Get("id"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			sendProblem(w, fmt.Errorf("id %q is no fault's number", text))
			return
		}
		id = n
	}
	sendJSON(w, http.StatusOK, map[string]int{"cleared": a.faults.Clear(id)})
}

// readJSON reads a body; an empty one leaves v as it is. It answers what is wrong itself.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		sendProblem(w, err)
		return false
	}
	return true
}

func sendProblem(w http.ResponseWriter, err error) {
	sendJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}
