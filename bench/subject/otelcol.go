package subject

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/syslane/syslane/bench/load"
)

// ErrNotBuilt is returned for a receiver that takes minutes to build.
var ErrNotBuilt = errors.New("it is not built: run make bench-otelcol")

// OTelCollector is bench/otelcol. Batches of its default size and the file in protobuf
// are the fastest it has; its own metrics are off.
func OTelCollector() Subject {
	return Subject{
		Name: "OpenTelemetry Collector", Most: 300_000, Stored: marksOut, Settle: 3 * otelFlush,
		Launch: func(s *Site) (*exec.Cmd, error) {
			program := filepath.Join(s.Tools.Dir, "otelcol")
			if _, err := os.Stat(program); err != nil {
				return nil, ErrNotBuilt
			}
			conf := filepath.Join(s.Dir, "otelcol.yaml")
			text := fmt.Sprintf(`receivers:
  syslog: {protocol: rfc5424, tcp: {listen_address: %q}}
processors:
  batch: {send_batch_size: 8192}
exporters:
  file: {path: %q, format: proto, flush_interval: %s}
service:
  telemetry: {logs: {level: warn}, metrics: {level: none}}
  pipelines:
    logs: {receivers: [syslog], processors: [batch], exporters: [file]}
`, s.In, filepath.Join(s.Dir, "out"), otelFlush)
			return exec.Command(program, "--config", conf), os.WriteFile(conf, []byte(text), 0o644)
		},
	}
}

const (
	// otelFlush is how long the collector keeps what it has not yet written.
	otelFlush = 200 * time.Millisecond
	// otelCopies is how often a record holds the text: in its body and as an attribute.
	otelCopies = 2
)

// marksOut counts the messages in the file out by their marks.
func marksOut(r *Running) (int, error) {
	f, err := os.Open(filepath.Join(r.Dir, "out"))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	marks, kept, buf := 0, 0, make([]byte, 1<<20)
	for {
		n, err := f.Read(buf[kept:])
		have := buf[:kept+n]
		marks += bytes.Count(have, []byte(load.Mark))
		if err == io.EOF {
			return marks / otelCopies, nil
		}
		if err != nil {
			return 0, err
		}
		// A mark may lie across the end: its beginning is too short to be counted twice.
		kept = copy(buf, have[max(0, len(have)-len(load.Mark)+1):])
	}
}
