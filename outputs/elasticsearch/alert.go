package elasticsearch

import (
	"errors"
	"fmt"
	"net"
)

// explainAlert says what to do where a server has ended the TLS session with an alert:
// nearly always it is about the client's certificate. It is hardly ever said so: one
// without a certificate hears "bad certificate" from many servers.
func (a *Access) explainAlert(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return err
	}
	if a.TLS.CertFile == "" {
		return fmt.Errorf("%w; if the server wants a client certificate, set tls.cert_file and tls.key_file", err)
	}
	return fmt.Errorf("%w; the server does not take the certificate in tls.cert_file = %q: want one that is valid and issued by a CA that it trusts", err, a.TLS.CertFile)
}
