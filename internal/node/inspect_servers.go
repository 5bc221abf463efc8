package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/syslane/syslane/internal/notify"
	"github.com/syslane/syslane/outputs/elasticsearch"
)

// probeTimeout is how long all servers together may take to answer.
const probeTimeout = 5 * time.Second

// inspectServers asks all that outputs and channels send to, at once.
func (i *inspector) inspectServers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, out := range i.plan.Outputs {
		if out.settings.probe != nil {
			all.Go(func() { i.inspectOutput(ctx, &out) })
		}
	}
	for k, channel := range i.plan.Channels {
		reacher, ok := channel.Sender.(notify.Reacher)
		if !ok {
			continue
		}
		table, key := i.plan.Config.Notify[k], "url"
		if channel.Type == "email" {
			key = "server"
		}
		all.Go(func() {
			if err := reacher.Reach(ctx); err != nil {
				i.add(Failure, table, key, "nothing can be told there: %v; %s", err, remedy(err))
			}
		})
	}
	all.Wait()
}

func (i *inspector) inspectOutput(ctx context.Context, out *PlannedOutput) {
	for _, p := range out.settings.probe(ctx) {
		at := p.Target
		if at == "" {
			at = out.Name
		}
		var status *elasticsearch.StatusError
		switch {
		case errors.As(p.Err, &status):
			i.add(Failure, out.table, p.Key, "%s: %v", at, p.Err) // it says what to do
		case p.Err != nil:
			i.add(Failure, out.table, p.Key, "%s: %v; %s", at, p.Err, remedy(p.Err))
		case p.Warning != "":
			i.add(Warning, out.table, p.Key, "%s: %s", at, p.Warning)
		default:
			i.add(Note, out.table, p.Key, "%s: %s", at, p.Note)
		}
	}
}

// remedy says what to do about a server that cannot be reached.
func remedy(err error) string {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &name):
		return "look whether the name is right, and at the DNS of this machine"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there: start the server, or correct host and port"
	case errors.As(err, &authority):
		return "set tls.ca_file to the certificate of the authority that signed the server's"
	case errors.As(err, &host):
		return "name the server as its certificate does, or set tls.server_name"
	case errors.As(err, &invalid):
		return "have the certificate of the server renewed"
	case errors.As(err, &record):
		return "no TLS is spoken there: take the port that does, or remove tls"
	case errors.As(err, &alert):
		return "the server refuses this certificate: look at tls.cert_file, and at whom the server permits"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "nothing answers: look at host and port, and at firewalls on the way"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the server hangs up: look whether it speaks this protocol there, with TLS or without, and what its log says"
	}
	return "look at what the log of the server says"
}
