//go:build !linux

package e2e

// actAsAnother does nothing: the tests that need it are Linux's.
func actAsAnother() {}
