// Package client speaks to velador's HTTP API, all of it. What each call asks is generated from the
// API's description (requests.go, by make generate); how answers are read is not. Answers are the types
// of package api; every error that the server gave is an *Error with its status, code and sentence.
//
// A Client is safe for concurrent use. It keeps no state but the connections of its http.Client,
// bounds what it reads into memory, and never tries again by itself: a start that was not answered
// may have happened.
package client
