// Package await waits for conditions, so that no test sleeps and hopes.
package await

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// pause lies between two looks at a condition.
const pause = 25 * time.Millisecond

// hopeless is an error that no waiting can mend.
type hopeless struct{ error }

func (h hopeless) Unwrap() error { return h.error }

// Hopeless makes err end the waiting at once, such as when a process that should
// open a port has exited.
func Hopeless(err error) error { return hopeless{err} }

// Nil calls check until it returns nil, and returns its last error when limit
// has passed or check said that it is hopeless.
func Nil(limit time.Duration, check func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return nil
		}
		var h hopeless
		if errors.As(err, &h) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", limit, err)
		}
		time.Sleep(pause)
	}
}

// Until is Nil that fails the test, naming what was waited for.
func Until(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	if err := Nil(limit, check); err != nil {
		t.Fatalf("waited in vain for %s: %v", what, err)
	}
}
