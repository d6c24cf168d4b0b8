package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"velador/internal/store/postgres/pgtest"
)

// notRun are the commands of the documents that this test does not run, with the reason.
var notRun = map[string]string{
	"go run ./cmd/velador demo":         "TestDemoStoresWhatWasServedAndLeavesNoProcessBehind runs it",
	"go build -o velador ./cmd/velador": "TestMain has built it",
	"go test ./...":                     "this is it",
	"make soak":                         "it takes the better part of an hour; the schedules of faults of this package are its beginning",
	"createdb velador":                  "pgtest makes the database",
}

// notTyped are the documents that this test does not type, with the reason.
var notTyped = map[string]string{
	"API.md":    "it is generated; the server's tests make these calls, and hold every answer and every error against the same description",
	"DEPLOY.md": "it sets up a machine; TestTheImageWouldRun, TestPlatformsAreTold, TestComposeFitsTheImageAndTheSettings and TestTheUnitNamesSettings try it as far as a test can",
}

// standIns are what the documents name and a test machine has otherwise.
var standIns = map[string]func(t *testing.T) string{
	"postgres://velador:secret@localhost/velador": func(t *testing.T) string { return pgtest.Database(t) },
}

// varying is what differs from one run to the next, in what a document shows. All else has to be as it is
// shown; "…" stands for what is left out. Numbers from 12345 to 12349 are PIDs: each is the same one
// wherever it stands.
var varying = regexp.MustCompile(strings.Join([]string{
	`\b1234[5-9]\b`,
	`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z`, // a time
	`\d{4}-\d\d-\d\d \d\d:\d\d\b`,
	`\b1\d{12}\b`,               // a time in milliseconds
	`\b\d+\.\d{8}\b`,            // a decimal of the exchange
	`\b\d+\.\d/s`,               // a rate
	`\b\d+\.\d%`,                // cpu
	`\b\d+(?:\.\d)? ?[KMG]iB\b`, // memory, a disk
	`\b(?:\d+d\d+h|\d+h\d\dm|\d+m\d\ds|\d+(?:\.\d+)?m?s)\b`, // how long
	`\b\d{2,}\b`, // a count; one digit is exact
	`…`,
	` +`, // as wide as the columns are
}, "|"))

// pattern makes an expression of what a document shows. It has a group for each PID that was not known.
func pattern(shown string, pids map[string]string) (form *regexp.Regexp, groups []string) {
	var text strings.Builder
	text.WriteString(`\A`)
	for line := range strings.Lines(shown) {
		line = strings.TrimSuffix(line, "\n")
		if line == "…" {
			text.WriteString(`(?:.*\n)*?`)
			continue
		}
		at := 0
		for _, span := range varying.FindAllStringIndex(line, -1) {
			text.WriteString(regexp.QuoteMeta(line[at:span[0]]))
			at = span[1]
			text.WriteString(instead(line[span[0]:span[1]], pids, &groups))
		}
		text.WriteString(regexp.QuoteMeta(line[at:]) + `\n`)
	}
	text.WriteString(`\z`)
	return regexp.MustCompile(text.String()), groups
}

// instead is what may stand where a document shows something that varies.
func instead(shown string, pids map[string]string, groups *[]string) string {
	if regexp.MustCompile(`^1234[5-9]$`).MatchString(shown) {
		if pid, ok := pids[shown]; ok {
			return pid
		}
		*groups = append(*groups, shown)
		return `(\d+)`
	}
	switch {
	case shown == "…":
		return `.*`
	case strings.Trim(shown, " ") == "":
		return ` +`
	case strings.HasSuffix(shown, "iB"):
		return `\d+(?:\.\d)? ?[KMG]iB`
	case regexp.MustCompile(`^\d+$`).MatchString(shown) && len(shown) == 13:
		return `\d{13}`
	case regexp.MustCompile(`^\d+$`).MatchString(shown):
		return `\d+`
	case strings.HasSuffix(shown, "s") && !strings.HasSuffix(shown, "/s"), strings.HasSuffix(shown, "h"), strings.HasSuffix(shown, "m"):
		return `(?:\d+d\d+h|\d+h\d\dm|\d+m\d\ds|\d+(?:\.\d+)?m?s)`
	}
	// A time, a decimal, a rate: other digits in the same places, and before a point as many as there are.
	form := regexp.QuoteMeta(shown)
	form = regexp.MustCompile(`^\d+\\\.`).ReplaceAllString(form, `\d+\.`)
	return regexp.MustCompile(`(\\d\+)|\d`).ReplaceAllStringFunc(form, func(s string) string {
		if s == `\d+` {
			return s
		}
		return `\d`
	})
}

// step is a command of a document, and what it shows of its output.
type step struct {
	line    int
	command string
	shown   string
	checked bool // what it prints is shown
}

// transcript reads the fenced blocks of a document: sh has commands, console commands behind "$ " with
// what they print.
func transcript(t *testing.T, path string) (steps []step) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, number := "", 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			if block == "" {
				block = strings.TrimPrefix(line, "```")
			} else {
				block = ""
			}
		case block == "sh" && line != "" && !strings.HasPrefix(line, "#"):
			steps = append(steps, step{line: number, command: uncommented(line)})
		case block == "console" && strings.HasPrefix(line, "$ "):
			steps = append(steps, step{line: number, command: uncommented(line[2:]), checked: true})
		case block == "console" && len(steps) > 0:
			steps[len(steps)-1].shown += line + "\n"
		}
	}
	return steps
}

func uncommented(line string) string {
	return strings.TrimSpace(regexp.MustCompile(`\s+# .*$`).ReplaceAllString(line, ""))
}

// TestTranscriptsOfTheDocumentsAreTrue types what the documents say, on a simulated exchange, and reads
// what it gives.
func TestTranscriptsOfTheDocumentsAreTrue(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "../README.md", "../README.es.md")
	unused := make(map[string]bool)
	for command := range notRun {
		unused[command] = true
	}
	for _, page := range pages {
		if _, ok := notTyped[filepath.Base(page)]; ok {
			continue
		}
		steps := transcript(t, page)
		for _, s := range steps {
			delete(unused, s.command)
		}
		if len(steps) == 0 {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			newReader(t, page).follow(steps)
		})
	}
	for command := range unused {
		t.Errorf("no document has the command %q, which is not to be run", command)
	}
}

// reader is somebody who types what a document says.
type reader struct {
	t    *testing.T
	page string
	home string
	env  []string
	pids map[string]string // by how the document calls them
	at   string            // host and port of the server; "" before it runs
}

func newReader(t *testing.T, page string) *reader {
	t.Helper()
	_, exchange := simulator(t)
	r := &reader{t: t, page: filepath.Base(page), home: t.TempDir(), pids: map[string]string{}}
	language := "en_US.UTF-8"
	if strings.HasSuffix(page, ".es.md") {
		language = "es_ES.UTF-8"
	}
	path := filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH")
	r.env = append(slices.Clone(exchange), "PATH="+path, "HOME="+r.home, "TMPDIR="+os.TempDir(), "LANG="+language, "PORT=0")
	if err := os.Symlink(binary, filepath.Join(r.home, "velador")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.home, ".curlrc"), []byte("silent\nshow-error\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// follow types one command after the other.
func (r *reader) follow(steps []step) {
	r.t.Helper()
	for _, s := range steps {
		command := s.command
		if _, ok := notRun[command]; ok {
			continue
		}
		for name, standIn := range standIns {
			if strings.Contains(command, name) {
				command = strings.ReplaceAll(command, name, standIn(r.t))
			}
		}
		for shown, pid := range r.pids {
			command = regexp.MustCompile(`\b`+shown+`\b`).ReplaceAllString(command, pid)
		}
		if variable, ok := strings.CutPrefix(command, "export "); ok {
			r.env = append(r.env, variable)
			continue
		}
		if words := strings.Fields(strings.TrimPrefix(command, "./")); len(words) > 1 && words[0] == "velador" && words[1] == "serve" {
			r.serve(words[1:])
			continue
		}
		if r.at != "" {
			command = strings.ReplaceAll(command, "localhost:3000", r.at)
		}
		if strings.HasPrefix(command, "curl ") {
			if _, err := exec.LookPath("curl"); err != nil {
				if os.Getenv("CI_REQUIRE") == "1" {
					r.t.Fatal("curl is not installed")
				}
				r.t.Logf("%s:%d is not run: curl is not installed", r.page, s.line)
				continue
			}
		}
		r.types(s, command)
	}
}

// serve starts the server, which goes on until the document ends.
func (r *reader) serve(args []string) {
	r.t.Helper()
	if r.at != "" {
		r.t.Fatalf("%s starts a second server", r.page)
	}
	server := run(r.t, r.env, args...)
	_, r.at, _ = strings.Cut(server.url, "://")
	r.at = strings.Replace(r.at, "127.0.0.1", "localhost", 1)
	r.env = append(r.env, "VELADOR_SERVER=http://"+r.at)
}

// changes tells whether a command does something else when it is typed twice.
func changes(command string) bool {
	return regexp.MustCompile(`velador (start|stop|restart)\b|-X POST`).MatchString(command)
}

// types types a command and reads what it prints. What only looks is looked at again until it is as the
// document shows it: collectors need a moment.
func (r *reader) types(s step, command string) {
	r.t.Helper()
	form, groups := pattern(s.shown, r.pids)
	deadline := time.Now().Add(90 * time.Second)
	for {
		said, err := r.shell(command)
		found := form.FindStringSubmatch(said)
		switch {
		case err == nil && (!s.checked || found != nil):
			for i, shown := range groups {
				r.pids[shown] = found[i+1]
			}
			return
		case changes(command) || time.Now().After(deadline):
			r.t.Fatalf("%s:%d: %s (%v) says\n%sand the document shows\n%s", r.page, s.line, command, err, said, s.shown)
		}
		time.Sleep(200 * time.Millisecond) // between two looks at other processes
	}
}

// shell runs a line and gives what it prints on both streams, with what is this machine's own called as
// in the documents.
func (r *reader) shell(line string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Env, cmd.Dir = r.env, r.home
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	text := strings.ReplaceAll(said.String(), r.home, "/home/ana")
	if r.at != "" {
		text = strings.ReplaceAll(text, r.at, "localhost:3000")
	}
	if host, err := os.Hostname(); err == nil {
		text = regexp.MustCompile(`\b`+regexp.QuoteMeta(host)+`\b`).ReplaceAllString(text, "tokio-1")
	}
	return regexp.MustCompile(`(?m) +$`).ReplaceAllString(text, ""), err
}

// TestTranscriptsAreReadStrictly: what does not vary by its nature has to be as it is shown.
func TestTranscriptsAreReadStrictly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		shown, is string
		fits      bool
	}{
		{"started (PID 12345, id 1)", "started (PID 7, id 1)", true},
		{"started (PID 12345, id 1)", "started (PID 7, id 2)", false},
		{"PID 12345 and 12345", "PID 7 and 8", true}, // two groups; the next line knows
		{"ETHUSDT  1m  live  12s ago  0", "ETHUSDT 1m live 1m02s ago 0", true},
		{"ETHUSDT  1m  live  12s ago  0", "ETHUSDT 1m live 12s ago 1", false},
		{"ETHUSDT  1m  live", "ETHUSDT 3m live", false},
		{"ETHUSDT  1m  live", "ETHUSDT 1m stale", false},
		{"2026-11-30 22:39  2585.94000000", "2027-01-02 01:03  1.00000000", true},
		{"2026-11-30 22:39  2585.94000000", "2027-01-02 01:03  1.0", false},
		{"compared  1435", "compared 7", true},
		{"compared  1435", "compared -7", false},
		{"differing  0", "differing 1", false},
		{`{"pid":12346,…}`, `{"pid":9,"x":[1]}`, true},
		{"a\n…\nb", "a\nx\ny\nb", true},
		{"a\n…\nb", "a\nx\ny\nc", false},
		{"18MiB  0.4%  2.5/s", "9MiB 12.0% 0.0/s", true},
		{"4.0 GiB of 252 GiB are free", "77 GiB of 9.1 GiB are free", true},
	} {
		form, _ := pattern(test.shown+"\n", nil)
		if got := form.MatchString(test.is + "\n"); got != test.fits {
			t.Errorf("%q fits %q: %v (%s)", test.is, test.shown, got, form)
		}
	}
	if form, _ := pattern("PID 12345\n", map[string]string{"12345": "7"}); form.MatchString("PID 8\n") || !form.MatchString("PID 7\n") {
		t.Errorf("a PID that is known may be another one: %s", form)
	}
	if got := fmt.Sprint(transcript(t, "../docs/OPERATION.md")[0].command); got != "createdb velador" {
		t.Errorf("the first command is %q", got)
	}
}
