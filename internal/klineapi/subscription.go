package klineapi

import (
	"encoding/json"
	"slices"

	"github.com/gorilla/websocket"
)

// start subscribes the streams that the URL names.
func (c *conn) start(names []string) {
	if len(names) == 0 {
		return
	}
	if e := c.subscribe(names, nil); e != nil {
		c.refuse(e, nil)
	}
}

// handle answers one control message (SIM-W2, SIM-W3, SIM-W5).
func (c *conn) handle(data []byte) {
	req, e := parseRequest(data)
	if e != nil {
		c.refuse(e, req.id)
		return
	}
	switch req.method {
	case "SUBSCRIBE", "UNSUBSCRIBE":
		names, e := streamNames(req.params)
		if e == nil && req.method == "SUBSCRIBE" {
			e = c.subscribe(names, func() { c.reply("null", req.id) })
		} else if e == nil {
			c.unsubscribe(names)
			c.reply("null", req.id)
		}
		if e != nil {
			c.refuse(e, req.id)
		}
	case "LIST_SUBSCRIPTIONS":
		if len(req.params) > 0 {
			c.refuse(invalidRequest("too many parameters"), req.id)
			return
		}
		list := []byte("[")
		for i, name := range c.names {
			if i > 0 {
				list = append(list, ',')
			}
			list = appendQuoted(list, name)
		}
		c.reply(string(append(list, ']')), req.id)
	default:
		c.property(req)
	}
}

// property answers SET_PROPERTY and GET_PROPERTY.
func (c *conn) property(req request) {
	wanted := 1
	if req.method == "SET_PROPERTY" {
		wanted = 2
	}
	var name string
	switch {
	case len(req.params) > wanted:
		c.refuse(invalidRequest("too many parameters"), req.id)
	case len(req.params) == 0 || json.Unmarshal(req.params[0], &name) != nil || string(req.params[0]) == "null":
		c.refuse(invalidRequest("property name must be a string"), req.id)
	case name != "combined":
		c.refuse(&streamError{streamUnknownProperty, "Unknown property"}, req.id)
	case req.method == "GET_PROPERTY" && c.combined.Load():
		c.reply("true", req.id)
	case req.method == "GET_PROPERTY":
		c.reply("false", req.id)
	default:
		value := ""
		if len(req.params) == 2 {
			value = string(req.params[1])
		}
		if value != "true" && value != "false" {
			c.refuse(&streamError{streamNotBoolean, "Invalid value type: expected Boolean"}, req.id)
			return
		}
		c.combined.Store(value == "true")
		c.reply("null", req.id)
	}
}

func streamNames(params []json.RawMessage) ([]string, *streamError) {
	names := make([]string, len(params))
	for i, raw := range params {
		if json.Unmarshal(raw, &names[i]) != nil || string(raw) == "null" {
			return nil, &streamError{streamInvalidRequest, invalidStreamText}
		}
	}
	return names, nil
}

// subscribe adds streams; either all of them or, with an error, none. Names that are subscribed
// already change nothing. The ack goes out before the first frame.
func (c *conn) subscribe(names []string, ack func()) *streamError {
	var added []topic
	for _, name := range names {
		t, wellFormed := parseTopic(name)
		if !wellFormed {
			return &streamError{streamInvalidRequest, invalidStreamText}
		}
		if _, have := c.topics[name]; !have && !slices.ContainsFunc(added, func(o topic) bool { return o.name == name }) {
			added = append(added, t)
		}
		if len(c.topics)+len(added) > c.api.profile.MaxStreams {
			return &streamError{streamTooMany, "Too many subscriptions"}
		}
	}
	spoken := added[:0]
	for _, t := range added {
		c.topics[t.name] = t
		c.names = append(c.names, t.name)
		if _, silent := c.api.faults.strike(place{symbol: t.symbol, stream: t.name}, SubscribeSilent); !silent {
			spoken = append(spoken, t)
		}
	}
	c.api.hub.subscribe(c, spoken, ack)
	return nil
}

// unsubscribe takes streams off; unknown names change nothing (SIM-W3).
func (c *conn) unsubscribe(names []string) {
	for _, name := range names {
		t, have := c.topics[name]
		if !have {
			continue
		}
		delete(c.topics, name)
		c.names = slices.DeleteFunc(c.names, func(n string) bool { return n == name })
		c.api.hub.unsubscribe(c, t)
	}
}

func (c *conn) reply(result string, id []byte) {
	c.send(websocket.TextMessage, appendResult(nil, []byte(result), id))
}

// refuse answers with an error. A malformed stream name and too many streams end the connection
// (SIM-W4, SIM-W6).
func (c *conn) refuse(e *streamError, id []byte) {
	c.send(websocket.TextMessage, appendStreamError(nil, e, id, c.api.profile.ErrorFraming))
	switch {
	case e.code == streamTooMany:
		c.end(closePolicy, e.msg)
	case e.code == streamInvalidRequest && e.msg == invalidStreamText && c.api.profile.CloseOnBadStream:
		c.end(closePolicy, "Invalid request")
	}
}

// invalidStreamText answers a malformed stream name, literally as captured (EXCHANGES.md 2.11).
const invalidStreamText = "Invalid request: invalid stream"
