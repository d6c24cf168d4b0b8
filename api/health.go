package api

// HealthAnswer tells that the process lives.
type HealthAnswer struct {
	Status string `json:"status" doc:"Always ok." example:"ok"`
}

// ReadyAnswer tells whether the server can do its work, and what it lacks. With status 503 the
// member error says so in a sentence, as in every error.
type ReadyAnswer struct {
	Error  string            `json:"error,omitempty" doc:"What it lacks, in a sentence; missing where it lacks nothing." example:"velador no está listo: database"`
	Code   string            `json:"code,omitempty" doc:"As in every error." example:"not_ready"`
	Status string            `json:"status" doc:"ready or not ready." enum:"ready,not ready" example:"ready"`
	Checks map[string]string `json:"checks" doc:"ok, or the reason why not, for each part."`
}
