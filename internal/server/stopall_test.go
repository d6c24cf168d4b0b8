package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"velador/internal/problem"
)

const btcMinute = `{"timeframe":"1m","symbol":"BTCUSDT"}`

func TestAllAreStoppedByOneCall(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", ` {"reason":"maintenance"} `} {
		h := build(t)
		h.post("/api/collectors/start", ethMinute)
		h.post("/api/collectors/start", btcMinute)
		h.post("/api/collectors/stop-all", body).want(t, 200,
			`{"message":"Collectors detenidos: 2","stopped":[{"id":1,"pid":12345},{"id":2,"pid":12346}]}`)
		h.get("/api/collectors").want(t, 200, `{"collectors":[]}`)
		h.post("/api/collectors/stop-all", body, "Accept-Language", "en").want(t, 200, `{"message":"Collectors stopped: 0","stopped":[]}`)
	}
}

// TestAStopOfAllWithoutALength sends a body in chunks, of which there is none.
func TestAStopOfAllWithoutALength(t *testing.T) {
	t.Parallel()
	h := build(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.http.URL+"/api/collectors/stop-all", struct{ *strings.Reader }{strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	answer, err := h.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the answer is %s", answer.Status)
	}
}

func TestAStopOfAllWithABadBodyStopsNobody(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	for _, body := range []string{"[]", "null", "{", "all", `{"a":}`, "{}{}", "\xff"} {
		h.post("/api/collectors/stop-all", body).problem(t, 400, "invalid_body")
	}
	h.post("/api/collectors/stop-all", "", "Origin", "https://evil.example").problem(t, 403, "cross_origin")
	h.get("/api/collectors/stop-all").problem(t, 405, "method_not_allowed")
	h.post("/api/collectors/stop", `{"pid":12345}`).want(t, 200, `{"message":"Collector detenido exitosamente","pid":12345}`)
}

func TestAStopOfAllThatFailsForSomeSaysForWhich(t *testing.T) {
	t.Parallel()
	h := build(t)
	for _, body := range []string{ethMinute, btcMinute, `{"timeframe":"1m","symbol":"ETHBTC"}`} {
		h.post("/api/collectors/start", body)
	}
	h.fleet.Deafen(1, problem.New(problem.Unavailable, problem.CodeStopFailed, nil, "x", "detail", "its agent is away"))
	h.fleet.Deafen(2, problem.New(problem.Internal, problem.CodeStopFailed, nil, "x", "detail", "state D"))
	h.post("/api/collectors/stop-all", "", "Accept-Language", "en").want(t, 500,
		`{"error":"Collectors that could not be stopped: 2; stopped: 1","code":"stop_all_failed","stopped":[{"id":3,"pid":12347}],`+
			`"failed":[{"id":1,"code":"stop_failed","error":"The collector could not be stopped: its agent is away"},`+
			`{"id":2,"code":"stop_failed","error":"The collector could not be stopped: state D"}]}`)
	if !strings.Contains(h.log.String(), "collector 2: ") {
		t.Errorf("the log says %q", h.log.String())
	}
	// What is away may come back.
	h.fleet.Deafen(2, nil)
	h.post("/api/collectors/stop-all", "{}").want(t, 503,
		`{"error":"Collectors que no pudieron detenerse: 1; detenidos: 1","code":"stop_all_failed","stopped":[{"id":2,"pid":12346}],`+
			`"failed":[{"id":1,"code":"stop_failed","error":"El collector no pudo detenerse: its agent is away"}]}`)
	// A defect is not told to strangers.
	h.fleet.Deafen(1, http.ErrBodyNotAllowed)
	h.post("/api/collectors/stop-all", "{}", "Accept-Language", "en").want(t, 500,
		`{"error":"Collectors that could not be stopped: 1; stopped: 0","code":"stop_all_failed","stopped":[],`+
			`"failed":[{"id":1,"code":"internal","error":"Internal error of velador: the server's log says more"}]}`)
}

func TestAStopOfAllThatCannotBeginIsAnOrdinaryError(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.post("/api/collectors/start", ethMinute)
	h.fleet.Fail(problem.New(problem.Unavailable, problem.CodeDatabaseUnavailable, nil, "x"))
	h.post("/api/collectors/stop-all", "").want(t, 503,
		`{"error":"La base de datos no está disponible ahora: inténtelo más tarde","code":"database_unavailable"}`)
}

// TestAStopOfAllMayTakeLong: the answer of hundreds that ignore SIGTERM comes after the deadline of
// all other answers.
func TestAStopOfAllMayTakeLong(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.http.Close()
	h.http = httptest.NewUnstartedServer(h.server.Handler())
	h.http.Config.WriteTimeout = time.Nanosecond
	h.http.Start()
	h.post("/api/collectors/stop-all", "").want(t, 200, `{"message":"Collectors detenidos: 0","stopped":[]}`)
	if answer, err := h.client.Get(h.http.URL + "/api/collectors"); err == nil {
		_ = answer.Body.Close()
		t.Error("an ordinary answer came after its deadline: this test shows nothing")
	}
}
