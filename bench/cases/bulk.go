package cases

import "github.com/syslane/syslane/bench/subject"

// bulkMessages is how many become documents. With a third of them the memory that a
// subject touches for the first time was a fifth of its CPU, where a page of a virtual
// machine has to come from its host.
const bulkMessages = 2_000_000

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
