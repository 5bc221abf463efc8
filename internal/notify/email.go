package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
)

// Values of Email.Security.
const (
	// StartTLS begins in clear text and goes on only when STARTTLS has succeeded.
	StartTLS = "starttls"
	// ImplicitTLS speaks TLS from the first octet.
	ImplicitTLS = "tls"
	// NoTLS speaks clear text.
	NoTLS = "none"
)

// Email sends mails by SMTP.
type Email struct {
	// Server is host:port.
	Server string
	// Security is StartTLS, the default, ImplicitTLS or NoTLS.
	Security string
	// From and To are addresses, as "Ops <ops@example.net>".
	From string
	To   []string
	// Username and Password are those of SMTP AUTH; without a name there is none.
	Username string
	Password config.Secret
	// TLS verifies the server; nil uses the certificates of this machine.
	TLS *tlsconf.Client
	// Timeout bounds the sending of one mail.
	Timeout time.Duration
	// Collector names this machine.
	Collector string
}

// Validate tells what is wrong with the settings: with which key, and what.
func (m *Email) Validate() (key string, err error) {
	host, port, err := net.SplitHostPort(m.Server)
	if n, wrong := strconv.Atoi(port); err != nil || wrong != nil || n < 1 || n > 65535 || host == "" {
		return "server", errors.New(`want host:port, as "smtp.example.net:587"`)
	}
	switch m.Security {
	case "", StartTLS, ImplicitTLS:
	case NoTLS:
		if ip := net.ParseIP(host); m.Username != "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return "security", errors.New("the password would travel in clear text")
		}
	default:
		return "security", fmt.Errorf("want %q, %q or %q", StartTLS, ImplicitTLS, NoTLS)
	}
	if _, err := netmail.ParseAddress(m.From); err != nil {
		return "from", errors.New(`want an address, as "Syslane <syslane@example.net>"`)
	}
	if len(m.To) == 0 {
		return "to", errors.New("want one address or more")
	}
	for _, to := range m.To {
		if _, err := netmail.ParseAddress(to); err != nil {
			return "to", fmt.Errorf("%q is no address", to)
		}
	}
	if m.Username == "" && !m.Password.Empty() {
		return "password", errors.New("is of no use without a username")
	}
	return "", nil
}

// Recipients implements Addressed.
func (m *Email) Recipients() []string { return m.To }

// Send implements Sender: it tells all recipients.
func (m *Email) Send(ctx context.Context, notices []Notice) error {
	var again, refused []error
	for _, err := range m.SendTo(ctx, m.To, notices) {
		if IsRefused(err) {
			refused = append(refused, err)
		} else if err != nil {
			again = append(again, err)
		}
	}
	if len(again) > 0 {
		return errors.Join(again...)
	}
	return errors.Join(refused...)
}

// SendTo implements Addressed: one mail tells of all notices. Where the server does not
// take it for one of several addresses, each gets one of its own.
func (m *Email) SendTo(ctx context.Context, to []string, notices []Notice) []error {
	errs := make([]error, len(to))
	err := m.deliver(ctx, notices, to)
	var failed *mail.SendError
	apart := len(to) > 1 && errors.As(err, &failed) && failed.Reason == mail.ErrSMTPRcptTo
	for i := range to {
		if apart {
			err = m.deliver(ctx, notices, to[i:i+1])
		}
		errs[i] = err
		if err != nil && (apart || len(to) < len(m.To)) {
			errs[i] = fmt.Errorf("to %s: %w", to[i], err)
		}
	}
	return errs
}

// deliver sends a mail to some addresses.
func (m *Email) deliver(ctx context.Context, notices []Notice, to []string) error {
	message, err := m.message(notices, to)
	if err != nil {
		return &RefusedError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout())
	defer cancel()
	client, err := m.client(ctx)
	if err != nil {
		return &RefusedError{err}
	}
	// Once the server has taken the mail, how it says goodbye is of no matter: a second
	// copy would help nobody.
	if err := client.DialAndSendWithContext(ctx, message); err != nil && !message.IsDelivered() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("send mail by %s: it was not taken within %s", m.Server, m.timeout())
		}
		err = fmt.Errorf("send mail by %s: %w", m.Server, err)
		// A refusal of the mail itself, such as of its addresses, is for good; one of
		// the name or password is not, for it may be changed at the server.
		var failed *mail.SendError
		if errors.As(err, &failed) && !failed.IsTemp() && failed.ErrorCode() >= 550 && failed.ErrorCode() < 560 {
			return &RefusedError{err}
		}
		return err
	}
	return nil
}

func (m *Email) timeout() time.Duration {
	if m.Timeout <= 0 {
		return 30 * time.Second
	}
	return m.Timeout
}

// client returns a client whose connection ends with the context: the library waits for
// the server's greeting, and for its answers up to the mail, without an end.
func (m *Email) client(ctx context.Context) (*mail.Client, error) {
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if m.TLS != nil {
		conf = m.TLS.Config(host)
	}
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		if m.Security == ImplicitTLS {
			secured := tls.Client(conn, conf)
			if err := secured.HandshakeContext(dialing); err != nil {
				conn.Close()
				return nil, err
			}
			return secured, nil
		}
		return conn, nil
	}
	policy := mail.TLSMandatory
	switch m.Security {
	case ImplicitTLS: // it is there; a server offers no second within it, RFC 3207 §4.2
		policy = mail.TLSOpportunistic
	case NoTLS:
		policy = mail.NoTLS
	}
	options := []mail.Option{mail.WithPort(number), mail.WithTLSConfig(conf), mail.WithTLSPolicy(policy), mail.WithTimeout(m.timeout()), mail.WithDialContextFunc(dial)}
	if m.Username != "" {
		auth := mail.SMTPAuthAutoDiscover
		if m.Security == NoTLS {
			auth = mail.SMTPAuthPlainNoEnc // to this machine only
		}
		options = append(options, mail.WithSMTPAuth(auth), mail.WithUsername(m.Username), mail.WithPassword(m.Password.Value()))
	}
	return mail.NewClient(host, options...)
}

// mailID is the same for the same mail, so that mail programs can tell a second copy.
func mailID(notices []Notice) string {
	return notices[0].ID + "." + strconv.Itoa(len(notices)) + "@syslane"
}

func (m *Email) message(notices []Notice, to []string) (*mail.Msg, error) {
	message := mail.NewMsg()
	if err := message.From(m.From); err != nil {
		return nil, err
	}
	if err := message.To(to...); err != nil {
		return nil, err
	}
	first := &notices[0]
	subject := fmt.Sprintf("[%s] %s: %s", first.Status, first.Alert, first.Summary)
	if len(notices) > 1 {
		subject = fmt.Sprintf("[%d alerts] %s: %s, …", len(notices), first.Alert, first.Summary)
	}
	message.Subject(oneLine(subject, 200))
	message.SetDate()
	message.SetMessageIDWithValue(mailID(notices))
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	var b strings.Builder
	for i := range notices {
		writeText(&b, &notices[i])
	}
	fmt.Fprintf(&b, "Sent by Syslane on %s.\n", m.Collector)
	message.SetBodyString(mail.TypeTextPlain, b.String())
	return message, nil
}

// writeText writes a notice for people.
func writeText(b *strings.Builder, n *Notice) {
	fmt.Fprintf(b, "%s: %s\n%s\n\n", strings.ToUpper(string(n.Status)), n.Alert, oneLine(n.Summary, 1000))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "  %-10s %s\n", name, oneLine(value, 1000))
		}
	}
	line("severity", n.Severity)
	line("condition", n.Condition+" in "+n.Window)
	line("value", strconv.FormatUint(n.Value, 10))
	line("query", n.Query)
	for _, name := range sorted(n.Labels) {
		line(name, n.Labels[name])
	}
	for _, name := range sorted(n.Annotations) {
		line(name, n.Annotations[name])
	}
	line("since", n.Started.Format(time.RFC3339))
	if n.Ended != nil {
		line("until", n.Ended.Format(time.RFC3339))
	}
	line("message", n.Sample)
	line("note", n.Note)
	b.WriteByte('\n')
}
