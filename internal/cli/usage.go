package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxQuoted is how many arguments a complaint repeats.
const maxQuoted = 5

// usageOnBadArguments makes every command's complaint about its arguments a usage error in our words,
// with a pointer to the help.
func usageOnBadArguments(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if ours := (usageError{}); err != nil && !errors.As(err, &ours) {
				return wrongArguments(cmd, args)
			}
			return err
		}
	}
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		}
		if cmd.Args == nil || cmd.Name() == "completion" {
			cmd.Args = cobra.ArbitraryArgs
		}
	}
	for _, sub := range cmd.Commands() {
		usageOnBadArguments(sub)
	}
}

// wrongArguments says what a command takes and what it was given.
func wrongArguments(cmd *cobra.Command, args []string) error {
	_, takes, _ := strings.Cut(cmd.Use, " ")
	given := "nothing"
	if len(args) > 0 {
		quoted := make([]string, 0, maxQuoted+1)
		for _, arg := range args[:min(len(args), maxQuoted)] {
			quoted = append(quoted, strconv.Quote(arg))
		}
		if more := len(args) - maxQuoted; more > 0 {
			quoted = append(quoted, fmt.Sprintf("and %d more", more))
		}
		given = strings.Join(quoted, " ")
	}
	hint := ""
	if strings.HasPrefix(takes, "SELECTOR") && len(args) > strings.Count(takes, " ")+1 {
		hint = "; quote a glob, such as '*USDT', or the shell makes names of files of it"
	}
	if takes == "" {
		takes = "no arguments"
	}
	return usagef("%s takes %s, and was given %s%s (see %s --help)", cmd.CommandPath(), takes, given, hint, cmd.CommandPath())
}

// unknownCommand says that a command has no such sub-command, and which was perhaps meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = min(2, len(name)/2) // letters that may be wrong
	meant := ""
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		meant = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%q is no command of %s%s (see %s --help)", name, cmd.CommandPath(), meant, cmd.CommandPath())
}

// ownHelp makes the commands that cobra adds by itself ours: in a group, in our words, and with usage
// errors where they are called wrongly.
func ownHelp(root *cobra.Command, group string) {
	root.SetHelpCommandGroupID(group)
	root.SetCompletionCommandGroupID(group)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Use, cmd.Short = "help [COMMAND]", "tell about a command"
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if of, rest, _ := root.Find(args); len(rest) > 0 {
					return unknownCommand(of, rest[0])
				}
				return nil
			}
		case "completion":
			cmd.Use, cmd.Short = "completion bash|zsh|fish|powershell", "print a completion script for your shell"
			cmd.Long = `Print a script by which your shell completes commands and flags, and, out of a running server, symbols,
timeframes, PIDs and ids. The help of each shell says how it is loaded.`
			for _, shell := range cmd.Commands() {
				shell.Short = "print the completion script for " + shell.Name()
				shell.Example = "  velador completion " + shell.Name()
			}
		}
	}
}

// usageText is the part of a command's help below what it does. width is that of the terminal, 0 for
// none.
func usageText(cmd *cobra.Command, width int) string {
	var text strings.Builder
	text.WriteString("Usage:\n")
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&text, "  %s\n", cmd.UseLine())
	} else {
		fmt.Fprintf(&text, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&text, "\nExamples:\n%s\n", cmd.Example)
	}
	list := func(title, group string) {
		var lines strings.Builder
		for _, sub := range cmd.Commands() {
			if sub.GroupID == group && (sub.IsAvailableCommand() || sub.Name() == "help") {
				fmt.Fprintf(&lines, "  %-*s  %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
		if lines.Len() > 0 {
			fmt.Fprintf(&text, "\n%s\n%s", title, lines.String())
		}
	}
	for _, group := range cmd.Groups() {
		list(group.Title, group.ID)
	}
	list("Commands:", "")
	for _, flags := range []struct {
		title string
		set   *pflag.FlagSet
	}{{"Flags:", cmd.LocalFlags()}, {"Flags of every command:", cmd.InheritedFlags()}} {
		if lines := flagUsages(flags.set, width); lines != "" {
			fmt.Fprintf(&text, "\n%s\n%s", flags.title, lines)
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&text, "\nUse \"%s COMMAND --help\" for more about one of them.\n", cmd.CommandPath())
	}
	return text.String()
}

// flagUsages lists flags, those that need no value without one.
func flagUsages(flags *pflag.FlagSet, width int) string {
	shown := pflag.NewFlagSet("", pflag.ContinueOnError)
	shown.SortFlags = flags.SortFlags
	flags.VisitAll(func(f *pflag.Flag) {
		one := *f
		if one.Value.Type() == "bool" {
			one.Value = plainSwitch{one.Value}
		}
		shown.AddFlag(&one)
	})
	return shown.FlagUsagesWrapped(width)
}

// plainSwitch is a bool that does not ask for its value in the help.
type plainSwitch struct{ pflag.Value }

// Type is another one than "bool", which pflag writes as --flag[=true|false].
func (plainSwitch) Type() string { return "boolfunc" }

// setUsage has a command and those below it say their usage by usageText.
func (p *program) setUsage(root *cobra.Command) {
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), usageText(cmd, terminalWidth(p.stdout)))
		return err
	})
}
