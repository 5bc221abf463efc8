package udp

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/activation"
)

// refuse opens an input in the place of another, as a reload does, and gives it up again.
func refuse(t *testing.T, in *Input, cfg Config) {
	t.Helper()
	for _, s := range in.Sockets() {
		release, err := activation.Keep(s)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	cfg.Name, cfg.Listen, cfg.Logger = in.Name(), in.Addr().String(), inputtest.Logger(t)
	next, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Listen(); err != nil {
		t.Fatal(err)
	}
	next.Retire()
	ended, end := context.WithCancel(t.Context())
	end()
	s := &inputtest.Sink{}
	if err := next.Run(ended, s); err != nil {
		t.Error(err)
	}
	if got := s.Texts(); len(got) > 0 {
		t.Errorf("the input that does not run got %q", got)
	}
}

func TestAnInputThatWasOpenedAndNotRunLeavesDatagramsToTheOneBefore(t *testing.T) {
	in, err := New(Config{Name: "udp-test", Listen: "127.0.0.1:0", Logger: inputtest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		t.Fatal(err)
	}
	send(t, dial(t, in), "<13>one")
	refuse(t, in, Config{})
	s := &inputtest.Sink{}
	inputtest.Run(t, in, s)
	inputtest.Eventually(t, "the message", func() bool { return s.Has("<13>one") })
}

func TestAnInputThatWasOpenedAndNotRunLeavesBufferAndCountsToTheOneBefore(t *testing.T) {
	s := &inputtest.Sink{Gate: make(chan struct{})}
	reg := prometheus.NewRegistry()
	const size = 8 << 10
	in, stop := start(t, Config{ReceiveBuffer: size, SocketMetrics: reg}, s)
	granted := func() float64 { return inputtest.Metric(t, reg, "syslane_input_receive_buffer_octets", "") }
	inputtest.Eventually(t, "the input to run", func() bool { return granted() == size })
	refuse(t, in, Config{ReceiveBuffer: 2 * size})
	if granted() != size {
		t.Errorf("the buffer is told to have %v octets, want %d", granted(), size)
	}
	// The kernel reports twice the size.
	if err := in.sockets[0].conn.Control(func(fd uintptr) {
		if got, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF); got != 2*size || err != nil {
			t.Errorf("the buffer has %d octets, want %d: %v", got/2, size, err)
		}
	}); err != nil {
		t.Error(err)
	}
	c := dial(t, in)
	// more than the batches that may wait can hold
	const n = 1000
	for range n {
		send(t, c, strings.Repeat("x", 60_000))
	}
	close(s.Gate)
	dropped := func() int { return int(inputtest.Metric(t, reg, "syslane_input_kernel_dropped_messages_total", "")) }
	inputtest.Eventually(t, "received + dropped = sent", func() bool { return s.Count()+dropped() == n })
	if dropped() == 0 {
		t.Error("nothing was dropped")
	}
	stop()
}

func TestWhatTheKernelDroppedBeforeAReloadIsNotToldAgain(t *testing.T) {
	open := func(listen string, logger zerolog.Logger) *Input {
		in, err := New(Config{Name: "udp-test", Listen: listen, ReceiveBuffer: 8 << 10, Logger: logger})
		if err == nil {
			err = in.Listen()
		}
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	before := open("127.0.0.1:0", inputtest.Logger(t))
	defer before.close()
	c := dial(t, before)
	inputtest.Eventually(t, "a datagram to be dropped", func() bool {
		send(t, c, "<13>one") // nobody reads
		return before.sockets[0].drops.total() > 0
	})
	// as a reload does
	release, err := activation.Keep(before.Sockets()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	var told bytes.Buffer
	s := &inputtest.Sink{}
	stop := inputtest.Run(t, open(before.Addr().String(), zerolog.New(&told)), s)
	inputtest.Eventually(t, "the input to run", func() bool { return s.Has("<13>one") })
	stop()
	if strings.Contains(told.String(), "dropped datagrams") {
		t.Errorf("it says %s", &told)
	}
}
