package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"velador/api"
	"velador/internal/problem"
)

// What a call may meet beside the problems of its own.
var (
	everyCall = []problem.Code{
		problem.CodeInvalidParameter, problem.CodeInvalidBody, problem.CodeBodyTooLarge, api.CodeTooManyRequests, problem.CodeInternal, problem.CodeShuttingDown,
	}
	everyGuardedCall = []problem.Code{api.CodeUnauthorized, api.CodeHostNotAllowed} // all but the probes
	everyChange      = []problem.Code{api.CodeCrossOrigin, api.CodeReadOnly}
)

// kindsOf gives the kinds that a code may come with: with them statusOf knows the statuses. What is not
// here is the caller's mistake. Some failures of a process pass by themselves, and some do not.
func kindsOf(code problem.Code) []problem.Kind {
	switch code {
	case problem.CodeInternal:
		return []problem.Kind{problem.Internal}
	case problem.CodeCollectorFailed, problem.CodeStopFailed, problem.CodeRestartFailed, api.CodeStopAllFailed:
		return []problem.Kind{problem.Internal, problem.Unavailable}
	case problem.CodeAlreadyRunning, problem.CodeAmbiguousPID, api.CodeVerifying:
		return []problem.Kind{problem.Conflict}
	case problem.CodeCollectorNotFound, problem.CodeSeriesNotFound:
		return []problem.Kind{problem.NotFound}
	case problem.CodeExchangeUnavailable, problem.CodeExchangeNonsense, problem.CodeDatabaseUnavailable, problem.CodeBusUnavailable, problem.CodeShuttingDown,
		api.CodeNotReady, api.CodeTooManyVerifications:
		return []problem.Kind{problem.Unavailable}
	case problem.CodeExchangeBanned:
		return []problem.Kind{problem.Banned}
	}
	return []problem.Kind{problem.Invalid}
}

// failsOf lists every code that a call may answer, those that are its own first.
func failsOf(r route) []problem.Code {
	codes := slices.Concat(r.fails, everyCall)
	if !isProbe(r.path) {
		codes = append(codes, everyGuardedCall...)
	}
	if r.method != http.MethodGet {
		codes = append(codes, everyChange...)
	}
	return codes
}

// failures describes every answer of a call that is an error: by status, with an example for each code.
func (d *description) failures(op *huma.Operation, r route) {
	registry, shown := d.api.OpenAPI().Components.Schemas, d.api.OpenAPI().Components.Examples
	byStatus := map[int][]string{}
	for _, code := range failsOf(r) {
		for _, kind := range kindsOf(code) {
			status := statusOf(&problem.Error{Kind: kind, Code: code})
			byStatus[status] = append(byStatus[status], string(code))
		}
		if shown[string(code)] == nil {
			shown[string(code)] = exampleOfFailure(code)
		}
	}
	for status, codes := range byStatus {
		content := &huma.MediaType{Schema: errorSchema(registry), Examples: map[string]*huma.Example{}}
		for _, code := range codes {
			content.Examples[code] = &huma.Example{Ref: "#/components/examples/" + code}
			if ownBody(code) && r.failsAlso != nil {
				content.Schema = &huma.Schema{AnyOf: []*huma.Schema{registry.Schema(r.failsAlso, true, r.failsAlso.Name()), errorSchema(registry)}}
			}
		}
		response := &huma.Response{
			Description: fmt.Sprintf("%s: %s", http.StatusText(status), strings.Join(codes, ", ")),
			Content:     map[string]*huma.MediaType{"application/json": content},
		}
		switch {
		case status == http.StatusUnauthorized:
			response.Headers = header("WWW-Authenticate", "The scheme that is asked for.", &huma.Schema{Type: "string"}, `Bearer realm="velador"`)
		case status == http.StatusTooManyRequests, slices.Contains(codes, api.CodeExchangeBanned):
			response.Headers = header("Retry-After", "Seconds to wait; where the answer says until when.", &huma.Schema{Type: "integer"}, 60)
		}
		op.Responses[strconv.Itoa(status)] = response
	}
}

func header(name, text string, schema *huma.Schema, example any) map[string]*huma.Param {
	return map[string]*huma.Param{name: {Description: text, Schema: schema, Example: example}}
}

// ownBody tells whether an error has members that only a type of its own describes.
func ownBody(code string) bool { return code == api.CodeNotReady || code == api.CodeStopAllFailed }

// exampleOfFailure shows an error as it is answered in Spanish; its summary is the sentence in English.
func exampleOfFailure(code problem.Code) *huma.Example {
	words := sentences[code]
	example := &huma.Example{Summary: words.en}
	switch code {
	case api.CodeNotReady:
		example.Value = exampleNotReady()
	case api.CodeStopAllFailed:
		example.Value = exampleStopAllFailed()
	default:
		params := map[string]string{}
		for pair := range slices.Chunk(sampleParams(code), 2) {
			params[pair[0]] = pair[1]
		}
		f := failure{answer: api.ErrorAnswer{Error: words.in(spanish, params), Code: string(code)}}
		for _, name := range slices.Sorted(maps.Keys(params)) {
			f.param(name, params[name])
		}
		example.Value = f.answer
	}
	return example
}

// sampleParams gives the members that an error carries beside its code: pairs of name and value.
func sampleParams(code problem.Code) []string {
	const symbol, timeframe = "ETHUSDT", "1m"
	switch code {
	case problem.CodeBodyTooLarge:
		return []string{"max", itoa(maxBody)}
	case problem.CodeInvalidParameter:
		return []string{"name", "query", "detail", `invalid URL escape "%"`}
	case api.CodeMissingParameter:
		return []string{"name", "symbol"}
	case api.CodeNotText:
		return []string{"name", "symbol"}
	case api.CodeInvalidChoice:
		return []string{"name", "order", "value", "up", "allowed", "asc desc"}
	case api.CodeInvalidTime:
		return []string{"name", "from", "value", "yesterday"}
	case api.CodeInvalidRange:
		return []string{"from", "2026-11-24", "to", "2026-11-23"}
	case api.CodeInvalidNumber:
		return []string{"name", "limit", "min", "1", "max", itoa(maxCandles)}
	case api.CodeTooManyDays:
		return []string{"days", "5000", "max", itoa(maxDays)}
	case problem.CodeInvalidTimeframe:
		return []string{"timeframe", "2m", "allowed", timeframeNames()}
	case problem.CodeInvalidSelector:
		return []string{"detail", `"ETH USDT" has a character that no symbol has`}
	case problem.CodeUnknownExchange:
		return []string{"exchange", "mars", "allowed", defaultExchange}
	case problem.CodeUnknownSymbol:
		return []string{"symbol", "NOSUCH", "exchange", defaultExchange}
	case problem.CodeNoSymbolMatches:
		return []string{"selector", "NOSUCH*", "exchange", defaultExchange}
	case problem.CodeAlreadyRunning:
		return []string{"pid", "12345", "id", "7", "symbol", symbol, "timeframe", timeframe}
	case problem.CodeCollectorNotFound:
		return []string{"id", "7"}
	case problem.CodeAmbiguousPID:
		return []string{"pid", "12345", "ids", "4, 9"}
	case problem.CodeCollectorFailed:
		return []string{"symbol", symbol, "timeframe", timeframe, "detail", "no agent has taken it"}
	case problem.CodeStopFailed, problem.CodeRestartFailed:
		return []string{"id", "7", "detail", "its agent tokio-1 is away"}
	case problem.CodeExchangeUnavailable, problem.CodeExchangeNonsense:
		return []string{"exchange", defaultExchange}
	case problem.CodeExchangeBanned:
		return []string{"exchange", defaultExchange, "until", "2025-11-04T10:32:00Z"}
	case problem.CodeRouteNotFound:
		return []string{"path", "/api/data/nothing"}
	case api.CodeReadOnly:
		return []string{"token", "grafana"}
	case api.CodeTooManyRequests:
		return []string{"seconds", "2"}
	case api.CodeHostNotAllowed:
		return []string{"host", "velador.example"}
	case api.CodeVerifying, problem.CodeSeriesNotFound:
		return []string{"symbol", symbol, "timeframe", timeframe, "exchange", defaultExchange}
	case api.CodeTooManyVerifications:
		return []string{"max", itoa(maxVerifications)}
	case problem.CodeFormatNotAvailable:
		return []string{"format", "xml", "allowed", formatJSON + " " + formatCSV}
	}
	return nil
}

// errorSchema describes api.ErrorAnswer, which writes itself, once.
func errorSchema(registry huma.Registry) *huma.Schema {
	const name = "ErrorAnswer"
	if _, ok := registry.Map()[name]; !ok {
		registry.Map()[name] = &huma.Schema{
			Type:        "object",
			Description: "Every error. Further members depend on the code.",
			Required:    []string{"error"},
			Properties: map[string]*huma.Schema{
				"error": {Type: "string", Description: "A sentence for a person.", Examples: []any{sentences[problem.CodeCollectorNotFound].es}},
				"pid":   {Type: "integer", Description: "The process that it is about.", Examples: []any{12345}},
				"id":    {Type: "integer", Format: "int64", Description: "The collector that it is about.", Examples: []any{7}},
				"code":  {Type: "string", Description: "For programs; never renamed.", Examples: []any{api.CodeUnknownSymbol}},
			},
			AdditionalProperties: true,
			Extensions:           map[string]any{"x-order": []string{"error", "pid", "id", "code"}},
		}
	}
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}
