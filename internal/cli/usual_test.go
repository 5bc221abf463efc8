package cli

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestTheUsualStatesAreThoseOfTheUserAndOfThePackages(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_STATE_HOME", home)
	want := []string{
		filepath.Join(home, "syslane/collector"), "/var/lib/syslane/collector",
		filepath.Join(home, "syslane/relay"), "/var/lib/syslane/relay",
	}
	if got := usualStates(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// The service itself has them in one place.
	t.Setenv("XDG_STATE_HOME", "/var/lib")
	if got, want := usualStates(), []string{"/var/lib/syslane/collector", "/var/lib/syslane/relay"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
