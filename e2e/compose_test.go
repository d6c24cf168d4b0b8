package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// compose is what deploy/compose.yaml may say; anything else is a mistake.
type compose struct {
	Services map[string]struct {
		Build struct {
			Context    string `yaml:"context"`
			Dockerfile string `yaml:"dockerfile"`
		} `yaml:"build"`
		Image           string                    `yaml:"image"`
		Restart         string                    `yaml:"restart"`
		Init            bool                      `yaml:"init"`
		StopGracePeriod string                    `yaml:"stop_grace_period"`
		Ports           []string                  `yaml:"ports"`
		Environment     map[string]string         `yaml:"environment"`
		Volumes         []string                  `yaml:"volumes"`
		Ulimits         map[string]int            `yaml:"ulimits"`
		ReadOnly        bool                      `yaml:"read_only"`
		Tmpfs           []string                  `yaml:"tmpfs"`
		CapDrop         []string                  `yaml:"cap_drop"`
		SecurityOpt     []string                  `yaml:"security_opt"`
		DependsOn       map[string]map[string]any `yaml:"depends_on"`
		Healthcheck     struct {
			Test     []string `yaml:"test"`
			Interval string   `yaml:"interval"`
			Timeout  string   `yaml:"timeout"`
			Retries  int      `yaml:"retries"`
		} `yaml:"healthcheck"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

// TestComposeFitsTheImageAndTheSettings holds deploy/compose.yaml against deploy/Dockerfile, docs/CLI.md
// and itself.
func TestComposeFitsTheImageAndTheSettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	image := readDockerfile(t, "../deploy/Dockerfile")
	ours, database := c.Services["velador"], c.Services["postgres"]
	if len(c.Services) != 2 || database.Image == "" {
		t.Fatalf("the services are %+v", c.Services)
	}
	if _, err := os.Stat(filepath.Join("../deploy", ours.Build.Context, ours.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	settings := named(t, "../docs/CLI.md", "(?m)^\\| `([A-Z_]+)` \\|")
	for name := range ours.Environment {
		if !slices.Contains(settings, name) {
			t.Errorf("%s is no setting", name)
		}
	}
	// A value is ${NAME:?why}: without it the engine refuses to begin, and says why.
	required := regexp.MustCompile(`\$\{(\w+):\?[^}]+\}`)
	if !required.MatchString(ours.Environment["VELADOR_TOKEN"]) || !required.MatchString(database.Environment["POSTGRES_PASSWORD"]) {
		t.Error("a secret has a default")
	}
	address, err := url.Parse(required.ReplaceAllString(ours.Environment["DATABASE_URL"], "secret"))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := address.User.Password()
	if address.Hostname() != "postgres" || address.User.Username() != database.Environment["POSTGRES_USER"] ||
		address.Path != "/"+database.Environment["POSTGRES_DB"] || password != required.ReplaceAllString(database.Environment["POSTGRES_PASSWORD"], "secret") {
		t.Errorf("DATABASE_URL is %s, and the database has %v", address, database.Environment)
	}
	if ours.DependsOn["postgres"]["condition"] != "service_healthy" || len(database.Healthcheck.Test) == 0 ||
		!slices.Contains(database.Healthcheck.Test, database.Environment["POSTGRES_USER"]) || !slices.Contains(database.Healthcheck.Test, database.Environment["POSTGRES_DB"]) {
		t.Errorf("velador waits for %v, which is %v", ours.DependsOn, database.Healthcheck)
	}
	if len(ours.Ports) != 1 || len(image.ports) != 1 || ours.Ports[0] != "127.0.0.1:3000:"+image.ports[0] || !slices.Contains(image.env, "PORT="+image.ports[0]) {
		t.Errorf("ports are %v, of the image %v", ours.Ports, image.ports)
	}
	data := ""
	for _, entry := range image.env {
		if dir, ok := strings.CutPrefix(entry, "VELADOR_DATA_DIR="); ok {
			data = dir
		}
	}
	if !slices.Contains(ours.Volumes, "velador:"+data) || !ours.ReadOnly || !slices.Equal(ours.Tmpfs, []string{"/tmp"}) {
		t.Errorf("read-only: %v, with volumes %v and %v", ours.ReadOnly, ours.Volumes, ours.Tmpfs)
	}
	for _, service := range c.Services {
		for _, volume := range service.Volumes {
			name, _, _ := strings.Cut(volume, ":")
			if _, declared := c.Volumes[name]; !declared {
				t.Errorf("the volume %s is not declared", name)
			}
		}
	}
	if patience, err := time.ParseDuration(ours.StopGracePeriod); err != nil || patience < 30*time.Second {
		t.Errorf("a stop is waited for %s (%v)", patience, err)
	}
}

// TestTheUnitNamesSettings holds the files for systemd against docs/CLI.md.
func TestTheUnitNamesSettings(t *testing.T) {
	t.Parallel()
	settings := named(t, "../docs/CLI.md", "(?m)^\\| `([A-Z_]+)` \\|")
	given := append(named(t, "../deploy/systemd/velador.env", `(?m)^#?([A-Z_]+)=`), named(t, "../deploy/systemd/velador.service", `(?m)^Environment=(\w+)=`)...)
	if len(given) < 5 {
		t.Fatalf("they name only %v", given)
	}
	for _, name := range given {
		if !slices.Contains(settings, name) {
			t.Errorf("%s is no setting", name)
		}
	}
}
