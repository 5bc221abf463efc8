package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

const (
	// many is how many messages each of the tests of this package sends.
	many = 100_000
	// atOnce is a rate at which loggen sends as fast as it is taken.
	atOnce = 1_000_000
	// udpRate is a rate, in messages a second, at which the kernel's buffers do
	// not overflow on a busy machine of two cores.
	udpRate = 10_000
	// arrival is how long many messages may take to get anywhere.
	arrival = 3 * time.Minute
)

// line is rsyslogd → relay → collector → log and Elasticsearch, without rsyslogd.
type line struct {
	relay, collector *syslane.Node
	elastic          *peers.Elastic
	destination
}

// destination is where a collector writes in Elasticsearch.
type destination struct {
	// index is the name of the index or data stream.
	index  string
	stream bool
	config string
}

func dataStream(name string) destination {
	// A hyphen parts the words of a data stream's name and can be in none of them.
	dataset := "syslane." + strings.ReplaceAll(name, "-", "_")
	return destination{
		index: "logs-" + dataset + "-e2e", stream: true,
		config: fmt.Sprintf("mode = \"data_stream\"\ndata_stream = { dataset = %q, namespace = \"e2e\" }", dataset),
	}
}

func plainIndex(name string) destination {
	return destination{index: "syslane-" + name, config: fmt.Sprintf("mode = \"index\"\nindex = %q", "syslane-"+name)}
}

// startLine starts a collector and a relay with the inputs that relayInputs says.
func startLine(t *testing.T, to destination, relayInputs string) *line {
	t.Helper()
	l := &line{elastic: elasticsearch(t), destination: to}
	link := proc.FreeAddr(t)
	l.collector = syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "relp"
name = "relays"
listen = %q
[[output]]
type = "elasticsearch"
name = "elasticsearch"
hosts = [%q]
%s
`, link, l.elastic.URL, to.config))
	l.relay = syslane.Start(t, "relay", fmt.Sprintf(`
%s
[[output]]
type = "relp"
name = "collector"
targets = [%q]
`, relayInputs, link))
	return l
}

// settle waits until count events are in the collector's log and none is on the
// way to Elasticsearch.
func (l *line) settle(t *testing.T, count int) {
	t.Helper()
	l.collector.WaitFor(t, arrival, float64(count), "syslane_log_stored_messages_total")
	l.collector.WaitFor(t, arrival, float64(count), "syslane_output_delivered_messages_total", "output", "elasticsearch")
}

// inLog checks what is in the collector's log.
func (l *line) inLog(t *testing.T, set numbered.Set, form numbered.Form) *numbered.Checker {
	t.Helper()
	c := numbered.NewChecker(set, form)
	l.collector.Each(t, c.Add)
	return c
}

// inElasticsearch checks what is in Elasticsearch, where a document must also
// have the event id for its _id. That the index is of the kind wanted shows that
// the template was there before the first document.
func (l *line) inElasticsearch(t *testing.T, set numbered.Set, form numbered.Form) *numbered.Checker {
	t.Helper()
	if stream, err := l.elastic.IsDataStream(l.index); err != nil {
		t.Error(err)
	} else if stream != l.stream {
		t.Errorf("%s is a data stream: %v, want %v", l.index, stream, l.stream)
	}
	c := numbered.NewChecker(set, form)
	err := l.elastic.Each(l.index, func(id string, source json.RawMessage) error {
		if d, err := numbered.Decode(source); err == nil && d.Event.ID != id {
			t.Fatalf("the document with event.id %q has the _id %q", d.Event.ID, id)
		}
		return c.Add(source)
	})
	if err != nil {
		t.Error(err)
	}
	return c
}

func TestMessagesOfRsyslogArriveExactlyOnceByEveryWayInEveryForm(t *testing.T) {
	ca := peers.NewCA(t)
	serverCert, serverKey := ca.Issue(t, "relay.example.org")
	clientCert, clientKey := ca.Issue(t, "host.example.org")

	f := func(name string, to func(string) destination, input string, form numbered.Form, more string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			listen := proc.FreeAddr(t)
			conf := peers.RsyslogConfig{}
			inputs := fmt.Sprintf("[[input]]\ntype = %q\nname = \"hosts\"\nlisten = %q\n", input, listen)
			protocol, rate := "tcp", atOnce
			switch input {
			case "udp":
				protocol, rate = "udp", udpRate
			case "tls":
				inputs += fmt.Sprintf("[input.tls]\ncert_file = %q\nkey_file = %q\nca_file = %q\n", serverCert, serverKey, ca.File)
				conf.Global = fmt.Sprintf("DefaultNetstreamDriverCAFile=%q DefaultNetstreamDriverCertFile=%q DefaultNetstreamDriverKeyFile=%q",
					ca.File, clientCert, clientKey)
				more += ` StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="relay.example.org"`
			}
			template := map[numbered.Form]string{
				numbered.RFC5424:    "RSYSLOG_SyslogProtocol23Format",
				numbered.RFC3164ISO: "RSYSLOG_ForwardFormat",
				numbered.RFC3164:    "RSYSLOG_TraditionalForwardFormat",
			}[form]
			conf.Actions = peers.Forward(protocol, listen, fmt.Sprintf("template=%q %s", template, more))

			l := startLine(t, to(name), inputs)
			rsyslog := peers.StartRsyslog(t, conf)
			set := numbered.New(many)
			peers.StartLoggen(t, rsyslog.Input, set.Lines(), rate)

			l.settle(t, many)
			if err := l.inLog(t, set, form).ExactlyOnce(); err != nil {
				t.Errorf("in the log: %v", err)
			}
			if err := l.inElasticsearch(t, set, form).ExactlyOnce(); err != nil {
				t.Errorf("in Elasticsearch: %v", err)
			}
			l.relay.Balance(t)
			l.collector.Balance(t)
			l.relay.Shutdown(t)
			l.collector.Shutdown(t)
		})
	}

	f("udp-5424", dataStream, "udp", numbered.RFC5424, "")
	f("udp-3164", dataStream, "udp", numbered.RFC3164, "")
	f("tcp-5424-octet-counted", dataStream, "tcp", numbered.RFC5424, `TCP_Framing="octet-counted"`)
	f("tcp-5424-lf", plainIndex, "tcp", numbered.RFC5424, "")
	f("tcp-3164", dataStream, "tcp", numbered.RFC3164, "")
	f("tcp-3164-iso-timestamp", plainIndex, "tcp", numbered.RFC3164ISO, "")
	f("tls-5424-octet-counted-openssl", dataStream, "tls", numbered.RFC5424, `TCP_Framing="octet-counted" StreamDriver="ossl"`)
	f("tls-3164-gnutls", dataStream, "tls", numbered.RFC3164, `StreamDriver="gtls"`)
}
