package doctor

import (
	"fmt"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/syslane/syslane/internal/node"
)

// Finding is what looks wrong, and what to do about it.
type Finding struct{ What, Do string }

// Facts are what is judged; what is not known is left at its zero value.
type Facts struct {
	// Status and Metrics are those of the running process.
	Status  *node.Status
	Metrics map[string]*dto.MetricFamily
	// Unreachable is why they are not there.
	Unreachable error
	// Unmeasured is why only the metrics are not there.
	Unmeasured error
	// Others are the roles that run here besides, and were not looked at.
	Others []string
	// Config is what is wrong with the configuration.
	Config error
	// Version is that of this program.
	Version   string
	Processes []Process
	// DiskFree is the octets free where the log is, MaxSize how large it may get.
	DiskFree, MaxSize uint64
	// ReceiveMax is the kernel's net.core.rmem_max.
	ReceiveMax uint64
	Now        time.Time
}

// Judge says what looks wrong, the worst first.
func Judge(f *Facts) (list []Finding) {
	find := func(what, do string, args ...any) { list = append(list, Finding{fmt.Sprintf(what, args...), do}) }
	if f.Config != nil {
		find("The configuration has errors: %v", "Mend it before the next start; syslane check shows them with their lines.", f.Config)
	}
	switch {
	case f.Unreachable != nil && len(f.Processes) == 0:
		find("No Syslane runs here, or none that this user may see.", "systemctl status syslane-relay syslane-collector, and journalctl -u of the same, say why.")
	case f.Unreachable != nil:
		find("The HTTP address does not answer as it should: %v", "Give --server, and a token in SYSLANE_TOKEN or --token-file; what follows was judged without its numbers.", f.Unreachable)
	}
	if f.Unmeasured != nil {
		find("The metrics cannot be read: %v", "Give a token of the role admin in SYSLANE_TOKEN or --token-file; datagrams that the kernel drops, certificates and refused connections were not judged.", f.Unmeasured)
	}
	for _, role := range f.Others {
		find("A %s runs here as well, and was not looked at.", "Run this once more with --config and its file in /etc/syslane.", role)
	}
	if s := f.Status; s != nil {
		judgeStatus(s, f, find)
	}
	judgeMetrics(f, find)
	if s := f.Status; s != nil && f.DiskFree > 0 && uint64(s.Log.Octets)+f.DiskFree < f.MaxSize {
		find("The log may grow to %d MiB and has %d, but its disk has only %d free.", "Make room, or lower log.max_size: with less than log.min_free free the log is full.", f.MaxSize>>20, s.Log.Octets>>20, f.DiskFree>>20)
	}
	for _, p := range f.Processes {
		if p.MaxFiles > 0 && p.Files > p.MaxFiles*8/10 {
			find("Process %d has %d of at most %d files open.", "Raise LimitNOFILE= of the unit, or lower max_connections and max_open_files.", p.PID, p.Files, p.MaxFiles)
		}
	}
	return list
}

func judgeStatus(s *node.Status, f *Facts, find func(string, string, ...any)) {
	switch {
	case s.Log.DiskLow:
		find("The disk of the log is full.", "Make room, or have the log keep less: log.max_age, log.max_size. What is stored is not deleted for it.")
	case s.Log.Failing:
		find("The log takes no messages: the disk fails.", "See its own log for the disk's error, then dmesg. Senders with acknowledgements wait; datagrams are lost.")
	case s.Log.Full:
		find("The log is full.", "Bring the outputs that are down back, or raise log.max_size; syslane spool plan reckons how large it must be.")
	}
	for _, u := range s.Unclaimed {
		find("The log keeps %d messages for the output %q, which is not in the configuration, and all that comes, until it is full.",
			"Name an output so again, or stop the service and run, as its user: syslane spool drop-cursor OUTPUT --dir STATE.", u.Retained, u.Name)
	}
	if s.Log.Damaged > 0 {
		find("%d messages of the log are damaged on the disk.", "syslane spool verify shows where; the disk should be looked at. What is whole is delivered.", s.Log.Damaged)
	}
	for _, o := range s.Outputs {
		if !o.Up {
			find("The output %q takes nothing, %d messages wait: %s", "The error says what its destination, or the way there, lacks. Nothing is lost while the log has room.", o.Name, o.Retained, o.Error)
		}
		if o.DeadLettered > 0 {
			find("The output %q has refused %d messages for good.", "syslane deadletter list says why; when that is mended, syslane deadletter replay sends them again.", o.Name, o.DeadLettered)
		}
		if o.Dropped > 0 {
			find("The output %q has lost %d messages because the log was full (log.full = \"drop-oldest\").", "Make the log larger: syslane spool plan.", o.Name, o.Dropped)
		}
		if o.Damaged > 0 {
			find("The output %q has lost %d messages to damage on the disk.", "Look at the disk; syslane spool verify.", o.Name, o.Damaged)
		}
	}
	for _, in := range s.Inputs {
		if n := in.Counts["dropped_messages"]; n > 0 {
			find("The input %q has dropped %d messages.", "The metric syslane_input_dropped_messages_total has the reason.", in.Name, n)
		}
	}
	if s.Version != f.Version {
		find("The running process is version %s, this program %s.", "Restart the service if that is not meant to be so.", s.Version, f.Version)
	}
	if skew := s.Time.Sub(f.Now).Abs(); skew > time.Minute {
		find("Its clock and that of this machine are %s apart.", "A time service should run on both: times in searches are theirs.", skew.Round(time.Second))
	}
}

func judgeMetrics(f *Facts, find func(string, string, ...any)) {
	each := func(name string, do func(m *dto.Metric, value float64)) {
		for _, m := range f.Metrics[name].GetMetric() {
			do(m, m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	each("syslane_input_kernel_dropped_messages_total", func(m *dto.Metric, v float64) {
		if v > 0 {
			find("The kernel has dropped %.0f datagrams of %s: its buffer was full.", "Raise receive_buffer of the input, and net.core.rmem_max with it; more sockets help where one core is the limit.", v, labels(m))
		}
	})
	each("syslane_input_receive_buffer_octets", func(m *dto.Metric, v float64) {
		if f.ReceiveMax > 0 && v < 1<<20 {
			find("The receive buffer of %s is only %.0f octets, and net.core.rmem_max %d.", "sysctl -w net.core.rmem_max=16777216, and in /etc/sysctl.d.", labels(m), v, f.ReceiveMax)
		}
	})
	each("syslane_input_refused_connections_total", func(m *dto.Metric, v float64) {
		if v > 0 {
			find("%.0f connections were refused (%s).", "The reason names the limit or rule of the input.", v, labels(m))
		}
	})
	each("syslane_input_tls_handshake_failures_total", func(m *dto.Metric, v float64) {
		if v > 0 {
			find("%.0f TLS handshakes have failed (%s).", "Certificates, names in permitted_peers, or a client that speaks no TLS.", v, labels(m))
		}
	})
	each("syslane_output_target_up", func(m *dto.Metric, v float64) {
		if v == 0 {
			find("A target takes nothing (%s).", "Its log, and the way there, say why. The other targets of the output, where there are any, take its messages.", labels(m))
		}
	})
	each("syslane_alert_notifications_pending", func(m *dto.Metric, v float64) {
		if v > 0 {
			find("%.0f notices of alerts wait (%s).", "What is tried again, and why, is in its own log. Nobody has been told what they say.", v, labels(m))
		}
	})
	each("syslane_alert_missed_messages_total", func(_ *dto.Metric, v float64) {
		if v > 0 {
			find("%.0f messages were deleted before alerts had evaluated them, or are damaged.", "Alerts may not have fired: have the log keep more, log.max_size, or ask for less by their queries.", v)
		}
	})
	each("syslane_log_quarantined_files", func(_ *dto.Metric, v float64) {
		if v > 0 {
			find("%.0f damaged parts of the log are set aside as .bad files.", "Look at the disk. syslane spool verify; the files may be removed afterwards.", v)
		}
	})
	each("syslane_tls_reload_failing", func(m *dto.Metric, v float64) {
		if v > 0 {
			find("New certificates of %s cannot be used; the old ones are.", "Its own log says what is wrong with the files.", labels(m))
		}
	})
	each("syslane_tls_certificate_expiry_timestamp_seconds", func(m *dto.Metric, v float64) {
		if left := time.Unix(int64(v), 0).Sub(f.Now); v > 0 && left < 14*24*time.Hour {
			find("The certificate of %s expires in %s.", "Renew it: syslane cert --renew, or your authority. It is taken up without a restart.", labels(m), left.Round(time.Hour))
		}
	})
}

func labels(m *dto.Metric) string {
	var list []string
	for _, l := range m.GetLabel() {
		list = append(list, l.GetName()+" "+l.GetValue())
	}
	return strings.Join(list, ", ")
}

// Text writes findings for people.
func Text(list []Finding) string {
	if len(list) == 0 {
		return "Nothing looks wrong.\n"
	}
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "- %s\n  %s\n", f.What, f.Do)
	}
	return b.String()
}
