package access

import (
	"net"
	"net/netip"
	"strings"
)

// Hosts are the names under which a server may be called. A page of another site that has its own name
// resolve to this machine (DNS rebinding) calls it by that name, which is none of them.
type Hosts struct {
	names map[string]bool
	any   bool
}

// NewHosts allows names beside localhost and every address in figures; * allows all.
func NewHosts(names ...string) *Hosts {
	h := &Hosts{names: map[string]bool{"localhost": true}}
	for _, name := range names {
		name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
		switch name {
		case "":
		case "*":
			h.any = true
		default:
			h.names[name] = true
		}
	}
	return h
}

// Allows tells whether a request's Host may be. An address in figures is always one: a page cannot be
// of a site whose name is that address without being ours.
func (h *Hosts) Allows(host string) bool {
	if h == nil || h.any {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return h.names[host] || strings.HasSuffix(host, ".localhost")
}
