package cli

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commandsPage is docs/CLI.md, and the commands that it has to be in step with.
func commandsPage(t *testing.T) (page string, root *cobra.Command) {
	t.Helper()
	text, err := os.ReadFile("../../docs/CLI.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text), (&program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}).root()
}

// section is what stands below a heading.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/CLI.md has no section %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// rows gives the cells of a table's rows, its two heading lines left out.
func rows(text string) (table [][]string) {
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|"))
		}
		table = append(table, cells)
	}
	return table[min(1, len(table)):]
}

// quoted are the code spans of a text.
func quoted(text string) (spans []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		spans = append(spans, m[1])
	}
	return spans
}

// each calls look for every command below root, by its name without "velador".
func each(root *cobra.Command, look func(name string, cmd *cobra.Command)) {
	for _, sub := range root.Commands() {
		look(strings.TrimPrefix(sub.CommandPath(), "velador "), sub)
		each(sub, look)
	}
}

// TestHelpAndDocsAgree keeps docs/CLI.md in step with the commands, and each command with an example.
func TestHelpAndDocsAgree(t *testing.T) {
	t.Parallel()
	page, root := commandsPage(t)
	documented := ""
	for _, title := range []string{"Run", "Use a running server", "Look after it"} {
		for _, row := range rows(section(t, page, title)) {
			documented += row[0] + "\n"
		}
	}
	each(root, func(name string, cmd *cobra.Command) {
		parent, _, _ := strings.Cut(name, " ")
		switch {
		case cmd.HasSubCommands(): // its sub-commands are
		case parent == "completion":
			if !slices.Contains(quoted(documented), cmd.Name()) && !strings.Contains(documented, "`velador "+name+"`") {
				t.Errorf("docs/CLI.md does not name the completion of %s", cmd.Name())
			}
		case !regexp.MustCompile("`velador " + name + "[` ]").MatchString(documented):
			t.Errorf("docs/CLI.md does not name velador %s", name)
		}
		if !cmd.HasSubCommands() && cmd.Example == "" && name != "help" {
			t.Errorf("velador %s has no example", name)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("velador %s --%s is not explained", name, f.Name)
			}
		})
	})
	// And nothing is named that is not there.
	for _, span := range quoted(page) {
		words := strings.Fields(span)
		if len(words) < 2 || words[0] != "velador" {
			continue
		}
		cmd, _, err := root.Find(words[1:])
		if err != nil || cmd == root {
			t.Errorf("docs/CLI.md names %q: there is no such command", span)
			continue
		}
		for _, m := range regexp.MustCompile(`-(-[a-z-]+|[a-z]\b)`).FindAllStringSubmatch(strings.Join(words[1:], " "), -1) {
			if flag := strings.TrimPrefix(m[1], "-"); cmd.Flag(flag) == nil && cmd.Flags().ShorthandLookup(flag[:1]) == nil {
				t.Errorf("docs/CLI.md names %q: velador %s has no such flag", span, cmd.Name())
			}
		}
	}
}

// TestEveryFlagIsDocumentedWithTheCommandsThatHaveIt holds the table of flags.
func TestEveryFlagIsDocumentedWithTheCommandsThatHaveIt(t *testing.T) {
	t.Parallel()
	page, root := commandsPage(t)
	has := map[string][]string{"--env-file": {"every command"}}
	each(root, func(name string, cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if len(f.Annotations[envAnnotation]) > 0 || f.Hidden || f.Name == "help" || f.Name == "env-file" {
				return
			}
			has["--"+f.Name] = append(has["--"+f.Name], name)
			if f.Shorthand != "" && !slices.Contains(has["-"+f.Shorthand], name) {
				has["-"+f.Shorthand] = append(has["-"+f.Shorthand], name)
			}
		})
	})
	documented := make(map[string][]string)
	for _, row := range rows(section(t, page, "Flags")) {
		of := quoted(row[1])
		if len(of) == 0 {
			of = []string{row[1]}
		}
		for _, flag := range quoted(row[0]) {
			documented[flag] = of
		}
	}
	for flag, of := range has {
		slices.Sort(of)
		if !strings.HasPrefix(flag, "--") && len(documented[flag]) > 0 {
			of = documented[flag] // it stands beside the long one, which some have alone
		}
		if !slices.Equal(documented[flag], of) {
			t.Errorf("%s is a flag of %q, and documented as one of %q", flag, of, documented[flag])
		}
	}
	for flag := range documented {
		if has[flag] == nil {
			t.Errorf("%s is documented, and no flag of anything", flag)
		}
	}
}

// TestEverySettingIsDocumentedWithItsFlagAndDefault holds the table of settings.
func TestEverySettingIsDocumentedWithItsFlagAndDefault(t *testing.T) {
	t.Parallel()
	page, root := commandsPage(t)
	// Defaults that a person reads otherwise than a flag writes them.
	inWords := map[string]string{
		"DIRECT_DATABASE_URL": "DATABASE_URL", "VELADOR_DATA_DIR": "~/.local/share/velador", "VELADOR_ALLOWED_HOSTS": "this machine's", "VELADOR_CA_FILE": "the system's",
		"VELADOR_BINANCE_REST_URL": "https://api.binance.com", "VELADOR_BINANCE_WS_URL": "wss://stream.binance.com:9443",
		"VELADOR_LOG_SIZE": "4MiB", "VELADOR_LOG_TOTAL": "1GiB", "VELADOR_ORPHAN_AFTER": "15m",
	}
	type setting struct{ flag, standard string }
	is := make(map[string]setting)
	each(root, func(name string, cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			for _, variable := range f.Annotations[envAnnotation] {
				one := setting{"--" + f.Name, f.DefValue}
				if words, ok := inWords[variable]; ok {
					one.standard = words
				}
				if before, ok := is[variable]; ok && before.flag != one.flag {
					t.Errorf("%s is %s and %s", variable, before.flag, one.flag)
				}
				if name != "demo" { // which logs less
					is[variable] = one
				}
			}
		})
	})
	documented := make(map[string]setting)
	for _, row := range rows(section(t, page, "Settings")) {
		documented[strings.Trim(row[0], "`")] = setting{strings.Trim(row[1], "`"), strings.Trim(row[2], "`")}
		if row[3] == "" {
			t.Errorf("%s is not explained", row[0])
		}
	}
	for variable, one := range is {
		if documented[variable] != one {
			t.Errorf("%s is %+v, and documented as %+v", variable, one, documented[variable])
		}
	}
	for variable := range documented {
		if _, ok := is[variable]; !ok {
			t.Errorf("%s is documented, and fills no flag", variable)
		}
	}
}
