package httpui

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

const (
	sessionLife = 7 * 24 * time.Hour
	maxSessions = 4096 // of all users; beyond, the oldest goes
)

// session is somebody who logged in.
type session struct {
	Name    string    `json:"name"`
	Proof   string    `json:"proof"` // of the password it was opened with
	Expires time.Time `json:"expires"`
}

// sessions are those that are open, by the SHA-256 of their id: whoever reads
// the file has no session by it.
type sessions struct {
	file string // "": not kept
	mu   sync.Mutex
	open map[string]session
}

// openSessions reads the sessions of an earlier run.
func openSessions(file string) (*sessions, error) {
	open, err := readKept[session](file, "sessions")
	return &sessions{file: file, open: open}, err
}

func digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// find returns whose session an id is.
func (s *sessions) find(id string) (name, proof string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.open[digest(id)]
	if !ok || time.Now().After(found.Expires) {
		return "", "", false
	}
	return found.Name, found.Proof, true
}

// start opens a session and returns its id, which is always a new one: an id
// that somebody planted in a browser is worth nothing after the login.
func (s *sessions) start(u User) (id string, expires time.Time, err error) {
	id, expires = rand.Text()+rand.Text(), time.Now().Add(sessionLife).Truncate(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, other := range s.open {
		if time.Now().After(other.Expires) {
			delete(s.open, key)
		}
	}
	if len(s.open) >= maxSessions {
		oldest, first := "", time.Time{}
		for key, other := range s.open {
			if oldest == "" || other.Expires.Before(first) {
				oldest, first = key, other.Expires
			}
		}
		delete(s.open, oldest)
	}
	s.open[digest(id)] = session{Name: u.Name, Proof: proofOf(u), Expires: expires}
	return id, expires, s.save()
}

// end closes a session.
func (s *sessions) end(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.open[digest(id)]; !known {
		return nil
	}
	delete(s.open, digest(id))
	return s.save()
}

func (s *sessions) save() error { return writeKept(s.file, "sessions", s.open) }

// cookieName returns the name of the session's cookie. Under TLS browsers take
// one called __Host- only from this host itself (RFC 6265bis §4.1.3.2), so that
// nobody beside can plant one.
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-nfstats"
	}
	return "nfstats"
}

// setCookie gives the browser a session; id "" takes it back.
func setCookie(w http.ResponseWriter, r *http.Request, id string, expires time.Time) {
	cookie := &http.Cookie{Name: cookieName(r), Value: id, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode, Expires: expires}
	if id == "" {
		cookie.MaxAge, cookie.Expires = -1, time.Time{}
	}
	http.SetCookie(w, cookie)
}
