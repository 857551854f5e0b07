package httpui

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// A Role says what somebody may do.
type Role string

// Viewers read; admins change things, too.
const (
	Viewer Role = "viewer"
	Admin  Role = "admin"
)

// User logs in with a password and gets a session.
type User struct {
	Name           string
	PasswordBcrypt string
	Role           Role
}

// Token opens the API to a program: Authorization: Bearer TOKEN.
type Token struct {
	Name   string
	SHA256 string // of the token, hexadecimal
	Role   Role
}

// Access says who may do what. Without users and tokens everybody is an admin,
// which is why the daemon then listens on loopback only.
type Access struct {
	Users         []User
	Tokens        []Token
	SessionsFile  string // "": sessions end with the daemon
	DevicesFile   string // of known devices; "": they are forgotten with it
	MetricsPublic bool   // /metrics and the reasons of /readyz need no login from elsewhere than loopback
}

// identity is who asks.
type identity struct {
	Name string `json:"name"`
	Role Role   `json:"role"` // "": nobody that is known
}

// gate knows who may do what.
type gate struct {
	users    map[string]User
	tokens   []Token
	unknown  []byte // hash that the passwords of unknown names are compared with
	sessions *sessions
	devices  *knownDevices
	attempts *attempts
	metrics  bool // public

	strangers, trusted *lane // where passwords are compared
}

func newGate(a Access) (*gate, error) {
	g := &gate{users: map[string]User{}, tokens: a.Tokens, metrics: a.MetricsPublic,
		strangers: newLane(), trusted: newLane()}
	cost := bcrypt.MinCost
	for _, u := range a.Users {
		c, err := bcrypt.Cost([]byte(u.PasswordBcrypt))
		if err != nil {
			return nil, fmt.Errorf("user %s: the password is no bcrypt hash: %w", u.Name, err)
		}
		cost = max(cost, c)
		g.users[u.Name] = u
	}
	if len(a.Users) > 0 {
		var err error
		if g.unknown, err = bcrypt.GenerateFromPassword([]byte("nobody"), cost); err != nil {
			return nil, fmt.Errorf("prepare the login: %w", err)
		}
	}
	g.attempts = newAttempts(g.users)
	var err error
	if g.sessions, err = openSessions(a.SessionsFile); err != nil {
		return nil, err
	}
	g.devices, err = openKnownDevices(a.DevicesFile)
	return g, err
}

// open reports that there is nobody to tell apart.
func (g *gate) open() bool { return len(g.users) == 0 && len(g.tokens) == 0 }

// identify returns who sent a request. An Authorization header that is not
// right is not made good by a cookie.
func (g *gate) identify(r *http.Request) identity {
	if g.open() {
		return identity{Role: Admin}
	}
	if header := r.Header.Get("Authorization"); header != "" {
		kind, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(kind, "Bearer") {
			return identity{}
		}
		return g.bearer(token)
	}
	for _, cookie := range r.CookiesNamed(cookieName(r)) {
		if name, proof, ok := g.sessions.find(cookie.Value); ok {
			// A user who is gone, or has another password, has no session.
			if u, known := g.users[name]; known && proofOf(u) == proof {
				return identity{Name: u.Name, Role: u.Role}
			}
		}
	}
	return identity{}
}

// bearer compares with every token, whichever fits, in the same time.
func (g *gate) bearer(token string) (who identity) {
	sum := sha256.Sum256([]byte(token))
	text := []byte(hex.EncodeToString(sum[:]))
	for _, t := range g.tokens {
		if subtle.ConstantTimeCompare(text, []byte(strings.ToLower(t.SHA256))) == 1 {
			who = identity{Name: t.Name, Role: t.Role}
		}
	}
	return who
}

// proofOf names a user's password without telling it: sessions hold it, and end
// with the password.
func proofOf(u User) string {
	sum := sha256.Sum256([]byte(u.Name + "\x00" + u.PasswordBcrypt))
	return hex.EncodeToString(sum[:16])
}

// public are the routes that need no login.
var public = map[string]bool{"GET /assets/": true, "GET /login": true, "POST /api/v1/login": true, "POST /api/v1/logout": true,
	"/api/v1/session": true, "GET /healthz": true, "GET /readyz": true}

// reading are the routes that change nothing though their method is not GET.
var reading = map[string]bool{"POST /api/v1/sql": true, "POST /api/v1/login": true, "POST /api/v1/logout": true}

// private are the routes that only admins may read: they show names of files.
var private = map[string]bool{"GET /api/v1/imports": true, "GET /api/v1/imports/files": true, "GET /api/v1/imports/jobs": true}

// guarded lets requests through to whom they are allowed. It decides by the
// route that will serve the request and not by the path's text, and what is not
// known to be public is not.
func (s *Server) guarded(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, route := mux.Handler(r)
		writes := r.Method != http.MethodGet && r.Method != http.MethodHead && !reading[route]
		who := s.gate.identify(r)
		switch {
		case public[route], who.Role == Admin, who.Role == Viewer && !writes && !private[route], route == "GET /metrics" && s.measures(r):
			mux.ServeHTTP(w, r)
		case who.Role == Viewer && private[route]:
			s.fail(w, r, http.StatusForbidden, "Only an admin may see this.")
		case who.Role == Viewer:
			s.fail(w, r, http.StatusForbidden, "You may look, not change. An admin can do this.")
		case !writes && !strings.HasPrefix(r.URL.Path, "/api/") && route != "GET /metrics" && len(s.gate.users) > 0:
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.fail(w, r, http.StatusUnauthorized, "This needs a login.")
		}
	})
}

// measures reports that a request may read /metrics and why the daemon is not
// ready.
func (s *Server) measures(r *http.Request) bool {
	if s.gate.metrics || s.gate.identify(r).Role != "" {
		return true
	}
	return !passedOn(r) && clientOf(r).IsLoopback()
}

// passedOn reports that a request comes from a proxy: then it does not come from
// this machine, whatever its connection says.
func passedOn(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// client is where a login comes from.
type client struct {
	address netip.Addr
	here    bool // this machine
}

// loginFrom tells where a login comes from. A connection of the machine to itself
// has one address at both ends.
func loginFrom(r *http.Request) client {
	from := client{address: clientOf(r)}
	own := from.address.IsLoopback()
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		own = own || local.AddrPort().Addr().Unmap() == from.address
	}
	from.here = own && !passedOn(r)
	return from
}

// clientOf returns the address that a request came from.
func clientOf(r *http.Request) netip.Addr {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	address, _ := netip.ParseAddr(host)
	return address.Unmap()
}
