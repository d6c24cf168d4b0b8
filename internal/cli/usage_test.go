package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestMistakesAreToldWithWhatWasMeant(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line string
		says string
	}{
		{"stats", `"stats" is no command of velador; did you mean start or status? (see velador --help)`},
		{"ps", `did you mean status?`},
		{"kill 7", `did you mean stop?`},
		{"xyzzy", `"xyzzy" is no command of velador (see velador --help)`},
		{"db statu", `"statu" is no command of velador db; did you mean status?`},
		{"help statu", `did you mean start or status?`},
		{"help start now", `"now" is no command of velador start`},
		{"start ETHUSDT", `velador start takes SELECTOR TIMEFRAME, and was given "ETHUSDT" (see velador start --help)`},
		{"start", `and was given nothing`},
		{"start a.go b.go c.go d.go e.go f.go 1m", `"e.go" and 2 more; quote a glob, such as '*USDT', or the shell makes names of files of it`},
		{"status now", `velador status takes no arguments, and was given "now"`},
		{"history", `velador history takes ID, and was given nothing`},
		{"candles ETHUSDT 1m --csv --json", `if any flags in the group [csv json] are set none of the others can be`},
		{"candles ETHUSDT 1m --from yesterday", `"yesterday" is no time: give a UTC date such as 2026-11-23`},
	} {
		out, said, code := run(t, strings.Fields(test.line)...)
		if code != ExitUsage || out != "" || !strings.HasPrefix(said, "velador: ") || !strings.Contains(said, test.says) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s%s", test.line, code, out, said)
		}
	}
	for line, says := range map[string]string{"status": `no velador answers at ` + nobody + `: connect: connection refused; "velador serve" starts one`, "health": nobody + `: connect: connection refused`} {
		if out, said, code := run(t, line, "--server", nobody); code != ExitFailure || out != "" || !strings.Contains(said, says) || strings.Count(said, nobody) != 1 {
			t.Errorf("%s without a server: exit code %d: %s%s", line, code, out, said)
		}
	}
}

func TestHelpFitsTheTerminalAndAsksForNoValueOfASwitch(t *testing.T) {
	t.Parallel()
	p := &program{stdin: strings.NewReader(""), stdout: &strings.Builder{}, stderr: &strings.Builder{}}
	root := p.root()
	each(root, func(name string, cmd *cobra.Command) {
		text := usageText(cmd, 80)
		if strings.Contains(text, "true|false") || !strings.HasPrefix(text, "Usage:\n  velador "+name) {
			t.Errorf("the usage of %s is\n%s", name, text)
		}
		_, flags, _ := strings.Cut(text, "\nFlags:\n")
		for line := range strings.Lines(flags) {
			if len(line) > 100 { // words that are longer than their column stay whole
				t.Errorf("%s in 80 columns: %q", name, line)
			}
		}
	})
	if text := usageText(root, 0); strings.Count(text, "velador COMMAND") != 2 {
		t.Errorf("the usage of all is\n%s", text)
	}
}
