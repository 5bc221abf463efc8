package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/syslane"
)

// A program writes and rotates its file while the collector is killed again and
// again: in the end each line is in the log once.
func TestEveryLineOfAFileIsStoredOnceThoughTheCollectorIsKilled(t *testing.T) {
	const kills = 8
	logs := t.TempDir()
	node := syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "file"
include = [%q]
scan_interval = "1s"
`, filepath.Join(logs, "app.log*")))

	stop, written := make(chan struct{}), make(chan int)
	go func() { written <- writeRotated(t, filepath.Join(logs, "app.log"), stop) }()
	for i := range kills {
		time.Sleep(time.Duration(150+i*50) * time.Millisecond) // the moments are arbitrary
		node.Kill()
		node.Restart(t)
	}
	close(stop)
	n := <-written
	if n == 0 {
		t.Fatal("nothing was written")
	}

	counts := make([]int, n)
	await.Until(t, 60*time.Second, fmt.Sprint(n, " lines"), func() error {
		clear(counts)
		total := 0
		node.Each(t, func(source []byte) error {
			var d struct {
				Message string `json:"message"`
				Host    struct {
					Name string `json:"name"`
				} `json:"host"`
				Log struct {
					File struct {
						Path string `json:"path"`
					} `json:"file"`
				} `json:"log"`
			}
			if err := json.Unmarshal(source, &d); err != nil {
				return err
			}
			var k int
			if _, err := fmt.Sscanf(d.Message, "line %d ", &k); err != nil || k >= n || filepath.Dir(d.Log.File.Path) != logs || d.Host.Name == "" {
				return fmt.Errorf("foreign document %.200s", source)
			}
			counts[k]++
			total++
			return nil
		})
		if total < n {
			return fmt.Errorf("%d lines are in the log", total)
		}
		return nil
	})
	for k, c := range counts {
		if c != 1 {
			t.Fatalf("line %d is in the log %d times", k, c)
		}
	}
	t.Logf("%d lines, %d kills", n, kills)
}

// writeRotated writes numbered lines until stop is closed, and rotates the file by
// renaming it, as logrotate does. It returns how many there are.
func writeRotated(t *testing.T, path string, stop chan struct{}) (n int) {
	for rotation := 1; ; rotation++ {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			t.Error(err)
			return n
		}
		w := bufio.NewWriter(f)
		for range 200 {
			for range 20 {
				fmt.Fprintf(w, "line %d of a program that writes files\n", n)
				n++
			}
			if err := w.Flush(); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				f.Close()
				return n
			case <-time.After(2 * time.Millisecond):
			}
		}
		f.Close()
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, rotation)); err != nil {
			t.Error(err)
		}
	}
}
