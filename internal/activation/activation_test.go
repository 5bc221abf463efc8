package activation

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asked is what the process that has been passed sockets looks for.
const asked = "ACTIVATION_TEST_ASKED"

func TestMain(m *testing.M) {
	if addresses, ok := os.LookupEnv(asked); ok {
		answer(strings.Fields(addresses))
		return
	}
	os.Exit(m.Run())
}

// answer prints what of the addresses was passed, twice, for an input may be opened
// again, and what nobody asked for.
func answer(addresses []string) {
	for range 2 {
		for _, a := range addresses {
			l, err := TCP(a)
			if err != nil {
				fmt.Println(err)
			}
			conns, _, err := UDP(a)
			if err != nil {
				fmt.Println(err)
			}
			fmt.Printf("%s: tcp %t, udp %d\n", a, l != nil, len(conns))
			if l != nil {
				l.Close()
			}
			closeConns(conns)
		}
	}
	fmt.Println("untaken:", Untaken())
}

func closeConns(conns []*net.UDPConn) {
	for _, c := range conns {
		c.Close()
	}
}

// pass runs this program with files as systemd passes them, and returns what it says.
func pass(t *testing.T, addresses string, files ...*os.File) string {
	t.Helper()
	// The shell has the process id that the program keeps.
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d exec "$0"`, len(files)), os.Args[0])
	cmd.Env = append(os.Environ(), asked+"="+addresses)
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestSocketsAreKnownByTheirAddress(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	every, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer every.Close()
	unixPath := filepath.Join(t.TempDir(), "log")
	unix, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: unixPath, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	var files []*os.File
	for _, s := range []interface{ File() (*os.File, error) }{tcp.(*net.TCPListener), every, unix} {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	null, err := os.Open(os.DevNull) // no socket
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	tcpPort, udpPort := tcp.Addr().(*net.TCPAddr).Port, every.LocalAddr().(*net.UDPAddr).Port

	f := func(address, want string) {
		t.Helper()
		if got := pass(t, address, append(files, null)...); strings.Count(got, want) != 2 {
			t.Errorf("%s: it says %q, want %q, twice", address, got, want)
		}
	}
	f(fmt.Sprintf("127.0.0.1:%d", tcpPort), "tcp true, udp 0")
	f(fmt.Sprintf("localhost:%d", tcpPort), "tcp true, udp 0")
	f(fmt.Sprintf("127.0.0.2:%d", tcpPort), "tcp false, udp 0")
	f(fmt.Sprintf(":%d", tcpPort), "tcp false, udp 0")
	f(fmt.Sprintf(":%d", udpPort), "tcp false, udp 1")
	f(fmt.Sprintf("[::]:%d", udpPort), "tcp false, udp 1")
	f(fmt.Sprintf("127.0.0.1:%d", udpPort), "tcp false, udp 0")

	got := pass(t, fmt.Sprintf("127.0.0.1:%d", tcpPort), files...)
	if want := fmt.Sprintf("untaken: [ListenDatagram=[::]:%d ListenDatagram=%s]", udpPort, unixPath); !strings.Contains(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
}

func TestSocketsPassedToAnotherProcessAreNotTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()+1))
	t.Setenv("LISTEN_FDS", "1000")
	if got, err := TCP(l.Addr().String()); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if got := Untaken(); got != nil {
		t.Errorf("untaken %v", got)
	}
}
