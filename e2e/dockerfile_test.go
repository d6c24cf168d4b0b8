package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
)

// dockerfile is what deploy/Dockerfile says. Of its instructions only those are known that it has: with
// another one the test that reads it has to learn it.
type dockerfile struct {
	run           []string   // of the stage that builds
	copies        [][]string // words of each COPY of the last stage
	env           []string
	uid, gid      string
	stop          syscall.Signal
	health, start []string
	ports         []string
}

func readDockerfile(t *testing.T, path string) *dockerfile {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := &dockerfile{}
	var command []string
	stages := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if name == "FROM" {
			stages++
		}
		if name == "" || strings.HasPrefix(name, "#") || name == "FROM" || name == "VOLUME" || name == "WORKDIR" && stages == 1 || name == "COPY" && stages == 1 {
			continue
		}
		switch {
		case stages == 1 && name == "RUN":
			d.run = append(d.run, rest)
		case stages != 2:
			t.Fatalf("%s in stage %d", line, stages)
		case name == "COPY":
			d.copies = append(d.copies, strings.Fields(rest))
		case name == "ENV" && !strings.ContainsAny(rest, `"'\`):
			d.env = append(d.env, strings.Fields(rest)...)
		case name == "USER":
			d.uid, d.gid, _ = strings.Cut(rest, ":")
		case name == "EXPOSE":
			d.ports = strings.Fields(rest)
		case name == "STOPSIGNAL" && rest == "SIGTERM":
			d.stop = syscall.SIGTERM
		case name == "HEALTHCHECK":
			_, words, _ := strings.Cut(rest, "CMD ")
			d.health = execForm(t, words)
		case name == "ENTRYPOINT":
			d.start = execForm(t, rest)
		case name == "CMD":
			command = execForm(t, rest)
		default:
			t.Fatalf("this test does not know what %s means", line)
		}
	}
	d.start = append(d.start, command...)
	if len(d.start) == 0 || len(d.health) == 0 || d.uid == "" || d.uid == "0" || d.stop == 0 {
		t.Fatalf("the file says %+v", d)
	}
	return d
}

// execForm reads the words of a command: without a shell there is no other form.
func execForm(t *testing.T, text string) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &words); err != nil {
		t.Fatalf("%s is no list of words: %v", text, err)
	}
	return words
}
