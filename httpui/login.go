package httpui

import (
	"math"
	"net/http"
	"net/netip"
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
	from := loginFrom(r)
	device, deviceID := s.gate.devices.find(r, input.Name)
	lane := s.gate.strangers
	if device != "" || from.here {
		lane = s.gate.trusted
	}
	if !lane.enter() {
		s.busy(w, r)
		return
	}
	defer lane.leave()
	limits := limitsOf(from, input.Name, device)
	if wait := s.gate.attempts.begin(limits); wait > 0 {
		s.metrics.logins.WithLabelValues("limited").Inc()
		s.tryLater(w, r, http.StatusTooManyRequests, wait, "Too many logins failed. Wait "+
			strconv.Itoa(int(math.Ceil(wait.Minutes())))+" minutes, or log in on the machine itself.")
		return
	}
	var user User
	ok := false
	if !lane.compare(r.Context(), func() { user, ok = s.gate.check(input.Name, input.Password) }) {
		s.gate.attempts.succeeded(limits) // nothing was guessed
		s.busy(w, r)
		return
	}
	if !ok {
		s.loginFailed(r, input.Name, from.address)
		s.fail(w, r, http.StatusUnauthorized, wrongLogin)
		return
	}
	s.gate.attempts.succeeded(limits)
	s.loggedIn(w, r, user, deviceID)
}

// tryLater refuses a login for a time.
func (s *Server) tryLater(w http.ResponseWriter, r *http.Request, code int, wait time.Duration, why string) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	s.fail(w, r, code, why)
}

// busy refuses a login while too many others wait.
func (s *Server) busy(w http.ResponseWriter, r *http.Request) {
	s.metrics.logins.WithLabelValues("busy").Inc()
	s.tryLater(w, r, http.StatusServiceUnavailable, time.Second, "Too many logins at once. Try again.")
}

// loginFailed counts a failed login and logs it, unless there are too many to log.
func (s *Server) loginFailed(r *http.Request, name string, from netip.Addr) {
	s.metrics.logins.WithLabelValues("failed").Inc()
	if leftOut, ok := s.failures.Due(failure{from, name}); ok {
		s.deps.Logger.Warn("a login failed", zap.String("user", name), zap.Stringer("from", from),
			zap.String("request_id", requestID(r)), zap.Int("left_out", leftOut))
	}
}

// loggedIn answers a right login with a session, and knows the device from now on.
func (s *Server) loggedIn(w http.ResponseWriter, r *http.Request, user User, deviceID string) {
	s.metrics.logins.WithLabelValues("ok").Inc()
	s.endSession(r)
	id, expires, err := s.gate.sessions.start(user)
	if err != nil { // it holds until the daemon stops
		s.deps.Logger.Warn("sessions will not survive a restart", zap.Error(err))
	}
	setCookie(w, r, id, expires)
	if deviceID, err = s.gate.devices.remember(user.Name, deviceID); err != nil {
		s.deps.Logger.Warn("known devices will be forgotten at a restart", zap.Error(err))
	}
	setDeviceCookie(w, r, user.Name, deviceID)
	s.deps.Logger.Info("logged in", zap.String("user", user.Name), zap.Stringer("from", clientOf(r)))
	s.sendJSON(w, r, http.StatusOK, sessionAnswer{identity: identity{Name: user.Name, Role: user.Role}, LoginRequired: true})
}

// wrongLogin does not tell whether the name exists.
const wrongLogin = "Name or password is wrong."

// failure is a kind of failed login, of which a line a minute is logged.
type failure struct {
	from netip.Addr
	name string
}

// check compares a password. Names that nobody has take as long as others.
func (g *gate) check(name, password string) (User, bool) {
	if len(g.users) == 0 {
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
