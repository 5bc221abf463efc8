package relp

import (
	"encoding/hex"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

func TestTheExampleInTheSpecificationIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/LINK.md")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for _, line := range regexp.MustCompile(`(?m)^    \d\d  ([0-9a-f ]+)$`).FindAllStringSubmatch(string(text), -1) {
		example.WriteString(strings.ReplaceAll(line[1], " ", ""))
	}
	e := syslog.Event{ID: syslog.MakeID(time.Unix(1_700_000_000, 0), [4]byte{0x5f, 0x0c, 1, 2}, 1), Input: "udp",
		Source: netip.MustParseAddrPort("192.0.2.7:514")}
	e.Raw, e.Facility, e.Severity, e.Timestamp = []byte("<13>x"), syslog.User, syslog.Notice, syslog.NoTimestamp
	e.Warnings = syslog.WarnNoTimestamp | syslog.WarnNoHostname
	e.Text = syslog.Span{Start: 4, End: 5}
	data := encode(t, CodecNone, Batch{First: 7, Next: 8, Count: 1, Records: syslog.AppendRecord(nil, &e)})
	if got := hex.EncodeToString(data); got != example.String() {
		t.Errorf("the batch is\n%s, docs/LINK.md says\n%s", got, example.String())
	}
}
