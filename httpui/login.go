package httpui

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"
)

// maxUserName and maxPassword bound what is compared, in octets. bcrypt reads 72
// octets of a password.
const (
	maxUserName = 128
	maxPassword = 1024
)

// sessionAnswer is GET /api/v1/session.
type sessionAnswer struct {
	identity
	LoginRequired bool `json:"login_required"`
}

// session answers GET /api/v1/session: who asks.
func (s *Server) session(r *http.Request) (any, error) {
	return sessionAnswer{identity: s.gate.identify(r), LoginRequired: !s.gate.open()}, nil
}

// login answers POST /api/v1/login {name, password} with a session.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	var input struct{ Name, Password string }
	if err := readInput(r, &input); err != nil {
		s.refuse(w, r, badRequest("The input is not an object with name and password."))
		return
	}
	if len(input.Name) > maxUserName || len(input.Password) > maxPassword {
		s.fail(w, r, http.StatusUnauthorized, wrongLogin)
		return
	}
	client := clientOf(r)
	if wait := s.gate.attempts.begin(client, input.Name); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		s.fail(w, r, http.StatusTooManyRequests, "Too many logins failed. Wait "+strconv.Itoa(int(math.Ceil(wait.Minutes())))+" minutes.")
		return
	}
	user, ok := s.gate.check(r, input.Name, input.Password)
	if !ok {
		s.deps.Logger.Warn("a login failed", zap.String("user", input.Name), zap.Stringer("from", client), zap.String("request_id", requestID(r)))
		s.fail(w, r, http.StatusUnauthorized, wrongLogin)
		return
	}
	s.gate.attempts.succeeded(client, input.Name)
	s.endSession(r)
	id, expires, err := s.gate.sessions.start(user)
	if err != nil { // it holds until the daemon stops
		s.deps.Logger.Warn("sessions will not survive a restart", zap.Error(err))
	}
	setCookie(w, r, id, expires)
	s.deps.Logger.Info("logged in", zap.String("user", user.Name), zap.Stringer("from", client))
	s.sendJSON(w, r, http.StatusOK, sessionAnswer{identity: identity{Name: user.Name, Role: user.Role}, LoginRequired: true})
}

// wrongLogin does not tell whether the name exists.
const wrongLogin = "Name or password is wrong."

// check compares a password. Names that nobody has take as long as others.
func (g *gate) check(r *http.Request, name, password string) (User, bool) {
	if len(g.users) == 0 {
		return User{}, false
	}
	select {
	case g.hashing <- struct{}{}:
		defer func() { <-g.hashing }()
	case <-r.Context().Done():
		return User{}, false
	}
	user, known := g.users[name]
	hash := g.unknown
	if known {
		hash = []byte(user.PasswordBcrypt)
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	return user, known && err == nil
}

// logout answers POST /api/v1/logout: the session ends here, too, not only in
// the browser.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	s.endSession(r)
	setCookie(w, r, "", time.Time{})
	s.sendJSON(w, r, http.StatusOK, sessionAnswer{LoginRequired: !s.gate.open()})
}

// endSession closes the session that a request came with.
func (s *Server) endSession(r *http.Request) {
	for _, cookie := range r.CookiesNamed(cookieName(r)) {
		if err := s.gate.sessions.end(cookie.Value); err != nil {
			s.deps.Logger.Warn("an ended session may be back after a restart", zap.Error(err))
		}
	}
}
