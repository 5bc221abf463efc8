package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/search"
)

// Role is what a client may do.
type Role string

const (
	// RoleRead may ask all of /api/v1.
	RoleRead Role = "read"
	// RoleAdmin may ask for everything: metrics, too, and the reasons of health.
	RoleAdmin Role = "admin"
)

// Client is one who may ask, known by a token.
type Client struct {
	// Name is for the log.
	Name  string        `toml:"name"`
	Token config.Secret `toml:"token"`
	Role  Role          `toml:"role" enum:"read,admin"`
}

// Limits of one client: one name, or without tokens one address.
const (
	// clientRate and clientBurst are requests a second.
	clientRate  = 50
	clientBurst = 100
	// clientTails is how many tails run at once for one client.
	clientTails = 8
	// maxClients is how many are remembered; beyond it those that are idle are
	// forgotten.
	maxClients = 1024
)

// CheckClients returns an error where a client has no name, token or role, or two
// have the same.
func CheckClients(clients []Client) error {
	names, tokens := map[string]bool{}, map[string]bool{}
	for _, c := range clients {
		switch {
		case c.Name == "":
			return fmt.Errorf("a client has no name")
		case c.Token.Empty():
			return fmt.Errorf("client %q has no token", c.Name)
		case c.Role != RoleRead && c.Role != RoleAdmin:
			return fmt.Errorf("client %q has the role %q; want %q or %q", c.Name, c.Role, RoleRead, RoleAdmin)
		case names[c.Name] || tokens[c.Token.Value()]:
			return fmt.Errorf("client %q has the name or the token of another", c.Name)
		}
		names[c.Name], tokens[c.Token.Value()] = true, true
	}
	return nil
}

// caller is who sends a request.
type caller struct {
	name string
	role Role
}

// identify returns who sends a request. Without tokens everyone who reaches the
// server may do everything. Hashes are compared, for they are of one length, and all
// of them, for the time it takes tells nothing.
func (s *Server) identify(r *http.Request) (c caller, ok bool) {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	if !s.tokens() {
		return caller{address, RoleAdmin}, true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	for _, client := range s.cfg.Clients {
		want := sha256.Sum256([]byte(client.Token.Value()))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			c, ok = caller{client.Name, client.Role}, true
		}
	}
	return c, ok && strings.EqualFold(scheme, "Bearer")
}

// tokens tells whether clients must bring one.
func (s *Server) tokens() bool { return len(s.cfg.Clients) > 0 }

// trusted tells whether the request may be told what is wrong.
func (s *Server) trusted(r *http.Request) bool {
	c, ok := s.identify(r)
	return ok && c.role == RoleAdmin
}

// allow serves those who have a role, within their limits. A page of another site that
// a user's browser shows is none of them: it could not read the answer, but make it cost.
func (s *Server) allow(role Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := s.identify(r)
		switch {
		case r.Header.Get("Sec-Fetch-Site") == "cross-site":
			writeFailure(w, http.StatusForbidden, search.Failure{Message: "requests that a browser sends for a page of another site are not answered"})
			return
		case !ok:
			w.Header().Set("WWW-Authenticate", `Bearer realm="syslane"`)
			writeFailure(w, http.StatusUnauthorized, search.Failure{Message: "a token is needed: Authorization: Bearer TOKEN"})
			return
		case role == RoleAdmin && c.role != RoleAdmin:
			writeFailure(w, http.StatusForbidden, search.Failure{Message: fmt.Sprintf("client %s has the role %s, and this is for %s", c.name, c.role, RoleAdmin)})
			return
		}
		use := s.usage.of(c.name)
		if !use.requests.Allow() {
			s.metrics.refuse("busy")
			w.Header().Set("Retry-After", "1")
			writeFailure(w, http.StatusTooManyRequests, search.Failure{
				Message: fmt.Sprintf("more than %d requests a second; try again", clientRate)})
			return
		}
		asked := &request{usage: use}
		defer asked.end()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, asked)))
	})
}

type requestKey struct{}

// request is one that is served.
type request struct {
	*usage
	ends []func()
}

// atEnd has f called when the request is answered.
func (r *request) atEnd(f func()) { r.ends = append(r.ends, f) }

func (r *request) end() {
	for _, f := range r.ends {
		f()
	}
}

// usage is what one client uses now.
type usage struct {
	requests *rate.Limiter
	searches chan struct{} // a slot for each search of it that may run
	tails    chan struct{}
	last     time.Time // of the last request; guarded by usages
}

func requestOf(r *http.Request) *request { return r.Context().Value(requestKey{}).(*request) }

// usages are those of all clients.
type usages struct {
	searches int // that one client may have

	mu sync.Mutex
	by map[string]*usage
}

func (u *usages) of(name string) *usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	use := u.by[name]
	if use == nil {
		if u.by == nil {
			u.by = make(map[string]*usage)
		}
		if len(u.by) >= maxClients {
			for other, o := range u.by {
				if len(o.searches) == 0 && len(o.tails) == 0 && time.Since(o.last) > time.Minute {
					delete(u.by, other)
				}
			}
		}
		use = &usage{requests: rate.NewLimiter(clientRate, clientBurst),
			searches: make(chan struct{}, u.searches), tails: make(chan struct{}, clientTails)}
		u.by[name] = use
	}
	use.last = time.Now()
	return use
}

// take takes a slot of a client and one of the server. release gives both back.
func take(own, all chan struct{}) (release func(), ok bool) {
	select {
	case own <- struct{}{}:
	default:
		return nil, false
	}
	select {
	case all <- struct{}{}:
		return func() { <-all; <-own }, true
	default:
		<-own
		return nil, false
	}
}
