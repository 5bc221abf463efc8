package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/syslane/syslane/internal/alert"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/notify"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/search"
)

// alertState returns where beneath a state folder alerts survive a restart.
func alertState(state string) string { return filepath.Join(state, "alerts.json") }

// planAlerts reads the tables [[notify]] and [[alert]].
func (p *Plan) planAlerts() {
	p.alertMetrics = &staged{Registerer: p.registry}
	s := services{logger: p.logger, registerer: p.registry, staged: p.alertMetrics, host: p.host, certificates: &p.certificates}
	names := newNames("notify")
	for _, t := range p.Config.Notify {
		kind, err := t.Type(kinds(channelKinds)...)
		if err != nil {
			continue
		}
		name, err := names.take(t, t.Text("name"), kind)
		if err != nil {
			continue
		}
		settings := channelSettings{}
		sender, err := channelKinds[kind](t, name, &settings, s)
		if err != nil {
			continue
		}
		p.Channels = append(p.Channels, alert.Channel{Name: name, Type: kind, Sender: sender, RetryMin: settings.RetryMin, RetryMax: settings.RetryMax})
	}
	names = newNames("alert")
	for i, t := range p.Config.Alerts {
		if r, err := p.planAlert(t, names, i); err == nil {
			p.Alerts = append(p.Alerts, r)
		}
	}
}

// labelName is what Prometheus takes for the name of a label.
var labelName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// planAlert reads one [[alert]]. Its errors are kept by the file.
func (p *Plan) planAlert(t config.Table, names *names, i int) (*alert.Rule, error) {
	c := struct {
		Name string `toml:"name"`
		// Query finds the messages that count.
		Query string `toml:"query"`
		// By names fields whose values are watched each for themselves.
		By []string `toml:"by"`
		// Condition, as "count > 10", holds for the messages of Window.
		Condition string        `toml:"condition"`
		Window    time.Duration `toml:"window"`
		// Absent is for how long there must be no message, instead of both.
		Absent time.Duration `toml:"absent"`
		// Seen is how long a group without messages is remembered.
		Seen time.Duration `toml:"seen_within"`
		// For is how long the condition must hold.
		For time.Duration `toml:"for"`
		// Repeat is how often an alert that goes on is told again; 0 is never.
		Repeat time.Duration `toml:"repeat"`
		// Late is how much later than their window messages count.
		Late time.Duration `toml:"late"`
		// Resolved says whether the end of an alert is told.
		Resolved    bool              `toml:"resolved"`
		Severity    string            `toml:"severity"`
		Labels      map[string]string `toml:"labels"`
		Summary     string            `toml:"summary"`
		Annotations map[string]string `toml:"annotations"`
		// Notify names [[notify]] tables; all, where it is left out.
		Notify []string `toml:"notify"`
	}{Seen: alert.DefaultSeen, Repeat: alert.DefaultRepeat, Late: alert.DefaultLate, Resolved: true}
	if err := t.Decode(&c); err != nil {
		return nil, err
	}
	var failed error
	fail := func(key, format string, args ...any) { failed = t.Errorf(key, format, args...) }
	r := &alert.Rule{QueryText: c.Query, Window: c.Window, Seen: c.Seen, For: c.For, Repeat: c.Repeat, Late: c.Late,
		Silent: !c.Resolved, Severity: c.Severity, Labels: c.Labels, Notify: c.Notify, Annotations: make(map[string]alert.Template)}
	var err error
	if r.Name, err = names.take(t, c.Name, fmt.Sprintf("alert-%d", i+1)); err != nil {
		failed = err
	}
	if r.Query, err = search.Parse(c.Query); err != nil {
		fail("query", "%v", err)
	} else if r.Query.Piped() {
		fail("query", "takes no stages behind a |; say what is counted with condition, window and by")
	} else if r.Query.Timed() {
		fail("query", "takes no times; window says when")
	}
	switch {
	case c.Absent != 0 && (c.Condition != "" || c.Window != 0):
		fail("absent", "stands for itself: it takes no condition and no window")
	case c.Absent != 0:
		r.Window = c.Absent
		if c.Absent < time.Second {
			fail("absent", "want how long there must be no message, 1s or more")
		}
	case c.Condition == "":
		fail("condition", `say what fires: condition = "count > 10" and window = "5m", or absent = "10m"`)
	default:
		if r.Condition, err = alert.ParseCondition(c.Condition); err != nil {
			fail("condition", "%v", err)
		}
		if c.Window < time.Second || c.Window > 7*24*time.Hour {
			fail("window", "want how long the time is in which is counted, from 1s to 7d")
		}
	}
	for key, d := range map[string]time.Duration{"for": c.For, "repeat": c.Repeat, "late": c.Late} {
		if d < 0 {
			fail(key, "is negative")
		}
	}
	if c.Late > 24*time.Hour {
		fail("late", "want a time up to 24h")
	}
	if t.Has("seen_within") && (len(c.By) == 0 || c.Seen <= r.Window) {
		fail("seen_within", "is for groups, as by = [\"host\"], and longer than the time in which is counted")
	}
	r.Seen = max(r.Seen, 2*r.Window)
	var by []string
	for k, name := range c.By {
		f, ok := search.FindField(name)
		if !ok {
			fail(fmt.Sprintf("by[%d]", k), "no field has this name%s", config.Suggest(name, search.FieldNames()))
			continue
		}
		r.By = append(r.By, f)
		by = append(by, f.Name())
	}
	if len(c.By) > 4 {
		fail("by", "want four fields at most")
	}
	for name := range c.Labels {
		if !labelName.MatchString(name) || name == "alertname" || name == "severity" || name == "collector" {
			fail("labels", "%q cannot be the name of a label; want letters, digits and underscores, and not alertname, collector or severity", name)
		}
	}
	if r.Summary, err = alert.ParseTemplate(c.Summary, by); err != nil {
		fail("summary", "%v", err)
	}
	for name, text := range c.Annotations {
		if r.Annotations[name], err = alert.ParseTemplate(text, by); err != nil {
			fail("annotations."+name, "%v", err)
		}
	}
	var known []string
	for _, channel := range p.Channels {
		known = append(known, channel.Name)
	}
	for k, name := range c.Notify {
		if !slices.Contains(known, name) {
			fail(fmt.Sprintf("notify[%d]", k), "no [[notify]] has this name%s", config.Suggest(name, known))
		}
	}
	return r, failed
}

// channelSettings are the keys that every [[notify]] has.
type channelSettings struct {
	Name string `toml:"name"`
	// RetryMin and RetryMax bound the pause between attempts. Defaults 1s and 1m.
	RetryMin time.Duration `toml:"retry_min"`
	RetryMax time.Duration `toml:"retry_max"`
	// Timeout bounds one attempt.
	Timeout time.Duration `toml:"timeout"`
}

// channelKinds are the types that [[notify]] knows.
var channelKinds = map[string]func(t config.Table, name string, settings *channelSettings, s services) (notify.Sender, error){
	"alertmanager": func(t config.Table, name string, settings *channelSettings, s services) (notify.Sender, error) {
		c, err := httpChannel(t, name, settings, s)
		return notify.NewAlertmanager(c), err
	},
	"webhook": func(t config.Table, name string, settings *channelSettings, s services) (notify.Sender, error) {
		c, err := httpChannel(t, name, settings, s)
		return notify.NewWebhook(c), err
	},
	"email": emailChannel,
	"exec":  execChannel,
}

func httpChannel(t config.Table, name string, settings *channelSettings, s services) (notify.HTTP, error) {
	var c struct {
		channelSettings
		URL     config.Endpoint          `toml:"url,required"`
		Token   config.Secret            `toml:"token"`
		Headers map[string]config.Secret `toml:"headers"`
		TLS     *tlsconf.Options         `toml:"tls"`
	}
	if err := t.Decode(&c); err != nil {
		return notify.HTTP{}, err
	}
	*settings = c.channelSettings
	conf, err := channelTLS(t, name, c.TLS, s)
	if err != nil {
		return notify.HTTP{}, err
	}
	full := notify.HTTP{URL: string(c.URL), Token: c.Token, Headers: c.Headers, TLS: conf, Timeout: c.Timeout, Collector: s.host}
	if err := full.Validate(); err != nil {
		return full, t.Errorf("url", "%v", err)
	}
	return full, nil
}

func emailChannel(t config.Table, name string, settings *channelSettings, s services) (notify.Sender, error) {
	var c struct {
		channelSettings
		Server   string           `toml:"server,required"`
		Security string           `toml:"security" enum:"starttls,tls,none"`
		From     string           `toml:"from,required"`
		To       []string         `toml:"to,required"`
		Username string           `toml:"username"`
		Password config.Secret    `toml:"password"`
		TLS      *tlsconf.Options `toml:"tls"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, err
	}
	*settings = c.channelSettings
	conf, err := channelTLS(t, name, c.TLS, s)
	if err != nil {
		return nil, err
	}
	m := &notify.Email{Server: c.Server, Security: c.Security, From: c.From, To: c.To, Username: c.Username, Password: c.Password, TLS: conf, Timeout: c.Timeout, Collector: s.host}
	if key, err := m.Validate(); err != nil {
		return nil, t.Errorf(key, "%v", err)
	}
	return m, nil
}

func execChannel(t config.Table, _ string, settings *channelSettings, s services) (notify.Sender, error) {
	var c struct {
		channelSettings
		Command []string `toml:"command,required"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, err
	}
	*settings = c.channelSettings
	x := &notify.Exec{Command: c.Command, Timeout: c.Timeout, Collector: s.host}
	if err := x.Validate(); err != nil {
		return nil, t.Errorf("command", "%v", err)
	}
	return x, nil
}

// channelTLS is clientTLS for what notices are sent to.
func channelTLS(t config.Table, name string, o *tlsconf.Options, s services) (conf *tlsconf.Client, err error) {
	if o == nil {
		return nil, nil
	}
	o.Name, o.Logger, o.Registerer = fmt.Sprintf("notify %q", name), s.logger, s.staged
	s.note(t, *o)
	if conf, err = tlsconf.NewClient(*o); err != nil {
		return nil, t.Errorf("tls", "%v", err)
	}
	return conf, nil
}

// openAlerts has the alerts watched that the configuration has.
func (n *Node) openAlerts() (err error) {
	n.alerts, err = n.openWatcher(n.plan)
	n.watched = n.plan
	return err
}

// openWatcher reads the state of alerts. Without any there is still to be told that
// those have ended which were there before; nil where there is nothing to do.
func (n *Node) openWatcher(p *Plan) (*alert.Watcher, error) {
	path := alertState(n.state)
	if len(p.Alerts) == 0 {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	w, err := alert.New(alert.Config{
		Rules: p.Alerts, Channels: p.Channels, View: n.log.View(), State: path,
		Registerer: p.registry, Logger: n.logger,
	})
	if err != nil {
		return nil, err
	}
	return w, p.alertMetrics.start()
}

// CheckFor refuses what a role cannot do, with file and line.
func (p *Plan) CheckFor(role Role) error {
	var errs []error
	for _, t := range p.Config.Alerts {
		if !role.Search {
			errs = append(errs, t.ErrorHere("alerts are for collectors: a %s keeps messages only until they are delivered; remove it, or move it from conf.d, which every role reads, to the collector's own file", role.Name))
		}
	}
	return errors.Join(errs...)
}
