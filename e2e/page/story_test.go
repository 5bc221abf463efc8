package page

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/syslane"
)

// many is how many messages the story has.
const many = 100_000

// line is one kind of message of the story, and how often it comes.
type line struct {
	often              int
	hosts              []string
	app                string
	facility, severity int
	text               func(*rand.Rand) string
}

// story is what a small fleet says within an hour.
var story = []line{
	{300, web, "nginx", 3, 6, func(r *rand.Rand) string {
		return fmt.Sprintf(`%s - - "GET %s HTTP/1.1" %d %d "-" "curl/8.5.0"`, address(r), pick(r, "/", "/login", "/api/orders", "/static/app.js", "/healthz"), 200, r.IntN(90000))
	}},
	{40, web, "nginx", 3, 4, func(r *rand.Rand) string {
		return fmt.Sprintf(`*%d upstream response is buffered to a temporary file while reading upstream, client: %s`, r.IntN(90000), address(r))
	}},
	{12, web, "nginx", 3, 3, func(r *rand.Rand) string {
		return fmt.Sprintf(`*%d connect() failed (111: Connection refused) while connecting to upstream, client: %s, upstream: "http://10.0.3.%d:8080"`, r.IntN(90000), address(r), 1+r.IntN(4))
	}},
	{90, all, "sshd", 10, 6, func(r *rand.Rand) string {
		return fmt.Sprintf("Accepted publickey for %s from %s port %d ssh2: ED25519 SHA256:%x", pick(r, "alice", "deploy", "backup"), address(r), 1024+r.IntN(60000), r.Uint64())
	}},
	{70, all, "sshd", 10, 5, func(r *rand.Rand) string {
		return fmt.Sprintf("Failed password for invalid user %s from 192.0.2.%d port %d ssh2", pick(r, "admin", "oracle", "test", "ubnt"), r.IntN(200), 1024+r.IntN(60000))
	}},
	{60, db, "postgres", 16, 6, func(r *rand.Rand) string {
		return fmt.Sprintf("checkpoint complete: wrote %d buffers (%.1f%%); write=%.3f s, sync=0.%03d s", r.IntN(9000), r.Float64()*9, r.Float64()*30, r.IntN(999))
	}},
	{10, db, "postgres", 16, 4, func(r *rand.Rand) string {
		return fmt.Sprintf("duration: %d.%03d ms  statement: SELECT * FROM orders WHERE customer = %d ORDER BY created", 1000+r.IntN(9000), r.IntN(999), r.IntN(99999))
	}},
	{3, db, "postgres", 16, 3, func(*rand.Rand) string { return "could not receive data from client: Connection reset by peer" }},
	{80, all, "CRON", 9, 6, func(r *rand.Rand) string {
		return fmt.Sprintf("(root) CMD (%s)", pick(r, "run-parts /etc/cron.hourly", "/usr/lib/sysstat/sa1 1 1", "test -x /usr/sbin/anacron"))
	}},
	{60, all, "systemd", 3, 6, func(r *rand.Rand) string {
		return pick(r, "Started Session 4711 of user deploy.", "logrotate.service: Deactivated successfully.", "Starting Daily apt download activities...")
	}},
	{25, all, "dhclient", 3, 7, func(r *rand.Rand) string { return fmt.Sprintf("XMT: Solicit on eth0, interval %d0ms.", r.IntN(12000)) }},
	{2, all, "kernel", 0, 4, func(r *rand.Rand) string {
		return fmt.Sprintf("[%d.%06d] TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies.", r.IntN(99999), r.IntN(999999))
	}},
	{1, []string{"db2"}, "kernel", 0, 2, func(r *rand.Rand) string {
		return fmt.Sprintf("blk_update_request: I/O error, dev sda, sector %d op 0x0:(READ)", r.IntN(1<<30))
	}},
}

var (
	web = []string{"web1", "web2", "web3", "web4"}
	db  = []string{"db1", "db2"}
	all = append(append([]string{"mail1", "bastion", "build7"}, web...), db...)
)

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func address(r *rand.Rand) string { return fmt.Sprintf("198.51.100.%d", r.IntN(255)) }

// rare is the text that stands in one message of the story.
const rare = "the needle of the story"

// tell sends the story, its messages spread over the last 50 minutes with a burst of
// errors in the middle, and waits until all are stored.
func tell(t testing.TB, n *syslane.Node, tcp string) {
	t.Helper()
	conn, err := net.Dial("tcp", tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w := bufio.NewWriterSize(conn, 256<<10)
	r := rand.New(rand.NewPCG(7, 11))
	var lines []line
	for _, l := range story {
		for range l.often {
			lines = append(lines, l)
		}
	}
	const over = 50 * time.Minute
	start := time.Now().Add(-over)
	for i := range many {
		at := start.Add(over * time.Duration(i) / many)
		l := pick(r, lines...)
		if share := float64(i) / many; share > 0.58 && share < 0.64 && r.IntN(3) == 0 {
			l = pick(r, story[2], story[2], story[7], story[12])
		}
		text := l.text(r)
		if i == many/2 {
			text = rare
		}
		send(w, l.facility*8+l.severity, at, pick(r, l.hosts...), l.app, text)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	await.Until(t, time.Minute, "the log to hold the story", func() error {
		m, err := n.Metrics()
		if err != nil {
			return err
		}
		if got := m.Sum("syslane_log_stored_messages_total"); got < many {
			return fmt.Errorf("%v are stored", got)
		}
		return nil
	})
}

// send writes one message with octet counting.
func send(w interface{ Write([]byte) (int, error) }, priority int, at time.Time, host, app, text string) {
	m := fmt.Sprintf("<%d>1 %s %s %s %d - - %s", priority, at.UTC().Format("2006-01-02T15:04:05.000000Z"), host, app, 700+len(app), text)
	fmt.Fprintf(w, "%d %s", len(m), m)
}
