package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"velador/api"
)

// maxError bounds the body of an error, in bytes: it may name thousands of collectors, each with a reason.
const maxError = 4 << 20

// Error is an answer of the server that is not 200, or what it said when a stream broke off.
type Error struct {
	Status int    // the HTTP status; 0 within a stream, which had begun with 200
	Code   string // one of the codes of package api; "" when it was not velador that answered
	PID    int    // the process that it is about; 0 when there is none
	ID     int64  // the collector that it is about; 0 when there is none
	// Params are the further members of the answer, such as symbol or allowed.
	Params map[string]string
	// RetryAfter is how long the server asks to wait; 0 when it does not say.
	RetryAfter time.Duration

	message string
	body    []byte
}

// Error gives the server's sentence, in the language that was asked for.
func (e *Error) Error() string { return e.message }

// errorOf is what a stream said of a failure.
func errorOf(a api.ErrorAnswer) *Error {
	return &Error{Code: a.Code, PID: a.PID, ID: a.ID, Params: a.Params, message: a.Error}
}

// readError reads an answer that is not 200, whoever gave it.
func readError(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode}
	// What cannot be read leaves the status, which says enough.
	e.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxError))
	var answer api.ErrorAnswer
	if json.Unmarshal(e.body, &answer) == nil && answer.Error != "" {
		e.message, e.Code, e.PID, e.ID, e.Params = answer.Error, answer.Code, answer.PID, answer.ID, answer.Params
		if e.Code == "" && e.Status == http.StatusNotFound && e.PID != 0 {
			e.Code = api.CodeCollectorNotFound // the contract writes this answer without its code
		}
	} else {
		e.message = fmt.Sprintf("%s answered %s", resp.Request.URL, resp.Status)
	}
	if wait, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); err == nil && wait > 0 {
		e.RetryAfter = wait
	}
	return e
}
