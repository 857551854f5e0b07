package httpui

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"
)

// Devices that a user logged in from are known for a year, and the latest 32 of
// each user.
const (
	knownLife  = 365 * 24 * time.Hour
	maxDevices = 32
)

// knownDevice is a browser that a user logged in from.
type knownDevice struct {
	Name string    `json:"name"` // of the user
	Used time.Time `json:"used"` // for a login
}

// knownDevices are by the SHA-256 of their id, as sessions are. They open nothing:
// to them only other limits of failed logins apply.
type knownDevices struct {
	file    string // "": not kept
	mu      sync.Mutex
	devices map[string]knownDevice
}

// openKnownDevices reads the devices of an earlier run.
func openKnownDevices(file string) (*knownDevices, error) {
	devices, err := readKept[knownDevice](file, "known devices")
	return &knownDevices{file: file, devices: devices}, err
}

// find returns the digest of the device of a user that a request comes from, and
// its id; "" for a stranger's.
func (k *knownDevices) find(r *http.Request, name string) (key, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, cookie := range r.CookiesNamed(deviceCookie(r, name)) {
		key := digest(cookie.Value)
		if d, ok := k.devices[key]; ok && d.Name == name && time.Since(d.Used) < knownLife {
			return key, cookie.Value
		}
	}
	return "", ""
}

// remember keeps the device that a user logged in from; id "" stands for a new
// one. It returns the id. Where a user has too many, the one unused longest goes.
func (k *knownDevices) remember(name, id string) (string, error) {
	if id == "" {
		id = rand.Text() + rand.Text()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.devices[digest(id)] = knownDevice{Name: name, Used: time.Now()}
	mine, oldest := 0, ""
	for key, d := range k.devices {
		if time.Since(d.Used) >= knownLife {
			delete(k.devices, key)
			continue
		}
		if d.Name != name {
			continue
		}
		mine++
		if oldest == "" || d.Used.Before(k.devices[oldest].Used) {
			oldest = key
		}
	}
	if mine > maxDevices {
		delete(k.devices, oldest)
	}
	return id, writeKept(k.file, "known devices", k.devices)
}

// deviceCookie returns the name of the cookie that makes a device known, one for
// each user of a browser.
func deviceCookie(r *http.Request, name string) string {
	sum := sha256.Sum256([]byte(name))
	return cookieName(r) + "-device-" + hex.EncodeToString(sum[:4])
}

// setDeviceCookie makes the browser a known device of a user. Only requests of
// our own pages carry it.
func setDeviceCookie(w http.ResponseWriter, r *http.Request, name, id string) {
	http.SetCookie(w, &http.Cookie{Name: deviceCookie(r, name), Value: id, Path: "/", HttpOnly: true,
		Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode, MaxAge: int(knownLife / time.Second)})
}
