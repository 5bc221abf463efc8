package node

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// What a reload can come to.
const (
	// ReloadApplied: all that has changed is in force.
	ReloadApplied = "applied"
	// ReloadPartial: some of it waits for the next start, or could not be done.
	ReloadPartial = "partial"
	// ReloadRefused: the configuration is not good, and nothing was changed.
	ReloadRefused = "refused"
)

// Reload tells what a reload has come to.
type Reload struct {
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
	Result string    `json:"result"`
	// Hash is that of the configuration that is in force for what was applied.
	Hash string `json:"hash,omitempty"`
	// Applied tells what has changed, Restart which keys wait for the next start,
	// Failed what could not be done after all.
	Applied []string `json:"applied,omitempty"`
	Restart []string `json:"restart,omitempty"`
	Failed  []string `json:"failed,omitempty"`
	// Errors are why it was refused, one mistake each, with file and line.
	Errors []string `json:"errors,omitempty"`
}

func (r *Reload) finish(err error) {
	r.Ended, r.Result = time.Now(), ReloadApplied
	switch {
	case err != nil:
		r.Result, r.Errors = ReloadRefused, strings.Split(err.Error(), "\n")
	case len(r.Restart)+len(r.Failed) > 0:
		r.Result = ReloadPartial
	}
}

func (r *Reload) log(l *zerolog.Logger) {
	switch {
	case r.Result == ReloadRefused:
		l.Error().Strs("errors", r.Errors).Msg("the new configuration is refused: all goes on as before")
		return
	case len(r.Failed) > 0:
		l.Error().Strs("failed", r.Failed).Msg("parts of the new configuration could not be started")
	}
	if len(r.Restart) > 0 {
		l.Warn().Strs("keys", r.Restart).Msg("changed, but in force only after a restart")
	}
	l.Info().Strs("applied", r.Applied).Dur("took", r.Ended.Sub(r.Began)).Msg("configuration loaded")
}

// reloadMetrics count reloads.
type reloadMetrics struct {
	total         *prometheus.CounterVec
	last, success prometheus.Gauge
	info          *prometheus.GaugeVec
}

func newReloadMetrics(r *prometheus.Registry, hash string) *reloadMetrics {
	m := &reloadMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syslane_config_reloads_total",
			Help: "Reloads of the configuration by result: applied, partial (some of it waits for a restart, or could not be done), refused (nothing was changed)."}, []string{"result"}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{Name: "syslane_config_last_load_timestamp_seconds",
			Help: "When the configuration in force was loaded, in seconds since the Unix epoch."}),
		success: prometheus.NewGauge(prometheus.GaugeOpts{Name: "syslane_config_last_reload_successful",
			Help: "0 where the last reload was refused: the file on disk is not what is in force; else 1."}),
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "syslane_config_info",
			Help: "1, with a hash of the configuration in force; equal hashes mean equal settings."}, []string{"hash"}),
	}
	for _, result := range []string{ReloadApplied, ReloadPartial, ReloadRefused} {
		m.total.WithLabelValues(result)
	}
	m.loaded(time.Now(), hash)
	m.success.Set(1)
	r.MustRegister(m.total, m.last, m.success, m.info)
	return m
}

func (m *reloadMetrics) loaded(at time.Time, hash string) {
	m.last.Set(float64(at.UnixMilli()) / 1000)
	m.info.Reset()
	m.info.WithLabelValues(hash[:min(len(hash), 16)]).Set(1)
}

func (m *reloadMetrics) done(r *Reload) {
	m.total.WithLabelValues(r.Result).Inc()
	m.success.Set(number(r.Result != ReloadRefused))
	if r.Result != ReloadRefused {
		m.loaded(r.Ended, r.Hash)
	}
}
