package journal

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// limit is how long anything may take.
const limit = 2 * time.Minute

func TestMain(m *testing.M) { syslane.Main(m) }

// boot is when the journals of the tests begin.
var boot = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const bootID = "1bd5ac1a4a494d4c9d0b4ec19f9ba1de"

// collector starts a collector with one journal input; more is added to its table.
func collector(t testing.TB, more string) (n *syslane.Node, addr string) {
	t.Helper()
	addr = proc.FreeAddr(t)
	return syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"journal\"\nlisten = %q\n%s\n", addr, more)), addr
}

// header is how each entry begins that journald keeps: seconds after the boot.
func header(number int) string {
	us := int64(number) * 1000
	return fmt.Sprintf("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", boot.UnixMicro()+us, 1000+us, bootID)
}

// entries writes numbered entries, of which a journal holds some 90,000 before it
// is rotated.
func entries(from, to int) io.Reader {
	r, w := io.Pipe()
	go func() {
		for i := from; i < to; i++ {
			fmt.Fprintf(w, "%s_HOSTNAME=web1\nSYSLOG_IDENTIFIER=app\nPRIORITY=6\nNUMBER=%d\nMESSAGE=entry %d %0*d\n\n", header(i), i, i, 100+i%800, 0)
		}
		w.Close()
	}()
	return r
}

// numbers counts how often each numbered entry is in the log. Those in bare were sent
// without their message, and may be there without it.
func numbers(t testing.TB, n *syslane.Node, bare map[int]bool) map[int]int {
	t.Helper()
	seen := make(map[int]int)
	n.Each(t, func(b []byte) error {
		var d document
		if err := json.Unmarshal(b, &d); err != nil {
			return err
		}
		words := strings.Fields(d.Message)
		field, _ := d.Log.Syslog.StructuredData["journal@32473"]["NUMBER"].(string)
		if number, err := strconv.Atoi(field); err == nil && len(words) == 0 && bare[number] {
			seen[number]++
			return nil
		}
		if len(words) != 3 {
			return fmt.Errorf("an event without a numbered message: %s", b)
		}
		number, err := strconv.Atoi(words[1])
		if want := 100 + number%800; err != nil || len(words[2]) != want {
			return fmt.Errorf("message %q: %v", d.Message, err)
		}
		seen[number]++
		return nil
	})
	return seen
}

// exactlyOnce fails where not each of the entries up to n is there once.
func exactlyOnce(t testing.TB, seen map[int]int, n int) {
	t.Helper()
	missing, doubled := 0, 0
	for i := range n {
		switch seen[i] {
		case 0:
			missing++
		case 1:
		default:
			doubled++
		}
	}
	if missing > 0 || doubled > 0 || len(seen) != n {
		t.Errorf("of %d entries %d are missing and %d doubled; %d different ones are there", n, missing, doubled, len(seen))
	}
}

// document is what the tests look at of an event.
type document struct {
	Timestamp time.Time `json:"@timestamp"`
	Message   string
	Host      struct{ Hostname string }
	Log       struct {
		Level  string
		Syslog struct {
			Appname        string
			Procid         string
			Msgid          string
			Facility       struct{ Code int }
			Severity       struct{ Code int }
			StructuredData map[string]map[string]any `json:"structured_data"`
		}
	}
	raw string
}

func documents(t testing.TB, n *syslane.Node) []document {
	t.Helper()
	var all []document
	n.Each(t, func(b []byte) error {
		d := document{raw: string(b)}
		if err := json.Unmarshal(b, &d); err != nil {
			return err
		}
		all = append(all, d)
		return nil
	})
	return all
}

func binaryField(name, value string) string {
	return name + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + value + "\n"
}

func TestEveryFieldOfAJournalArrives(t *testing.T) {
	n, addr := collector(t, "")
	j := peers.NewJournal(t)
	message := "first line\n\tsecond \"line\" [x] \\ \x1b[31mGrüße\x00"
	j.Write(t, "system", strings.NewReader(header(1)+"_SOURCE_REALTIME_TIMESTAMP="+fmt.Sprint(boot.UnixMicro()+7)+"\n"+
		"_HOSTNAME=web1\nSYSLOG_IDENTIFIER=sshd\n_COMM=sshd-session\n_PID=812\nPRIORITY=3\nSYSLOG_FACILITY=4\n"+
		"MESSAGE_ID=8d45620c1a4348dbb17410da57c60c66\nREPEATED=one\nREPEATED=two\n"+binaryField("RAW", "\x00\xff\n")+
		"A_NAME_THAT_IS_LONGER_THAN_AN_SD_NAME_MAY_BE=x]y\n"+binaryField("MESSAGE", message)+"\n"))
	if err := j.Upload(t, "http://"+addr).Wait(limit); err != nil {
		t.Fatal(err)
	}
	all := documents(t, n)
	if len(all) != 1 {
		t.Fatalf("%d events", len(all))
	}
	d := all[0]
	s := d.Log.Syslog
	if d.Message != message {
		t.Errorf("message %q", d.Message)
	}
	got := fmt.Sprint(d.Host.Hostname, " ", s.Appname, " ", s.Procid, " ", s.Msgid, " ", s.Facility.Code, " ", s.Severity.Code, " ", d.Timestamp.Format(time.RFC3339Nano))
	if want := "web1 sshd 812 8d45620c1a4348dbb17410da57c60c66 4 3 2026-03-04T05:06:07.000007Z"; got != want {
		t.Errorf("header %s, want %s, in %s", got, want, d.raw)
	}
	fields := s.StructuredData["journal@32473"]
	for name, want := range map[string]string{
		"_COMM": "sshd-session", "_PID": "812", "PRIORITY": "3", "_BOOT_ID": bootID,
		"__REALTIME_TIMESTAMP": fmt.Sprint(boot.UnixMicro() + 1000),
	} {
		if fields[name] != want {
			t.Errorf("%s is %v, want %q", name, fields[name], want)
		}
	}
	// The journal gives repeats in an order of its own.
	if r := fmt.Sprint(fields["REPEATED"]); r != "[one two]" && r != "[two one]" {
		t.Errorf("REPEATED is %s", r)
	}
	if c := fmt.Sprint(fields["__CURSOR"]); !strings.HasPrefix(c, "s=") || !strings.Contains(c, "b="+bootID) {
		t.Errorf("__CURSOR is %s", c)
	}
	if v := s.StructuredData["journalBinary@32473"]["RAW"]; v != "AP8K" {
		t.Errorf("RAW is %v", v)
	}
	if v := s.StructuredData["journalField@32473"]; v["name"] != "A_NAME_THAT_IS_LONGER_THAN_AN_SD_NAME_MAY_BE" || v["value"] != "x]y" {
		t.Errorf("the long name came as %v", v)
	}
}

func TestAJournalIsUploadedOverMutualTLS(t *testing.T) {
	ca := peers.NewCA(t)
	serverCert, serverKey := ca.Issue(t, "collector.example.net")
	n, addr := collector(t, fmt.Sprintf("[input.tls]\ncert_file = %q\nkey_file = %q\nca_file = %q\npermitted_peers = [\"*.example.net\"]", serverCert, serverKey, ca.File))
	j := peers.NewJournal(t)
	j.Write(t, "system", entries(0, 100))

	stranger := peers.NewCA(t)
	strangerCert, strangerKey := stranger.Issue(t, "web2.example.net")
	if err := j.Upload(t, "https://"+addr, peers.ClientTLS(ca.File, strangerCert, strangerKey)...).Wait(limit); err == nil {
		t.Error("a client with another authority's certificate was let in")
	}
	cert, key := ca.Issue(t, "web1.example.net")
	if err := j.Upload(t, "https://"+addr, peers.ClientTLS(ca.File, cert, key)...).Wait(limit); err != nil {
		t.Fatal(err)
	}
	exactlyOnce(t, numbers(t, n, nil), 100)
	for _, d := range documents(t, n) {
		if !strings.Contains(d.raw, "web1.example.net") {
			t.Fatalf("the client's identity is not on %s", d.raw)
		}
	}
}

// An upload that was not acknowledged is repeated from its beginning.
func TestEntriesSentAgainAfterTheCollectorWasKilledAreStoredOnce(t *testing.T) {
	const many = 60_000
	n, addr := collector(t, "")
	j := peers.NewJournal(t)
	j.Write(t, "system", entries(0, many/2))
	j.Write(t, "user-1000", entries(many/2, many)) // a journal with numbers of its own
	kills := 0
	for {
		upload := j.Upload(t, "http://"+addr)
		if kills < 4 {
			after := 1 + rand.IntN(many/8)
			err := await.Nil(limit, func() error {
				if err := upload.Exited(); err != nil {
					return await.Hopeless(err)
				}
				m, err := n.Metrics()
				if err == nil && m.Sum("syslane_input_stored_messages_total") < float64(after) {
					err = fmt.Errorf("fewer than %d entries are stored", after)
				}
				return err
			})
			if err == nil {
				n.Kill()
				kills++
				if err := upload.Wait(limit); err == nil {
					t.Log("the upload was complete before the collector was killed")
				}
				n.Restart(t)
				continue
			}
		}
		if err := upload.Wait(limit); err != nil {
			t.Fatalf("%v\n%s", err, upload.Tail())
		}
		break
	}
	exactlyOnce(t, numbers(t, n, nil), many)
	n.Balance(t)
	m, err := n.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if kills > 0 && m.Sum("syslane_input_redelivered_messages_total") == 0 {
		t.Error("nothing was sent again: the test has shown nothing")
	}

	// A client that has lost its state sends all once more.
	j.Forget(t)
	if err := j.Upload(t, "http://"+addr).Wait(limit); err != nil {
		t.Fatal(err)
	}
	exactlyOnce(t, numbers(t, n, nil), many)
}

// overheard is a proxy that knows which entries of an upload have no message.
// systemd 252 shows an entry before the values in it are linked, and passes over one
// that is just being linked: of a few million entries that are read while they are
// written one has no message, or another field is missing.
type overheard struct {
	*httptest.Server
	mu   sync.Mutex
	bare map[int]bool
}

func overhear(t *testing.T, collector string) *overheard {
	target, err := url.Parse(collector)
	if err != nil {
		t.Fatal(err)
	}
	o := &overheard{bare: make(map[int]bool)}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pipe, to := io.Pipe()
		defer to.Close()
		go o.listen(pipe)
		r.Body = io.NopCloser(io.TeeReader(r.Body, to))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(o.CloseClientConnections)
	return o
}

// listen reads entries all of whose fields are text.
func (o *overheard) listen(r io.Reader) {
	number, message := "", false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		switch line := lines.Text(); {
		case line == "":
			if n, err := strconv.Atoi(number); err == nil && !message {
				o.mu.Lock()
				o.bare[n] = true
				o.mu.Unlock()
			}
			number, message = "", false
		case strings.HasPrefix(line, "MESSAGE="):
			message = true
		default:
			if n, ok := strings.CutPrefix(line, "NUMBER="); ok {
				number = n
			}
		}
	}
}

func TestARotationWhileAJournalIsFollowedLosesAndDoublesNothing(t *testing.T) {
	const many = 200_000
	n, addr := collector(t, "")
	j := peers.NewJournal(t)
	j.Write(t, "system", entries(0, 1000))
	proxy := overhear(t, "http://"+addr)
	upload := j.Follow(t, proxy.URL)
	for at := 1000; at < many; at += 50_000 {
		to := min(at+50_000, many)
		j.Write(t, "system", entries(at, to))
	}
	if files := j.Files(t); len(files) < 2 {
		t.Errorf("the journal was not rotated: %q", files)
	}
	await.Until(t, limit, "every entry to be stored", func() error {
		// systemd-journal-upload can meet the end of a file that is just being
		// rotated ("Failed to get cursor"), and exits; its service starts it again.
		if err := upload.Exited(); err != nil {
			t.Logf("the client is started again: %v\n%s", err, upload.Tail())
			upload = j.Follow(t, proxy.URL)
		}
		m, err := n.Metrics()
		if stored := m.Sum("syslane_input_stored_messages_total"); err == nil && stored < many {
			err = fmt.Errorf("%.0f of %d are", stored, many)
		}
		return err
	})
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if len(proxy.bare) > 0 {
		t.Logf("the client has sent entries without their message: %v", proxy.bare)
	}
	exactlyOnce(t, numbers(t, n, proxy.bare), many)
}
