package access

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const secret = "0123456789abcdef"

func TestAFileOfTokensIsRead(t *testing.T) {
	t.Parallel()
	var k Keys
	if k.Any() || (*Keys)(nil).Any() {
		t.Error("none is some")
	}
	if err := k.AddFile("# who may\n\nops " + secret + "\n  grafana " + secret + "2 read\nboss " + secret + "3 full\n" + secret + "4\n"); err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]Visitor{
		secret: {"ops", Full}, secret + "2": {"grafana", Read}, secret + "3": {"boss", Full}, secret + "4": {"token", Full},
	} {
		if v, known := k.Who(token); !known || v != want {
			t.Errorf("%s is %+v, %v", token, v, known)
		}
	}
	for _, token := range []string{"", "x", secret[1:], secret + "5", "ops"} {
		if v, known := k.Who(token); known {
			t.Errorf("%q is %+v", token, v)
		}
	}
	if err := k.AddFile("# nobody\n"); err == nil {
		t.Error("a file without a token is taken where there is one already")
	}
	if Full.String() != "full" || Read.String() != "read" {
		t.Error("rights have other names")
	}
}

func TestAFileThatMakesNoSenseIsRefusedWithoutItsTokens(t *testing.T) {
	t.Parallel()
	for content, says := range map[string]string{
		"":                                     "no token",
		"# nothing\n":                          "no token",
		"ops short":                            "line 1",
		"ops " + secret + " write":             "NAME TOKEN",
		"ops " + secret + " read more":         "NAME TOKEN",
		"a " + secret + "\nb " + secret:        "the same",
		"ops " + strings.Repeat("x", 600):      "at most",
		strings.Repeat("n", 70) + " " + secret: "name",
		strings.Repeat("x", 70_000):            "too long",
	} {
		var k Keys
		err := k.AddFile(content)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), secret) {
			t.Errorf("%.40q: %v", content, err)
		}
	}
}

func FuzzAddFile(f *testing.F) {
	f.Add("ops " + secret + " read\n")
	f.Add("# x\n" + secret)
	f.Fuzz(func(t *testing.T, content string) {
		var k Keys
		if err := k.AddFile(content); err == nil && !k.Any() {
			t.Error("it was read and holds nothing")
		}
		for _, one := range k.list {
			if one.visitor.Name == "" || one.visitor.Right != Read && one.visitor.Right != Full {
				t.Errorf("%+v", one.visitor)
			}
		}
	})
}

func TestASessionLastsItsTimeAndIsEnded(t *testing.T) {
	t.Parallel()
	var s Sessions
	now := time.Unix(1_800_000_000, 0)
	ops := Visitor{"ops", Full}
	one, two := s.Begin(ops, now), s.Begin(Visitor{"grafana", Read}, now)
	if one == two || len(one) < 40 {
		t.Errorf("secrets are %q and %q", one, two)
	}
	if v, ok := s.Find(one, now.Add(SessionAge-1)); !ok || v != ops {
		t.Errorf("%+v, %v", v, ok)
	}
	if _, ok := s.Find(one, now.Add(SessionAge)); ok {
		t.Error("it lasts for ever")
	}
	s.End(two)
	s.End("unknown")
	if _, ok := s.Find(two, now); ok {
		t.Error("it was ended")
	}
	first := s.Begin(ops, now)
	for i := range maxSessions {
		s.Begin(ops, now.Add(time.Duration(i+1)*time.Second))
	}
	if _, ok := s.Find(first, now); ok || len(s.open) != maxSessions {
		t.Errorf("%d sessions are kept", len(s.open))
	}
}

func TestTheEndOfASessionIsToldToWhoWaitsForIt(t *testing.T) {
	t.Parallel()
	var s Sessions
	now := time.Unix(1_800_000_000, 0)
	over := func(secret string) bool {
		select {
		case <-s.Over(secret):
			return true
		default:
			return false
		}
	}
	signedOut, ran := s.Begin(Visitor{"ops", Full}, now), s.Begin(Visitor{"ops", Full}, now)
	told := s.Over(signedOut)
	if over(signedOut) || over(ran) || !over("unknown") {
		t.Error("it is over before its end, or one that never was is not")
	}
	s.End(signedOut)
	<-told
	s.End(signedOut) // twice is no mistake
	s.Find(ran, now.Add(SessionAge))
	if !over(signedOut) || !over(ran) {
		t.Error("it has ended, and nobody is told")
	}
	displaced := s.Over(s.Begin(Visitor{"ops", Full}, now))
	for range maxSessions {
		s.Begin(Visitor{"ops", Full}, now.Add(time.Second))
	}
	<-displaced
}

func TestAClientHasItsBurstAndThenItsPace(t *testing.T) {
	t.Parallel()
	p := NewPace(time.Second, 3)
	now := time.Unix(1_800_000_000, 0)
	for range 3 {
		if wait := p.Take("a", now); wait != 0 {
			t.Fatalf("it waits %s within its burst", wait)
		}
	}
	if wait := p.Take("a", now); wait != time.Second || p.Wait("a", now) != time.Second {
		t.Errorf("it waits %s", wait)
	}
	if p.Take("b", now) != 0 || p.Wait("c", now) != 0 {
		t.Error("another one waits for it")
	}
	if wait := p.Take("a", now.Add(time.Second)); wait != 0 {
		t.Errorf("a second later it waits %s", wait)
	}
	for i := range 3 * maxPaced {
		p.Take(fmt.Sprint(i), now)
	}
	if len(p.clients) > maxPaced {
		t.Errorf("%d clients are remembered", len(p.clients))
	}
}

func TestOnlyOurNamesAreAllowed(t *testing.T) {
	t.Parallel()
	h := NewHosts("velador.example.org", "BOX", "")
	for host, want := range map[string]bool{
		"localhost": true, "localhost:3000": true, "LocalHost.": true, "app.localhost:1": true, "127.0.0.1:3000": true, "[::1]:3000": true, "::1": true, "192.0.2.7": true,
		"velador.example.org": true, "VELADOR.example.org.:443": true, "box:3000": true,
		"evil.example": false, "velador.example.org.evil.example": false, "": false, "127.0.0.1.evil.example:3000": false, "xlocalhost": false,
	} {
		if h.Allows(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	if !NewHosts("*").Allows("anything") || !(*Hosts)(nil).Allows("anything") {
		t.Error("all are allowed, and yet")
	}
}

// A page of another site has a name of its own, and no name is allowed that was not given.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"localhost:3000", "[::1]:3000", "127.0.0.1", "velador.example.", "evil.example:80", "localhost.evil.example", "a.localhost", "::1", "[fe80::1%25eth0]:80", "1.2.3.4.evil.example", "[velador.example]", ":80", ""} {
		f.Add(host)
	}
	hosts := NewHosts("velador.example")
	f.Fuzz(func(t *testing.T, host string) {
		if !hosts.Allows(host) {
			return
		}
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		_, err = netip.ParseAddr(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
		name = strings.Trim(strings.ToLower(name), "[].")
		if err != nil && name != "velador.example" && name != "localhost" && !strings.HasSuffix(name, ".localhost") {
			t.Errorf("%q is allowed", host)
		}
	})
}
