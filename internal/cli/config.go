package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// environment is where settings come from behind the flags: the process's environment, then the
// file .env.
type environment struct {
	process []string
	file    map[string]string
}

// lookup gives a variable; an empty one counts as not set, as in most shells' defaults.
func (e environment) lookup(name string) (string, bool) {
	for _, entry := range e.process {
		if value, ok := strings.CutPrefix(entry, name+"="); ok && value != "" {
			return value, true
		}
	}
	value := e.file[name]
	return value, value != ""
}

// maxEnvFile bounds the file .env, in bytes.
const maxEnvFile = 64 << 10

// readEnvFile reads settings from a file. When it is not required, its absence is no error.
func readEnvFile(path string, required bool) (map[string]string, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !required {
		return nil, nil
	}
	if err != nil {
		return nil, usagef("read the settings: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxEnvFile+1))
	if err != nil {
		return nil, usagef("read the settings in %s: %w", path, err)
	}
	if len(text) > maxEnvFile {
		return nil, usagef("%s is larger than %d bytes: is it a file of settings, one NAME=value a line?", path, maxEnvFile)
	}
	return parseEnvFile(path, text)
}

// parseEnvFile reads the content of the file at path.
func parseEnvFile(path string, text []byte) (map[string]string, error) {
	settings, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		// The library quotes the text around the mistake, which may be a password.
		return nil, usagef("%s is no file of settings: one NAME=value a line is expected", path)
	}
	return settings, nil
}

// envAnnotation marks a flag with the variable that it is filled from.
const envAnnotation = "velador_env"

// fromEnv ties a flag to a variable and says so in its help.
func fromEnv(flags *pflag.FlagSet, flag, variable string) {
	f := flags.Lookup(flag)
	f.Usage += " [" + variable + "]"
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[envAnnotation] = []string{variable}
}

// fillFlags gives every flag that was not set on the command line its value from the environment or
// the file .env.
func (p *program) fillFlags(cmd *cobra.Command) error {
	envFile := cmd.Flags().Lookup("env-file")
	settings, err := readEnvFile(envFile.Value.String(), envFile.Changed)
	if err != nil {
		return err
	}
	p.env.file = settings
	var problems []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		variable := f.Annotations[envAnnotation]
		if f.Changed || len(variable) == 0 {
			return
		}
		value, ok := p.env.lookup(variable[0])
		if !ok {
			return
		}
		if err := f.Value.Set(value); err != nil {
			problems = append(problems, usagef("the setting %s cannot be used: %w", variable[0], err))
		}
	})
	return errors.Join(problems...)
}

// logFlags are the flags of every command that logs.
type logFlags struct{ level, format string }

func (f *logFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.level, "log-level", "info", "how much to log: debug, info, warn or error")
	fromEnv(flags, "log-level", "VELADOR_LOG_LEVEL")
	flags.StringVar(&f.format, "log-format", "text", "text or json")
	fromEnv(flags, "log-format", "VELADOR_LOG_FORMAT")
}

func (f *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, usagef("log level %q is unknown: use debug, info, warn or error", f.level)
	}
	return f.from(level, w)
}

// audit writes in the same format whatever the level is.
func (f *logFlags) audit(w io.Writer) (*slog.Logger, error) { return f.from(slog.LevelInfo, w) }

// from makes a logger of what is of a level at least.
func (f *logFlags) from(level slog.Level, w io.Writer) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level}
	switch f.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, usagef("log format %q is unknown: use text or json", f.format)
}

// databaseFlags name the database.
type databaseFlags struct{ url, directURL, dataDir string }

func (f *databaseFlags) register(p *program, flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "database-url", "", "PostgreSQL to store into, postgres://…; without it an SQLite file in the data directory")
	fromEnv(flags, "database-url", "DATABASE_URL")
	flags.StringVar(&f.directURL, "direct-database-url", "", "the same database past a pooler such as pgbouncer, for migrations")
	fromEnv(flags, "direct-database-url", "DIRECT_DATABASE_URL")
	flags.StringVar(&f.dataDir, "data-dir", p.defaultDataDir(), "where the SQLite file, the bus and the logs live")
	fromEnv(flags, "data-dir", "VELADOR_DATA_DIR")
}

// defaultDataDir follows the XDG base directories; without a home it is a folder below the working
// directory.
func (p *program) defaultDataDir() string {
	if dir, ok := p.env.lookup("XDG_DATA_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "velador")
	}
	if home, ok := p.env.lookup("HOME"); ok {
		return filepath.Join(home, ".local", "share", "velador")
	}
	return "velador-data"
}

// exchangeFlags say where the exchanges are.
type exchangeFlags struct{ binanceREST, binanceWS string }

func (f *exchangeFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.binanceREST, "binance-rest-url", "", "Binance's REST address, or a simulator's (default: Binance)")
	fromEnv(flags, "binance-rest-url", "VELADOR_BINANCE_REST_URL")
	flags.StringVar(&f.binanceWS, "binance-ws-url", "", "Binance's stream address, or a simulator's (default: Binance)")
	fromEnv(flags, "binance-ws-url", "VELADOR_BINANCE_WS_URL")
}

// environ gives the flags as variables, for a collector's process.
func (f *exchangeFlags) environ() []string {
	var env []string
	for variable, value := range map[string]string{"VELADOR_BINANCE_REST_URL": f.binanceREST, "VELADOR_BINANCE_WS_URL": f.binanceWS} {
		if value != "" {
			env = append(env, fmt.Sprintf("%s=%s", variable, value))
		}
	}
	return env
}
