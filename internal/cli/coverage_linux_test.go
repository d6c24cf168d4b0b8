package cli

import (
	"os"
	"strings"
	"testing"
)

func TestColoursAreForTerminalsWhoseUsersWantThem(t *testing.T) {
	t.Parallel()
	_, screen := terminal(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, test := range []struct {
		program program
		want    bool
	}{
		{program{stdout: screen, env: environment{process: []string{"TERM=xterm"}}}, true},
		{program{stdout: screen, env: environment{process: []string{"NO_COLOR="}}}, true},
		{program{stdout: screen, env: environment{process: []string{"NO_COLOR=1"}}}, false},
		{program{stdout: screen, env: environment{process: []string{"TERM=dumb"}}}, false},
		{program{stdout: null}, false},
		{program{stdout: &strings.Builder{}}, false},
	} {
		if got := test.program.colours(test.program.stdout); got != test.want {
			t.Errorf("with %v colours are %v", test.program.env.process, got)
		}
	}
}
