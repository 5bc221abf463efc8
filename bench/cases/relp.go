package cases

import (
	"time"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/sink"
	"github.com/syslane/syslane/bench/subject"
)

const (
	relpMessages = 1_000_000
	relpConns    = 10
	relpWindow   = 1024
	// syncedMessages is what a queue that syncs for each message or two gets through in
	// some ten seconds.
	syncedMessages = 3000
)

func relpLog() Case {
	synced := subject.Rsyslog("rsyslog, synced disk queue", true, subject.RsyslogConfig{
		Input: subject.RsyslogRELP, Queue: subject.RsyslogDiskSynced, Action: subject.RsyslogFile})
	synced.Most = syncedMessages
	files := subject.Rsyslog("rsyslog, disk queue with syncQueueFiles", false, subject.RsyslogConfig{
		Input: subject.RsyslogRELP, Queue: subject.RsyslogDisk + ` queue.syncQueueFiles="on"`, Action: subject.RsyslogFile})
	files.Most = syncedMessages
	return Case{
		Name: "relp-log", Title: "RELP → fsynced log, acknowledged; 10 connections",
		Subjects: []subject.Subject{
			subject.Syslane("syslane", subject.SyslaneConfig{Role: "collector", Input: "relp"}),
			files, synced,
			subject.Rsyslog("rsyslog, direct queue, file", false, subject.RsyslogConfig{
				Input: subject.RsyslogRELP, Queue: subject.RsyslogDirect, Action: subject.RsyslogFile}),
		},
		Run: func(b *Bench, s subject.Subject) (Result, error) {
			m := b.messages(s, relpMessages)
			r, stop, err := b.start(s, relpConns)
			if err != nil {
				return Result{}, err
			}
			defer stop()
			session, err := load.DialRELP(r.In, relpConns, relpWindow)
			if err != nil {
				return Result{}, r.Blame(err)
			}
			defer session.Close()
			send := session.Prepare(m)
			w, err := b.begin(r)
			if err != nil {
				return Result{}, err
			}
			if err := send(); err != nil {
				return Result{}, r.Blame(err)
			}
			// All is acknowledged: what follows is no part of the promise.
			res, err := w.end(time.Now(), m.Count(), m.Count())
			if err != nil {
				return res, err
			}
			stored, _, err := awaitStored(r, m.Count(), b.patience())
			res.Lost = m.Count() - stored
			return res, err
		},
		Targets: []Target{
			{What: "messages per CPU-second beside rsyslog's disk queue with syncQueueFiles",
				Of: beside(func(r Result) float64 { return 1 / r.CPU }, true, "disk queue"), Limit: 5, AtLeast: true},
			memory,
		},
	}
}

// relayMessages is how many go through a relay.
const relayMessages = 1_000_000

// relayTCP forwards what it gets over TCP, by the link.
func relayTCP(name, more string) subject.Subject {
	return subject.Syslane(name, subject.SyslaneConfig{Role: "relay", Input: "tcp", Output: "relp", OutputMore: more})
}

func relay() Case {
	return Case{
		Name: "relay", Title: "relay: TCP → (durable log →) link, or TCP octet-counted; 10 connections",
		Subjects: []subject.Subject{
			relayTCP("syslane", ""),
			subject.Rsyslog("rsyslog, memory queue", false, subject.RsyslogConfig{
				Input: subject.RsyslogTCP, Queue: subject.RsyslogMemory, Action: subject.RsyslogFwd}),
			subject.SyslogNG("syslog-ng", subject.SyslogNGConfig{Source: subject.SyslogNGTCP, Destination: subject.SyslogNGForward}),
			relayTCP("syslane, zstd on the link", `compression = "zstd"`),
			relayTCP("syslane, s2 on the link", `compression = "s2"`),
			relayTCP("syslane, no compression on the link", `compression = "none"`),
		},
		Run: passOn(relayMessages, 10),
		Targets: []Target{
			{What: "CPU per message beside rsyslog's memory queue", Of: beside(cpu, false, "memory"), Limit: 0.5},
			{What: "messages per second beside rsyslog's memory queue", Of: beside(rate, true, "memory"), Limit: 1.5, AtLeast: true},
			memory,
		},
	}
}

func relayRELP() Case {
	return Case{
		Name: "relay-relp", Title: "relay: TCP → plain RELP, 10 connections",
		Subjects: []subject.Subject{
			relayTCP("syslane", "plain = true\nwindow = 1024"),
			subject.Rsyslog("rsyslog, memory queue", false, subject.RsyslogConfig{
				Input: subject.RsyslogTCP, Queue: subject.RsyslogMemory, Action: subject.RsyslogOmrelp}),
		},
		Run:     passOn(relayMessages/2, 10),
		Targets: []Target{memory},
	}
}

// openSink opens the sink that fits what a subject sends.
func openSink(s subject.Subject, addr string, numbers *sink.Numbers) (sink.Sink, error) {
	switch s.Sends {
	case subject.SendsRELP:
		return sink.RELP(addr, numbers)
	case subject.SendsBulk:
		return sink.Bulk(addr, numbers)
	default:
		return sink.Stream(addr, numbers)
	}
}

// passOn sends all messages at once over TCP, and waits until they have come out at
// the other side.
func passOn(count, conns int) func(*Bench, subject.Subject) (Result, error) {
	return func(b *Bench, s subject.Subject) (res Result, err error) {
		m := b.messages(s, count)
		site, remove, err := b.site(conns)
		if err != nil {
			return res, err
		}
		defer remove()
		numbers := b.numbers(m)
		out, err := openSink(s, site.Out, numbers)
		if err != nil {
			return res, err
		}
		defer out.Close()
		r, err := subject.Start(s, site)
		if err != nil {
			return res, err
		}
		defer r.Stop()
		w, stream, err := b.send(r, conns, "", m)
		if err != nil {
			return res, err
		}
		defer stream.Close()
		ctx, cancel := timeLimit()
		defer cancel()
		if err := out.Tally().Wait(ctx, m.Count()); err != nil {
			return res, r.Blame(err)
		}
		if res, err = w.end(out.Tally().Last(), m.Count(), m.Count()); err != nil {
			return res, err
		}
		res.Also = append(res.Also, Figure{"sent per message", float64(out.Tally().Octets()) / float64(m.Count()), "octets"})
		return res, checked(s, numbers)
	}
}
