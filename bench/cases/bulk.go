package cases

import "github.com/syslane/syslane/bench/subject"

// bulkMessages is how many become documents.
const bulkMessages = 600_000

func bulk() Case {
	return Case{
		Name: "bulk", Title: "TCP → (durable log →) Elasticsearch bulk, 10 connections",
		Subjects: []subject.Subject{
			subject.Syslane("syslane", subject.SyslaneConfig{Role: "collector", Input: "tcp", Output: "elasticsearch"}),
			subject.Rsyslog("rsyslog, 2 workers", false, subject.RsyslogConfig{
				Input: subject.RsyslogTCP, Queue: subject.RsyslogDirect, Action: subject.RsyslogElastic(2, 1000)}),
			subject.SyslogNG("syslog-ng, 1 worker", subject.SyslogNGConfig{
				Source: subject.SyslogNGTCP, Destination: subject.SyslogNGElastic(1, 5000)}),
			subject.SyslogNG("syslog-ng, 2 workers", subject.SyslogNGConfig{
				Source: subject.SyslogNGTCP, Destination: subject.SyslogNGElastic(2, 5000)}),
		},
		Run: passOn(bulkMessages, 10),
		Targets: []Target{
			{What: "CPU per document beside the best peer", Of: beside(cpu, false), Limit: 0.2},
			{What: "documents per second beside the best peer", Of: beside(rate, true), Limit: 3, AtLeast: true},
			memory,
		},
	}
}
