// Package cli is the roof of the house: it reads the configuration, wires all other packages
// together, and holds one file a command. Nothing below it reads the environment.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"velador/internal/problem"
)

// Exit codes of velador, as docs/CLI.md lists them.
const (
	ExitOK          = 0
	ExitFailure     = 1  // it was tried and failed: a server that cannot be reached, a database that went away
	ExitUsage       = 2  // what was asked for makes no sense or cannot be begun: flags, configuration, a port that is taken
	ExitNotFound    = 3  // the collector or the series does not exist
	ExitConflict    = 4  // it contradicts what is there: already collected
	ExitDifferences = 5  // a verification has found candles that were not stored as the exchange has them
	ExitConfig      = 78 // a collector's configuration is wrong: its supervisor must not try again (EX_CONFIG of sysexits.h)
	exitInterrupted = 130
)

// program is what every command gets: the outside world, as Main was handed it.
type program struct {
	env    environment
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// Main runs velador with the arguments behind the program's name and returns its exit code. environ
// is in the form of os.Environ.
func Main(args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{env: environment{process: environ}, stdin: stdin, stdout: stdout, stderr: stderr}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once: the first one was heard, and the wait for a graceful
	// end is over.
	context.AfterFunc(ctx, stop)

	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	if !errors.Is(err, errSilent) {
		_, _ = fmt.Fprintf(stderr, "velador: %s\n", sentence(err))
	}
	return exitCode(err)
}

// errSilent ends a command that has already said what is wrong.
var errSilent = errors.New("the command has said why it failed")

// usageError is a mistake in how velador was called or configured.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exitError gives a command's own exit code.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var exit exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var usage usageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	switch problem.KindOf(err) {
	case problem.Invalid:
		return ExitUsage
	case problem.NotFound:
		return ExitNotFound
	case problem.Conflict:
		return ExitConflict
	}
	return ExitFailure
}

// sentence is what a person reads of an error.
func sentence(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return err.Error()
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "velador",
		Short: "Market-data collectors that never stop, candles that are never wrong",
		Long: `velador manages market-data collectors and keeps every candle that they bring home.

Settings are read from flags, then from the environment, then from a file .env in the
working directory; "velador help COMMAND" shows each with its variable and its default.`,
		Example: `  velador demo                       see it at work, without internet
  velador serve                      run the server on http://localhost:3000
  velador start ETHUSDT 1m           collect a market
  velador status                     list what is being collected
  velador candles ETHUSDT 1m --csv   read what was collected`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			// cobra looks at these after this, and calls a breach a failure like any other.
			if err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()); err != nil {
				return usagef("%w (see %s --help)", err, cmd.CommandPath())
			}
			return p.fillFlags(cmd)
		},
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.PersistentFlags().String("env-file", ".env", "file with settings, one NAME=value a line; a missing .env is no error")
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "use", Title: "Use a running server:"},
		&cobra.Group{ID: "look", Title: "Look after it:"},
	)
	for _, c := range []struct {
		group string
		cmd   *cobra.Command
	}{
		{"run", p.serveCommand()}, {"run", p.demoCommand()}, {"run", p.simulateCommand()}, {"run", p.collectCommand()},
		{"use", p.startCommand()}, {"use", p.stopCommand()}, {"use", p.restartCommand()}, {"use", p.statusCommand()}, {"use", p.topCommand()}, {"use", p.historyCommand()}, {"use", p.logsCommand()}, {"use", p.candlesCommand()}, {"use", p.coverageCommand()}, {"use", p.verifyCommand()},
		{"look", p.dbCommand()}, {"look", p.doctorCommand()}, {"look", p.healthCommand()},
	} {
		c.cmd.GroupID = c.group
		root.AddCommand(c.cmd)
	}
	ownHelp(root, "look")
	usageOnBadArguments(root)
	p.setUsage(root)
	return root
}

// version is what the build recorded: a tag, a commit, or "devel".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
