package page

import (
	"fmt"
	"testing"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

func TestMain(m *testing.M) {
	syslane.Main(m, func() {
		if chromium.end != nil {
			chromium.end()
		}
	})
}

// site is the collector of the tests.
type site struct {
	*syslane.Node
	tcp string // the address of its TCP input
}

func newSite(t testing.TB, more string) *site {
	t.Helper()
	tcp := proc.FreeAddr(t)
	n := syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n%s", tcp, more))
	return &site{n, tcp}
}

// One log of 100,000 messages is looked at from all sides.
func TestOneWorksWithALogOf100000Messages(t *testing.T) {
	// Nobody listens where the output sends to: that is what the status has to tell.
	s := newSite(t, fmt.Sprintf("[[output]]\ntype = \"relp\"\nname = \"archive\"\ntargets = [%q]\n", proc.FreeAddr(t)))
	tell(t, s.Node, s.tcp)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *site)
	}{
		{"rows", rows},
		{"search", words},
		{"facets", facets},
		{"completion", completion},
		{"keys", keys},
		{"fields", fields},
		{"zoom", zoom},
		{"ranges", ranges},
		{"themes", themes},
		{"status", status},
		{"accessible", accessible},
		{"looks", looks},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, s) })
	}
}
