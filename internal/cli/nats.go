package cli

import (
	"log/slog"

	"github.com/spf13/pflag"

	"velador/internal/bus"
)

// natsFlags name an external bus.
type natsFlags struct{ url string }

func (f *natsFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "nats-url", "", "external NATS with JetStream, nats://user:password@host:4222 (default: one inside)")
	fromEnv(flags, "nats-url", "VELADOR_NATS_URL")
}

// client says how to reach the bus: the external one, or the embedded one whose address is in file.
func (f *natsFlags) client(file, name string, logger *slog.Logger) bus.ClientConfig {
	config := bus.ClientConfig{Name: name, Logger: logger}
	if f.url != "" {
		config.URL = f.url
	} else {
		config.File = file
	}
	return config
}
