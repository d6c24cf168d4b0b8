package cli

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelpAndDocsAgree keeps docs/CLI.md in step with the commands, and each command with an example.
func TestHelpAndDocsAgree(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/CLI.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	p := &program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			name := strings.TrimPrefix(sub.CommandPath(), "velador ")
			if sub.Name() == "help" || sub.Name() == "completion" {
				continue
			}
			if sub.Name() != "push" && sub.Name() != "db" && !strings.Contains(page, "`velador "+name) {
				t.Errorf("docs/CLI.md does not name velador %s", name)
			}
			if !sub.HasSubCommands() && sub.Example == "" {
				t.Errorf("velador %s has no example", name)
			}
			sub.Flags().VisitAll(func(f *pflag.Flag) {
				if f.Usage == "" {
					t.Errorf("velador %s --%s is not explained", name, f.Name)
				}
				for _, variable := range f.Annotations[envAnnotation] {
					if !strings.Contains(page, "`"+variable+"`") {
						t.Errorf("docs/CLI.md does not name the setting %s", variable)
					}
				}
			})
			walk(sub)
		}
	}
	walk(p.root())
}
