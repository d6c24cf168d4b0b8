package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/spf13/pflag"

	"velador/internal/access"
)

// listenFlags say where the server listens, and to whom.
type listenFlags struct {
	host      string
	port      int
	token     string
	readToken string
	tokenFile string
	allowed   []string
	cert, key string
}

func (f *listenFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.host, "host", "127.0.0.1", "address to listen on; beyond loopback a token is required")
	fromEnv(flags, "host", "HOST")
	flags.IntVar(&f.port, "port", 3000, "port to listen on, 0 for any that is free")
	fromEnv(flags, "port", "PORT")
	flags.StringVar(&f.token, "token", "", "token that clients must send; prefer the variable to the flag")
	fromEnv(flags, "token", "VELADOR_TOKEN")
	flags.StringVar(&f.readToken, "read-token", "", "token of clients that may change nothing; prefer the variable to the flag")
	fromEnv(flags, "read-token", "VELADOR_READ_TOKEN")
	flags.StringVar(&f.tokenFile, "token-file", "", "file of tokens, one NAME TOKEN a line, and read behind it for one that may change nothing")
	fromEnv(flags, "token-file", "VELADOR_TOKEN_FILE")
	flags.StringSliceVar(&f.allowed, "allowed-host", nil, "name under which the server may be called, beside localhost, this machine's and addresses; * for any; beyond loopback any will do unless one is named")
	fromEnv(flags, "allowed-host", "VELADOR_ALLOWED_HOSTS")
	flags.StringVar(&f.cert, "tls-cert", "", "file with the certificate, in PEM, to speak HTTPS; it is read again when it changes")
	fromEnv(flags, "tls-cert", "VELADOR_TLS_CERT")
	flags.StringVar(&f.key, "tls-key", "", "file with the certificate's key, in PEM")
	fromEnv(flags, "tls-key", "VELADOR_TLS_KEY")
}

// maxTokenFile bounds a file of tokens, in bytes.
const maxTokenFile = 1 << 20

// keys reads the tokens.
func (f *listenFlags) keys(logger *slog.Logger) (*access.Keys, error) {
	keys := new(access.Keys)
	for _, one := range []struct {
		token string
		who   access.Visitor
	}{{f.token, access.Visitor{Name: "token", Right: access.Full}}, {f.readToken, access.Visitor{Name: "read-token", Right: access.Read}}} {
		if one.token == "" {
			continue
		}
		if err := keys.Add(one.who, one.token); err != nil {
			return nil, usageError{err}
		}
	}
	if f.tokenFile == "" {
		return keys, nil
	}
	file, err := os.Open(f.tokenFile)
	if err != nil {
		return nil, usagef("the tokens cannot be read: %w; --token-file or VELADOR_TOKEN_FILE names the file", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxTokenFile+1))
	if err == nil && len(content) > maxTokenFile {
		err = fmt.Errorf("it is longer than %d bytes", maxTokenFile)
	}
	if err == nil {
		err = keys.AddFile(string(content))
	}
	if err != nil {
		return nil, usagef("the file of tokens %s: %w", f.tokenFile, err)
	}
	if info, err := file.Stat(); err == nil && info.Mode().Perm()&forOthers != 0 {
		logger.Warn("the file of tokens can be read by everybody: chmod o= keeps it from them", "file", f.tokenFile)
	}
	return keys, nil
}

// hosts gives the names under which the server may be called. Beyond loopback, where every request needs
// a token, the name is left to whoever runs it, unless some are named.
func (f *listenFlags) hosts() *access.Hosts {
	if len(f.allowed) == 0 && !isLoopback(f.host) {
		return nil
	}
	names := append([]string{f.host}, f.allowed...)
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	return access.NewHosts(names...)
}

// open opens the port.
func (f *listenFlags) open(ctx context.Context) (net.Listener, error) {
	if f.port < 0 || f.port > 65535 {
		return nil, usagef("port %d does not exist: use one from 1 to 65535", f.port)
	}
	address := net.JoinHostPort(f.host, strconv.Itoa(f.port))
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, usagef("cannot listen on %s: %w; is it taken? --port or PORT chooses another one", address, cause(err))
	}
	return ln, nil
}

// listen opens the port for whom the settings let in. scheme is https when it speaks TLS.
func (f *listenFlags) listen(ctx context.Context, keys *access.Keys, logger *slog.Logger) (ln net.Listener, scheme string, err error) {
	if !keys.Any() && !isLoopback(f.host) {
		return nil, "", usagef("listening on %s would let everybody who reaches this machine start and stop collectors: set VELADOR_TOKEN to a long random text, "+
			"for example from \"openssl rand -hex 24\", or name a file of tokens by --token-file, or listen on 127.0.0.1", f.host)
	}
	var certificates *certificate
	if f.cert != "" || f.key != "" {
		if certificates, err = loadCertificate(f.cert, f.key, logger); err != nil {
			return nil, "", err
		}
	}
	if ln, err = f.open(ctx); err != nil {
		return nil, "", err
	}
	if certificates == nil {
		return ln, "http", nil
	}
	return tls.NewListener(ln, certificates.config()), "https", nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// cause strips the operation that our own sentence names already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}
