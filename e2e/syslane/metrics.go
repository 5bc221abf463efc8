package syslane

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/syslane/syslane/e2e/await"
)

// Metrics is what /metrics answered at one moment: the samples of each metric.
type Metrics map[string][]sample

// sample is one line of /metrics.
type sample struct {
	labels map[string]string
	value  float64
}

// Metrics reads the node's metrics.
func (n *Node) Metrics() (Metrics, error) {
	if err := n.Exited(); err != nil {
		return nil, await.Hopeless(fmt.Errorf("%w\n%s", err, n.Tail()))
	}
	resp, err := n.client.Get("http://" + n.HTTP + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s's /metrics: %s", n.Role, resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s's /metrics: %w", n.Role, err)
	}
	m := make(Metrics, len(families))
	for name, family := range families {
		for _, line := range family.GetMetric() {
			s := sample{labels: map[string]string{}}
			for _, l := range line.GetLabel() {
				s.labels[l.GetName()] = l.GetValue()
			}
			s.value = line.GetCounter().GetValue() + line.GetGauge().GetValue() + line.GetUntyped().GetValue()
			m[name] = append(m[name], s)
		}
	}
	return m, nil
}

// inputAccount are the counters of an input: what it received, and what became of it.
var inputAccount = []string{"received", "stored", "redelivered", "suppressed", "filtered", "limited", "dropped"}

// Sum adds up the samples of a metric whose labels have all the given values
// ("output", "elasticsearch"); 0 where there are none.
func (m Metrics) Sum(name string, labels ...string) float64 {
	var sum float64
	for _, s := range m[name] {
		matches := true
		for i := 0; i < len(labels); i += 2 {
			matches = matches && s.labels[labels[i]] == labels[i+1]
		}
		if matches {
			sum += s.value
		}
	}
	return sum
}

// Values returns the values that a label of a metric has, sorted.
func (m Metrics) Values(name, label string) []string {
	var values []string
	for _, s := range m[name] {
		values = append(values, s.labels[label])
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// WaitFor waits until the sum of a metric has reached at least want. Where it
// does not, the test has failed but goes on, to tell what is missing.
func (n *Node) WaitFor(t testing.TB, limit time.Duration, want float64, name string, labels ...string) {
	t.Helper()
	err := await.Nil(limit, func() error {
		m, err := n.Metrics()
		if err != nil {
			return err
		}
		if got := m.Sum(name, labels...); got < want {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
	if err != nil {
		t.Errorf("waited in vain for %s's %s%v to reach %v: %v", n.Role, name, labels, want, err)
	}
}

// Balance checks that every message of the node is accounted for. For each input,
// of what this process received:
//
//	received = stored + redelivered + suppressed + filtered + limited + dropped
//
// and for each output, of what the log has stored since the output exists:
//
//	routed = delivered + dead-lettered + dropped + skipped + retained
//
// Nothing may be under way when it is called, but for a moment.
func (n *Node) Balance(t testing.TB) {
	t.Helper()
	var m Metrics
	err := await.Nil(time.Minute, func() (err error) {
		if m, err = n.Metrics(); err != nil {
			return err
		}
		return m.balance()
	})
	if err != nil {
		t.Errorf("%s's account does not balance: %v", n.Role, err)
		return
	}
	t.Logf("%s's account: %s", n.Role, m.account())
}

func (m Metrics) balance() error {
	inputs := m.Values("syslane_input_received_messages_total", "input")
	outputs := m.Values("syslane_output_routed_messages_total", "output")
	var errs []error
	for _, in := range inputs {
		of := func(what string) float64 { return m.Sum("syslane_input_"+what+"_messages_total", "input", in) }
		var rest float64
		for _, what := range inputAccount[1:] {
			rest += of(what)
		}
		if received := of("received"); received != rest {
			errs = append(errs, fmt.Errorf("input %s: received %v, stored + redelivered + suppressed + filtered + limited + dropped %v", in, received, rest))
		}
	}
	for _, out := range outputs {
		of := func(what string) float64 { return m.Sum("syslane_output_"+what, "output", out) }
		routed := of("routed_messages_total")
		rest := of("delivered_messages_total") + of("dead_lettered_messages_total") + of("dropped_messages_total") + of("skipped_messages_total") + of("retained_messages")
		if routed != rest {
			errs = append(errs, fmt.Errorf("output %s: routed %v, delivered + dead-lettered + dropped + skipped + retained %v", out, routed, rest))
		}
	}
	if len(inputs)+len(outputs) == 0 {
		errs = append(errs, errors.New("there is nothing in the account"))
	}
	return errors.Join(errs...)
}

// account is the balance in words, for the log of the test.
func (m Metrics) account() string {
	var b strings.Builder
	for _, in := range m.Values("syslane_input_received_messages_total", "input") {
		fmt.Fprintf(&b, "[input %s:", in)
		for _, what := range inputAccount {
			fmt.Fprintf(&b, " %s %v", what, m.Sum("syslane_input_"+what+"_messages_total", "input", in))
		}
		b.WriteString("] ")
	}
	for _, out := range m.Values("syslane_output_routed_messages_total", "output") {
		fmt.Fprintf(&b, "[output %s:", out)
		for _, what := range []string{"routed_messages_total", "delivered_messages_total", "dead_lettered_messages_total", "dropped_messages_total", "skipped_messages_total", "retained_messages"} {
			fmt.Fprintf(&b, " %s %v", strings.TrimSuffix(strings.TrimSuffix(what, "_total"), "_messages"), m.Sum("syslane_output_"+what, "output", out))
		}
		b.WriteString("] ")
	}
	fmt.Fprintf(&b, "[log: stored %v]", m.Sum("syslane_log_stored_messages_total"))
	return b.String()
}

// WaitUntilDrained waits until every output has taken everything in the log.
func (n *Node) WaitUntilDrained(t testing.TB, limit time.Duration) {
	t.Helper()
	err := await.Nil(limit, func() error {
		m, err := n.Metrics()
		if err != nil {
			return err
		}
		if held := m.Sum("syslane_output_retained_messages"); held > 0 {
			return fmt.Errorf("%v messages are left", held)
		}
		return nil
	})
	if err != nil {
		t.Errorf("waited in vain for %s's outputs to take everything: %v", n.Role, err)
	}
}
