package node

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/config"
)

func TestARefusedReloadDoesNotStopTheCountOfDatagramsThatTheKernelDrops(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := pc.LocalAddr().String()
	pc.Close()
	text := fmt.Sprintf("[[input]]\ntype = \"udp\"\nlisten = %q\n", address)
	old, err := load(t, text, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(Role{Name: "collector", KeepDelivered: true}, old)
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f, err := config.Parse("test.toml", fmt.Appendf(nil, "%sreceive_buffer = \"1MiB\"\n[[input]]\ntype = \"tcp\"\nlisten = %q\n", text, taken.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(f, old.options, old.registry)
	if err != nil {
		t.Fatal(err)
	}
	d := p.compare(old, old, n.sendings(), n.watched)
	if _, err := n.prepare(old, p, &d); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Fatalf("the reload is not refused: %v", err)
	}

	// Nobody reads: the node does not run.
	c := inputtest.Dial(t, "udp", address)
	inputtest.Eventually(t, "a datagram to be dropped and counted", func() bool {
		if _, err := c.Write(make([]byte, 60_000)); err != nil {
			t.Fatal(err)
		}
		return inputtest.Metric(t, old.registry, "syslane_input_kernel_dropped_messages_total", "udp") > 0
	})
}
