package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"velador/internal/store/postgres/pgtest"
)

// railway is railway.json: the fields that the platform's reference of "config as code" has, with their
// types. Its parser refuses a number that is written as a text.
type railway struct {
	Schema string `json:"$schema"`
	Build  struct {
		Builder            string          `json:"builder"`
		WatchPatterns      []string        `json:"watchPatterns"`
		BuildCommand       *string         `json:"buildCommand"`
		DockerfilePath     *string         `json:"dockerfilePath"`
		RailpackVersion    *string         `json:"railpackVersion"`
		NixpacksConfigPath *string         `json:"nixpacksConfigPath"`
		NixpacksPlan       json.RawMessage `json:"nixpacksPlan"`
		NixpacksVersion    *string         `json:"nixpacksVersion"`
	} `json:"build"`
	Deploy struct {
		StartCommand            string          `json:"startCommand"`
		PreDeployCommand        []string        `json:"preDeployCommand"`
		MultiRegionConfig       json.RawMessage `json:"multiRegionConfig"`
		HealthcheckPath         string          `json:"healthcheckPath"`
		HealthcheckTimeout      int             `json:"healthcheckTimeout"`
		RestartPolicyType       string          `json:"restartPolicyType"`
		RestartPolicyMaxRetries *int            `json:"restartPolicyMaxRetries"`
		CronSchedule            *string         `json:"cronSchedule"`
		OverlapSeconds          int             `json:"overlapSeconds"`
		DrainingSeconds         int             `json:"drainingSeconds"`
	} `json:"deploy"`
	Environments json.RawMessage `json:"environments"`
}

// nixpacks is nixpacks.toml: the fields that the builder's reference of its file has.
type nixpacks struct {
	Providers    []string          `toml:"providers"`
	BuildImage   string            `toml:"buildImage"`
	Variables    map[string]string `toml:"variables"`
	StaticAssets map[string]string `toml:"staticAssets"`
	Phases       map[string]struct {
		DependsOn        []string `toml:"dependsOn"`
		Cmds             []string `toml:"cmds"`
		NixPkgs          []string `toml:"nixPkgs"`
		NixLibs          []string `toml:"nixLibs"`
		NixOverlays      []string `toml:"nixOverlays"`
		NixpkgsArchive   string   `toml:"nixpkgsArchive"`
		AptPkgs          []string `toml:"aptPkgs"`
		CacheDirectories []string `toml:"cacheDirectories"`
		OnlyIncludeFiles []string `toml:"onlyIncludeFiles"`
		Paths            []string `toml:"paths"`
	} `toml:"phases"`
	Start struct {
		Cmd              string   `toml:"cmd"`
		RunImage         string   `toml:"runImage"`
		OnlyIncludeFiles []string `toml:"onlyIncludeFiles"`
	} `toml:"start"`
}

// TestPlatformsAreTold reads railway.json and nixpacks.toml as the platform does, a field that it does
// not know being a mistake, and does what they say, in a copy of the repository's files: build, migrate,
// start, ask the health check, stop, and once more.
func TestPlatformsAreTold(t *testing.T) {
	t.Parallel()
	var plan nixpacks
	text, err := os.ReadFile("../nixpacks.toml")
	if err != nil {
		t.Fatal(err)
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&plan); err != nil {
		t.Fatalf("nixpacks.toml: %v", err)
	}
	var service railway
	if text, err = os.ReadFile("../railway.json"); err != nil {
		t.Fatal(err)
	}
	known := json.NewDecoder(bytes.NewReader(text))
	known.DisallowUnknownFields()
	if err := known.Decode(&service); err != nil {
		t.Fatalf("railway.json: %v", err)
	}
	deploy := service.Deploy
	if service.Build.Builder != "NIXPACKS" || deploy.RestartPolicyType != "ALWAYS" {
		t.Errorf("railway.json asks for %s and %s", service.Build.Builder, deploy.RestartPolicyType)
	}
	if deploy.StartCommand != plan.Start.Cmd {
		t.Errorf("railway.json starts %q, nixpacks.toml %q", deploy.StartCommand, plan.Start.Cmd)
	}
	if _, err := os.Stat("../Dockerfile"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a Dockerfile at the root is what the platform builds with, whatever these files say")
	}
	if len(plan.Phases) != 1 {
		t.Fatal("other phases than build have an order that this test does not know")
	}

	database := pgtest.Database(t)
	app := trackedFiles(t)
	shell := func(env []string, words string) {
		t.Helper()
		cmd := exec.Command("sh", "-c", words)
		cmd.Dir, cmd.Env = app, env
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", words, err, text)
		}
	}
	build := os.Environ()
	for name, value := range plan.Variables {
		build = append(build, name+"="+value)
	}
	for _, words := range plan.Phases["build"].Cmds {
		shell(build, words)
	}
	const token = "railway-0123456789abcdef"
	bearer := []string{"Authorization", "Bearer " + token}
	exchange, urls := simulator(t, "--speed", "120")
	for deployment := 1; deployment <= 2; deployment++ {
		// Nothing of the build's variables; a home of its own, since no volume is mounted.
		home, port := t.TempDir(), freePort(t)
		env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "PORT=" + port, "DATABASE_URL=" + database, "VELADOR_TOKEN=" + token, "RAILWAY_ENVIRONMENT=production"}, urls...)
		for _, words := range deploy.PreDeployCommand {
			shell(env, words)
		}
		shell(env, `./velador db status && ! ./velador db status | grep -qi pending`)
		s := newSiteOn(t, exchange, urls)
		s.dir = filepath.Join(home, ".local", "share", "velador")
		server := runBinary(t, "env", env, "-C", app, "sh", "-c", deploy.StartCommand)
		t.Cleanup(func() {
			for _, pid := range processesIn(app) {
				t.Errorf("PID %d is left behind", pid)
				_ = syscall.Kill(pid, syscall.SIGKILL) // it is ours, and was listed a moment ago
			}
		})
		url := "http://127.0.0.1:" + port
		eventually(t, "the health check is answered with 200", time.Duration(deploy.HealthcheckTimeout)*time.Second, func() bool {
			return healthy(url+deploy.HealthcheckPath, "healthcheck.railway.app")
		})
		if status, _, text := call(t, "POST", url+"/api/collectors/start", ethBody); status != 401 {
			t.Errorf("a start without the token: %d %s", status, text)
		}
		if deployment == 1 {
			if status, _, text := call(t, "POST", url+"/api/collectors/start", ethBody, bearer...); status != 200 {
				t.Fatalf("a start: %d %s", status, text)
			}
		}
		eventually(t, "the collector brings candles, and the second deployment those of the pause", 90*time.Second, func() bool {
			_, _, text := call(t, "GET", url+"/api/coverage?symbol=ETHUSDT&timeframe=1m", "", bearer...)
			found := object(t, text)
			present, _ := found["present"].(float64)
			return present >= float64(5*deployment) && present == found["expected"]
		})
		if n := len(s.processes()); n != 1 {
			t.Errorf("%d collectors run", n)
		}
		if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case <-server.ended:
		case <-time.After(time.Duration(deploy.DrainingSeconds) * time.Second):
			t.Fatal("the deployment does not end before it is killed")
		}
		if code := server.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("it ends with exit code %d", code)
		}
	}
}

// processesIn lists those whose working directory is dir.
func processesIn(dir string) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if where, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd")); where == dir { // it may have ended
			if pid, err := strconv.Atoi(entry.Name()); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// healthy asks for a page under a name.
func healthy(url, name string) bool {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	r.Host = name
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// trackedFiles copies what a platform gets: the files that git knows.
func trackedFiles(t *testing.T) (dir string) {
	t.Helper()
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	cmd.Dir = ".."
	list, err := cmd.Output()
	if err != nil {
		skip(t, fmt.Sprintf("git does not list the repository's files: %v", err))
	}
	dir = filepath.Join(t.TempDir(), "app")
	names := slices.DeleteFunc(strings.Split(string(list), "\x00"), func(name string) bool { return name == "" })
	for _, name := range names {
		from, to := filepath.Join("..", name), filepath.Join(dir, name)
		text, err := os.ReadFile(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
