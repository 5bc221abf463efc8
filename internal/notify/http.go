package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
)

// HTTP is where to send by HTTP, and how.
type HTTP struct {
	// URL is that of the receiver; of an Alertmanager, that of its page.
	URL string
	// Token, if there is one, is sent as "Authorization: Bearer TOKEN".
	Token config.Secret
	// Headers are sent with each request.
	Headers map[string]config.Secret
	// TLS is for https; nil uses the certificates of this machine.
	TLS *tlsconf.Client
	// Timeout bounds one request.
	Timeout time.Duration
	// Collector names this machine.
	Collector string
}

// Validate tells what is wrong with the settings.
func (c *HTTP) Validate() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New(`want a URL, as "https://hooks.example.net/syslane"`)
	}
	return nil
}

// poster posts JSON.
type poster struct {
	HTTP
	client *http.Client
}

func newPoster(c HTTP) poster {
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	plain := http.DefaultTransport.(*http.Transport).Clone()
	plain.MaxIdleConnsPerHost = 1
	var transport http.RoundTripper = plain
	if c.TLS != nil {
		transport = c.TLS.NewTransport(plain)
	}
	// A redirect would be followed with a GET, which is no notice, or with headers that
	// hold secrets, which are for this server alone.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return poster{c, &http.Client{Transport: transport, Timeout: c.Timeout, CheckRedirect: stay}}
}

// post sends a body. Answers of the class 4xx, but for 408 and 429, are refusals;
// redirects are told, not followed.
func (p *poster) post(ctx context.Context, target string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return &RefusedError{err}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "syslane")
	for name, value := range p.Headers {
		request.Header.Set(name, value.Value())
	}
	if !p.Token.Empty() {
		request.Header.Set("Authorization", "Bearer "+p.Token.Value())
	}
	response, err := p.client.Do(request)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // a URL may hold a secret
		}
		return fmt.Errorf("post to %s: %w", request.URL.Host, err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return nil
	}
	if to, err := response.Location(); err == nil && response.StatusCode/100 == 3 {
		// Without path and query, which may hold a secret.
		return fmt.Errorf("%s answered %s: redirects are not followed; url should name where it leads, on %s://%s", request.URL.Host, response.Status, to.Scheme, to.Host)
	}
	err = fmt.Errorf("%s answered %s: %q", request.URL.Host, response.Status, strings.TrimSpace(string(answer)))
	if s := response.StatusCode; s >= 400 && s < 500 && s != http.StatusRequestTimeout && s != http.StatusTooManyRequests {
		return &RefusedError{err}
	}
	return err
}

// Webhook posts JSON, as document describes it, to a URL.
type Webhook struct{ poster }

// NewWebhook returns a Webhook.
func NewWebhook(c HTTP) *Webhook { return &Webhook{newPoster(c)} }

// Send implements Sender.
func (w *Webhook) Send(ctx context.Context, notices []Notice) error {
	body, err := document(w.Collector, notices)
	if err != nil {
		return &RefusedError{err}
	}
	return w.post(ctx, w.URL, body)
}

// How often an Alertmanager is told of what fires, and for how long it believes it.
const (
	refreshInterval = time.Minute
	believedFor     = 5 * time.Minute
)

// Alertmanager speaks the API of version 2 of Prometheus's Alertmanager, which groups,
// silences and repeats by itself. It forgets what it is not told again within five
// minutes, so that alerts end where a collector has died.
type Alertmanager struct {
	poster
	target string
	now    func() time.Time
}

// NewAlertmanager returns an Alertmanager.
func NewAlertmanager(c HTTP) *Alertmanager {
	target := strings.TrimSuffix(c.URL, "/") + "/api/v2/alerts"
	return &Alertmanager{newPoster(c), target, time.Now}
}

// Refresh implements Refresher.
func (a *Alertmanager) Refresh() time.Duration { return refreshInterval }

// postableAlert is that of Alertmanager's OpenAPI description.
type postableAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Started     time.Time         `json:"startsAt"`
	Ended       time.Time         `json:"endsAt"`
}

// Send implements Sender.
func (a *Alertmanager) Send(ctx context.Context, notices []Notice) error {
	// It knows an alert by its labels: of one that is told twice the last counts.
	var alerts []postableAlert
	at := make(map[string]int)
	for i := range notices {
		n := &notices[i]
		alert := postableAlert{Labels: map[string]string{}, Annotations: map[string]string{}, Started: n.Started, Ended: a.now().Add(believedFor)}
		if n.Ended != nil {
			alert.Ended = *n.Ended
			if !alert.Ended.After(alert.Started) {
				alert.Ended = alert.Started.Add(time.Millisecond)
			}
		}
		// A group of messages of one severity has that for a label, which tells it from
		// the others, also where it is none: the alert's own gives way.
		if _, grouped := n.Labels["severity"]; n.Severity != "" && !grouped {
			alert.Labels["severity"] = n.Severity
		}
		for name, label := range labelNames(n.Labels) {
			if value := n.Labels[name]; value != "" { // to it, an empty label is none
				alert.Labels[label] = value
			}
		}
		for name, label := range labelNames(n.Annotations) {
			alert.Annotations[label] = n.Annotations[name]
		}
		alert.Labels["alertname"] = n.Alert
		alert.Labels["collector"] = a.Collector
		alert.Annotations["summary"] = n.Summary
		alert.Annotations["query"] = n.Query
		alert.Annotations["condition"] = n.Condition + " in " + n.Window
		if n.Sample != "" {
			alert.Annotations["sample"] = n.Sample
		}
		key, err := json.Marshal(alert.Labels)
		if err != nil {
			return &RefusedError{err}
		}
		if j, ok := at[string(key)]; ok {
			alerts[j] = alert
			continue
		}
		at[string(key)] = len(alerts)
		alerts = append(alerts, alert)
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return &RefusedError{err}
	}
	return a.post(ctx, a.target, body)
}

// labelNames gives each name of a set one that Prometheus takes for a label. No two get
// the same, for by them alerts are told apart, and a name always gets the same in a set
// of the same names: those that are good as they are keep it, and of others that would
// be equal the later ones get a number.
func labelNames(of map[string]string) map[string]string {
	labels := make(map[string]string, len(of))
	taken := make(map[string]bool, len(of))
	var others []string
	for _, name := range sorted(of) {
		if labelName(name) == name {
			labels[name], taken[name] = name, true
		} else {
			others = append(others, name)
		}
	}
	for _, name := range others {
		label := labelName(name)
		for n := 2; taken[label]; n++ {
			label = labelName(name) + "_" + strconv.Itoa(n)
		}
		labels[name], taken[label] = label, true
	}
	return labels
}

// labelName makes a name that Prometheus takes for a label.
func labelName(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9' || i == 0) {
			b[i] = '_'
		}
	}
	return string(b)
}
