package server

import (
	"encoding/json"
	"net/http"
)

// Describe gives the OpenAPI description, in JSON, of a server that has every part: what the client and
// the page of the API are generated from. A running server's own leaves out the calls that it has no part for.
func Describe(version string) ([]byte, error) {
	d := newDescription(http.NewServeMux(), version)
	new(Server).calls(d, true)
	d.complete()
	return json.Marshal(d.api.OpenAPI())
}
