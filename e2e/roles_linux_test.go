package e2e

import (
	"os"
	"time"
)

// actAsAnother makes the test binary what its environment says, and does not return then.
func actAsAnother() {
	switch {
	case os.Getenv(envInit) != "":
		reap()
	case os.Getenv(envStub) != "":
		time.Sleep(time.Hour) // it is stopped or killed before
		os.Exit(0)
	}
}
