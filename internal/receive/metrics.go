package receive

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
	"github.com/syslane/syslane/internal/tlsconf"
)

type metrics struct {
	connections       prometheus.Gauge
	acceptFailures    prometheus.Counter
	refused           *prometheus.CounterVec
	handshakeFailures *prometheus.CounterVec
}

func newMetrics(input string, r prometheus.Registerer) (*metrics, error) {
	connections := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "syslane_input_connections",
		Help: "Connections open at present."}, []string{"input"})
	acceptFailures := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syslane_input_accept_failures_total",
		Help: "Failures of the system to hand over a connection."}, []string{"input"})
	m := &metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syslane_input_refused_connections_total",
			Help: "Connections closed on arrival, by the limit or rule that they broke."}, []string{"input", "reason"}),
		handshakeFailures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syslane_input_tls_handshake_failures_total",
			Help: "TLS handshakes that failed, by reason."}, []string{"input", "reason"}),
	}
	if err := errors.Join(families.Register(r, &connections), families.Register(r, &acceptFailures), families.Register(r, &m.refused), families.Register(r, &m.handshakeFailures)); err != nil {
		return nil, err
	}
	m.connections, m.acceptFailures = connections.WithLabelValues(input), acceptFailures.WithLabelValues(input)
	return m, nil
}

// handshakeFailure names the reason of a failed handshake for the metric.
func handshakeFailure(err error) string {
	var (
		header      tls.RecordHeaderError
		unverified  *tls.CertificateVerificationError
		certificate x509.CertificateInvalidError
		op          *net.OpError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "closed"
	case errors.As(err, &header):
		return "not_tls"
	case errors.Is(err, tlsconf.ErrPeerNotPermitted):
		return "not_permitted"
	case errors.As(err, &unverified), errors.As(err, &certificate):
		return "bad_certificate"
	case strings.Contains(err.Error(), "didn't provide a certificate"): // crypto/tls has no value for it
		return "no_certificate"
	case errors.As(err, &op) && op.Op == "remote error":
		return "refused_by_peer"
	}
	return "protocol"
}
