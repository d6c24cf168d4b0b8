package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"velador/internal/candle"
	"velador/internal/store"
	"velador/internal/store/sqlite"
)

// TestTheImageWouldRun does by hand what an engine does with deploy/Dockerfile: it builds the binary as
// the file says, puts what the file copies into an otherwise empty root, and runs the binary there as the
// first process of a PID namespace, as the file's user and with its environment. What the test adds is
// what `docker run` is given: a token, a port, and where the exchange is. The exchange speaks TLS, so that
// the certificates have to be where they are looked for.
func TestTheImageWouldRun(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		skip(t, "a root of its own is given to a process by root only")
	}
	d := readDockerfile(t, "../deploy/Dockerfile")
	root := d.build(t)
	trust := filepath.Join(t.TempDir(), "root.pem")
	exchange, urls := simulator(t, "--speed", "120", "--tls-root", trust)
	authority, err := os.ReadFile(trust)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := os.OpenFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Write(authority); err != nil {
		t.Fatal(err)
	}
	if err := bundle.Close(); err != nil {
		t.Fatal(err)
	}

	const token = "image-0123456789abcdef"
	env := append(append(d.env, urls...), "VELADOR_TOKEN="+token, "PORT="+freePort(t), "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/")
	as := []string{"--setuid=" + d.uid, "--setgid=" + d.gid}
	server := runBinary(t, "unshare", env, append(append([]string{"--pid", "--fork", "--kill-child", "--mount-proc", "--root=" + root}, as...), append([]string{"--"}, d.start...)...)...)
	server.inner = childOf(server.cmd.Process.Pid)
	if insideOf(server.inner) != 1 {
		t.Fatalf("the server has PID %d in its namespace", insideOf(server.inner))
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.inner)); err != nil || !strings.Contains(string(status), "\nUid:\t"+strings.Repeat(d.uid+"\t", 3)+d.uid+"\n") {
		t.Errorf("it does not run as %s: %v\n%s", d.uid, err, status)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	server.url = "http://127.0.0.1:" + port

	// The health check, as the engine runs it: within, and as the same user.
	health := func() (string, error) {
		enter := append([]string{"--target=" + strconv.Itoa(server.inner), "--pid", "--mount", "--root", "--wd"}, as...)
		cmd := exec.Command("nsenter", append(append(enter, "--"), d.health...)...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	said := ""
	eventually(t, "the health check is content", 60*time.Second, func() bool {
		said, err = health()
		return err == nil
	})
	if !strings.Contains(said, "is ready") {
		t.Errorf("the health check says %s", said)
	}

	if status, _, text := call(t, "GET", server.url+"/api/collectors/status", ""); status != 401 {
		t.Errorf("without the token: %d %s", status, text)
	}
	bearer := []string{"Authorization", "Bearer " + token}
	symbols := []string{"ETHUSDT", "BTCUSDT"}
	for _, symbol := range symbols {
		if status, _, text := call(t, "POST", server.url+"/api/collectors/start", `{"timeframe":"1m","symbol":"`+symbol+`"}`, bearer...); status != 200 {
			t.Fatalf("start %s: %d %s", symbol, status, text)
		}
	}
	newest := func(id int) int64 {
		_, _, text := call(t, "GET", fmt.Sprintf("%s/api/collectors/%d", server.url, id), "", bearer...)
		last, _ := object(t, text)["lastCandle"].(map[string]any)
		open, _ := last["openTime"].(float64)
		return int64(open)
	}
	first := make([]int64, len(symbols))
	eventually(t, "both collectors have brought candles for a while", 120*time.Second, func() bool {
		for i := range symbols {
			now := newest(i + 1)
			if first[i] == 0 {
				first[i] = now
			}
			if now < first[i]+5*60_000 || first[i] == 0 {
				return false
			}
		}
		return true
	})
	told := []int64{newest(1), newest(2)}

	if err := syscall.Kill(server.inner, d.stop); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.ended:
	case <-time.After(60 * time.Second):
		t.Fatal("it does not end")
	}
	if code := server.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ends with exit code %d", code)
	}
	uid, _ := strconv.Atoi(d.uid)
	err = filepath.WalkDir(filepath.Join(root, "data"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && int(info.Sys().(*syscall.Stat_t).Uid) != uid {
			t.Errorf("%s belongs to %d", strings.TrimPrefix(path, root), info.Sys().(*syscall.Stat_t).Uid)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}

	// What the collectors had brought is in the database, without a hole: nobody has started since.
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(root, "data", "velador.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ask := asking(t, authority)
	for i, symbol := range symbols {
		var rows []byte
		var from, to candle.Millis
		series := candle.Series{Exchange: "binance", Symbol: symbol, Timeframe: candle.Minute1}
		if err := db.EachCandle(context.Background(), store.Query{Series: series}, func(c candle.Candle) error {
			if from == 0 {
				from = c.OpenTime
			}
			to = c.OpenTime
			rows = append(c.AppendCSV(rows), '\n')
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if int64(to) < told[i] {
			t.Errorf("%s: the newest stored candle opens at %d, and its collector had told of %d", symbol, to, told[i])
		}
		if want := servedRows(t, ask, exchange.url, symbol, int64(from), int64(to)); string(rows) != want {
			t.Errorf("%s: %s", symbol, firstDifference(want, string(rows)))
		}
	}
}

// asking gives a way to ask a server that this authority vouches for.
func asking(t *testing.T, authority []byte) func(url string) []byte {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		t.Fatal("the authority is no certificate")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 60 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	return func(url string) []byte {
		answer, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// build makes the image's root. Of the stage that builds it runs the command that makes the binary, as
// it stands there, with a folder of its own in place of /out.
func (d *dockerfile) build(t *testing.T) (root string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	made := false
	for _, words := range d.run {
		if !strings.Contains(words, "go build") {
			continue // modules are here already
		}
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(words, "/out", out))
		cmd.Dir = ".."
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", words, err, text)
		}
		made = true
	}
	if !made {
		t.Fatal("the file builds no binary")
	}
	root = filepath.Join(t.TempDir(), "root")
	for _, words := range d.copies {
		owner := "0:0"
		for ; strings.HasPrefix(words[0], "--"); words = words[1:] {
			if value, ok := strings.CutPrefix(words[0], "--chown="); ok {
				owner = value
			} else if words[0] != "--from=build" {
				t.Fatalf("COPY %s", words[0])
			}
		}
		from := words[0]
		if rest, ok := strings.CutPrefix(from, "/out"); ok {
			from = out + rest
		} else if _, err := os.Stat(from); err != nil {
			skip(t, "install ca-certificates: "+err.Error())
		}
		to := filepath.Join(root, words[1])
		if strings.HasSuffix(words[1], "/") {
			to = filepath.Join(to, filepath.Base(from))
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"cp", "-aL", from, to}, {"chown", "-R", owner, to}} {
			if text, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", command, err, text)
			}
		}
	}
	// What every engine puts there: a place for /proc, and /dev with what is read and written everywhere.
	for _, dir := range []string{"proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const device1, null = 1 << 8, 3
	path := filepath.Join(root, "dev", "null")
	if err := syscall.Mknod(path, syscall.S_IFCHR|0o666, device1|null); err != nil {
		skip(t, "devices are made by a root that may: "+err.Error())
	}
	if err := os.Chmod(path, 0o666); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return root
}
