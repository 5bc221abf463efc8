package packages

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

// A newcomer types what docs/INSTALL.md begins with.
func TestNewcomerFindsTheFirstLogByTheCommandsOfTheManual(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(source + "/docs/INSTALL.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("docs/INSTALL.md has no commands")
	}
	m := boot(t)
	commands := strings.Split(strings.TrimSpace(string(block[1])), "\n")
	begin := time.Now()
	for _, command := range commands[:len(commands)-1] {
		m.do(t, "cd /packages && "+command)
	}
	last := commands[len(commands)-1]
	await.Until(t, 30*time.Second, "the first log", func() error {
		out, err := m.try(last)
		if err != nil || !strings.Contains(out, "hello from testhost") {
			return fmt.Errorf("%v: %s", err, out)
		}
		return nil
	})
	t.Logf("from package to first log: %d commands, %v", len(commands), time.Since(begin).Round(10*time.Millisecond))
	m.onlyLoopback(t)
	m.do(t, "cd / && dpkg -L syslane | grep -q man1/syslane-relay.1.gz && bash -n /usr/share/bash-completion/completions/syslane")
}
