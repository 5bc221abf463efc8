package alert

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/notify"
	"github.com/syslane/syslane/internal/vfs"
)

// maxStateFile is the largest state that is read and written, in octets.
const maxStateFile = 256 << 20

// stateVersion is that of the file. One of another version is an error: the program
// that wrote it is newer.
const stateVersion = 1

// savedState is the file in which alerts survive a restart.
type savedState struct {
	Version int `json:"version"`
	// Log is the id of the log, Position where reading goes on.
	Log      string `json:"log"`
	Position uint64 `json:"position"`
	// Now is the time of the engine.
	Now     int64                 `json:"now"`
	Alerts  map[string]savedAlert `json:"alerts"`
	Pending []queued              `json:"pending"`
}

// savedAlert is the state of one alert.
type savedAlert struct {
	// Identity is that of the rule that has counted.
	Identity string `json:"identity"`
	// Notify are the channels that were told, Severity and Labels what they were told.
	Notify   []string          `json:"notify"`
	Severity string            `json:"severity,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Silent   bool              `json:"silent,omitempty"`
	By       []string          `json:"by,omitempty"`
	From     int64             `json:"from"`
	Groups   []savedGroup      `json:"groups,omitempty"`
}

// savedGroup is a group.
type savedGroup struct {
	Values    []string `json:"values,omitempty"`
	Cells     []uint32 `json:"cells,omitempty"` // step, count, step, count, …
	Last      int64    `json:"last,omitempty"`
	State     State    `json:"state"`
	Since     int64    `json:"since,omitempty"`
	Told      int64    `json:"told,omitempty"`
	Value     uint64   `json:"value,omitempty"`
	Sample    string   `json:"sample,omitempty"`
	LateUntil int64    `json:"late_until,omitempty"`
	Held      uint32   `json:"held,omitempty"`
}

// lean leaves out of a state what can be done without: what was counted where nothing
// fires, and the samples of it. Lower bounds then begin anew.
func (s *savedState) lean() {
	for name, a := range s.Alerts {
		for i := range a.Groups {
			g := &a.Groups[i]
			if g.State != Inactive {
				continue
			}
			if len(g.Cells) > 0 {
				a.From = s.Now
			}
			g.Cells, g.Sample = nil, ""
		}
		s.Alerts[name] = a
	}
}

// queued is a notice that a channel has not taken yet.
type queued struct {
	Channel string        `json:"channel"`
	Queued  time.Time     `json:"queued"`
	Notice  notify.Notice `json:"notice"`
	// Told are the recipients that are not to be told any more, where others are.
	Told []string `json:"told,omitempty"`
	// Refused tells that one of them will never have it.
	Refused bool `json:"refused,omitempty"`
}

// save copies the state of the alerts.
func (e *engine) save() map[string]savedAlert {
	all := make(map[string]savedAlert)
	for _, w := range e.watches {
		r := w.rule
		a := savedAlert{Identity: r.identity(), Notify: r.Notify, Severity: r.Severity, Labels: r.Labels, Silent: r.Silent, From: w.from}
		for _, f := range r.By {
			a.By = append(a.By, f.Name())
		}
		for _, g := range w.groups {
			s := savedGroup{Values: g.values, Last: g.last, State: g.state, Since: g.since, Told: g.told, Value: g.value, Sample: string(g.sample), LateUntil: g.lateUntil, Held: g.held}
			for _, c := range g.cells {
				s.Cells = append(s.Cells, c.at, c.n)
			}
			a.Groups = append(a.Groups, s)
		}
		all[r.Name] = a
	}
	return all
}

// restore takes over what was saved at a time, which lies in the future where the clock
// was set back meanwhile. It returns the ends of the alerts that fire in it and that
// nobody watches any more.
func (e *engine) restore(all map[string]savedAlert, at int64) (changes []Change) {
	now := e.now
	e.now = max(now, at)
	watched := make(map[string]bool)
	for _, w := range e.watches {
		a, ok := all[w.rule.Name]
		if !ok || a.Identity != w.rule.identity() {
			continue
		}
		watched[w.rule.Name] = true
		w.from = a.From
		for i := range a.Groups {
			e.restoreGroup(w, &a.Groups[i])
		}
	}
	e.clock(time.Unix(0, now))
	for name, a := range all {
		if watched[name] {
			continue
		}
		for i := range a.Groups {
			if s := &a.Groups[i]; s.State == Firing {
				changes = append(changes, ended(name, &a, s, now))
			}
		}
	}
	return changes
}

func (e *engine) restoreGroup(w *watch, s *savedGroup) {
	if len(s.Values) != len(w.rule.By) || len(w.groups) >= maxGroups {
		return
	}
	key := joinKey(s.Values)
	g := w.groups[key]
	if g == nil {
		g = w.add(key)
	}
	g.last, g.state, g.since, g.told, g.value = s.Last, s.State, s.Since, s.Told, s.Value
	g.sample, g.lateUntil, g.held = []byte(s.Sample), s.LateUntil, s.Held
	g.cells = g.cells[:0]
	for i := 0; i+1 < len(s.Cells); i += 2 {
		g.cells = append(g.cells, cell{s.Cells[i], s.Cells[i+1]})
	}
	e.remember(w, len(g.cells))
	w.push(g)
}

// ended is the end of an alert whose rule is gone.
func ended(name string, a *savedAlert, s *savedGroup, now int64) Change {
	r := &Rule{Name: name, Notify: a.Notify, Severity: a.Severity, Labels: a.Labels, Silent: a.Silent}
	c := Change{Rule: r, Values: s.Values, State: Inactive, Started: time.Unix(0, s.Since).UTC(), Ended: time.Unix(0, now).UTC(),
		Value: s.Value, Note: "the alert was removed from the configuration or changed", by: append([]string{}, a.By...)}
	return c
}

// listenFrom makes silence begin at a time where there was none before: nobody has
// listened.
func (e *engine) listenFrom(now time.Time) {
	for _, w := range e.watches {
		if w.rule.Condition.lower() {
			w.from = now.UnixNano()
		}
	}
}

// errDamaged is that the file holds no state.
var errDamaged = errors.New("damaged")

// readState reads the file. fs.ErrNotExist where there is none.
func readState(fsys vfs.FS, path string) (*savedState, error) {
	text, err := vfs.ReadFile(fsys, path, maxStateFile)
	if err != nil && !errors.Is(err, vfs.ErrTooLarge) {
		return nil, err
	}
	var s savedState
	if err := json.Unmarshal(text, &s); err != nil { // also of one too large, of which nothing is read
		return nil, fmt.Errorf("%s is %w: %w; remove it, and alerts begin anew", path, errDamaged, err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("%s is of version %d, and this program knows version %d; remove it, and alerts begin anew", path, s.Version, stateVersion)
	}
	return &s, nil
}

// loadState reads the file where it is one of this log. One that is damaged is set
// aside: messages are worth more than what alerts remember of them, so that it is no
// reason not to start.
func loadState(fsys vfs.FS, path string, id [16]byte, logger zerolog.Logger) (*savedState, error) {
	s, err := readState(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, errDamaged) {
		logger.Warn().Err(err).Str("to", filepath.Base(path)+".bad").Msg("the state of alerts is set aside: they begin anew")
		if err = fsys.Rename(path, path+".bad"); err == nil {
			return nil, nil // what is saved next syncs the folder
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of alerts: %w", vfs.Denied(err))
	}
	if s.Log != hex.EncodeToString(id[:]) {
		s.Position = 0 // what fires is told to have ended; nothing else counts here
	}
	return s, nil
}
