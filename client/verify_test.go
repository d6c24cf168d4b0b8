package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"velador/api"
	"velador/client"
)

func TestAVerificationIsWatchedAndReported(t *testing.T) {
	t.Parallel()
	c := connect(t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if want := `{"symbol":"ETHUSDT","timeframe":"1m","to":"2025-11-04","dryRun":true}`; err != nil || r.Method != http.MethodPost || r.URL.Path != "/api/verify" || string(body) != want {
			t.Errorf("%s %s asks %s, %v", r.Method, r.URL, body, err)
		}
		_, _ = io.WriteString(w, ": velador\n\nevent: progress\ndata: {\"done\":10,\"expected\":120}\n\nevent: news\ndata: of a newer server\n\n"+
			"event: difference\ndata: {\"kind\":\"vanished\",\"stored\":{\"openTime\":5}}\n\nevent: progress\ndata: {\"done\":120,\"vanished\":1}\n\n"+
			"event: report\ndata: {\"symbol\":\"ETHUSDT\",\"checked\":120,\"vanished\":1,\"confirmedFrom\":1}\n\nevent: end\ndata: \n\n")
	})))
	request := api.VerifyRequest{Symbol: "ETHUSDT", Timeframe: "1m", To: "2025-11-04", DryRun: true}
	var done []int64
	var wrong []api.VerifyDifference
	report, err := c.Verify(t.Context(), request, client.VerifyWatcher{
		Progress:   func(v api.VerifyProgress) { done = append(done, v.Done) },
		Difference: func(d api.VerifyDifference) { wrong = append(wrong, d) },
	})
	if err != nil || report.Checked != 120 || report.Vanished != 1 || report.ConfirmedFrom == nil || *report.ConfirmedFrom != 1 || report.ConfirmedTo != nil {
		t.Errorf("the report is %+v, %v", report, err)
	}
	if !slices.Equal(done, []int64{10, 120}) || len(wrong) != 1 || wrong[0].Kind != "vanished" || wrong[0].Stored.OpenTime != 5 || wrong[0].Served != nil {
		t.Errorf("watched were %v and %+v", done, wrong)
	}
	if report, err := c.Verify(t.Context(), request, client.VerifyWatcher{}); err != nil || report.Checked != 120 {
		t.Errorf("without a watcher: %+v, %v", report, err)
	}
}

func TestAVerificationThatBreaksOffSaysWhy(t *testing.T) {
	t.Parallel()
	verify := func(ctx context.Context, answer string) error {
		c := connect(t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })))
		_, err := c.Verify(ctx, api.VerifyRequest{Symbol: "ETHUSDT", Timeframe: "1m"}, client.VerifyWatcher{})
		return err
	}
	var said *client.Error
	err := verify(t.Context(), "event: error\ndata: {\"error\":\"It is away\",\"code\":\"database_unavailable\"}\n\n")
	if !errors.As(err, &said) || said.Code != api.CodeDatabaseUnavailable || said.Status != 0 || err.Error() != "verifying ETHUSDT 1m: the verification broke off: It is away" {
		t.Errorf("a failure midway is %v", err)
	}
	for _, answer := range []string{"", "event: progress\ndata: {}\n\n", "event: end\ndata: \n\n", "event: report\ndata: {\"symbol\":\"ETHUSDT\"}\n\n"} {
		if err := verify(t.Context(), answer); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q ends with %v", answer, err)
		}
	}
	for _, answer := range []string{"event: error\ndata: <html>\n\n", "event: report\ndata: 7\n\n", "event: progress\ndata: {\n\n"} {
		if err := verify(t.Context(), answer); err == nil || errors.As(err, &said) {
			t.Errorf("%q ends with %v", answer, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := verify(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("one that is called off ends with %v", err)
	}
}
