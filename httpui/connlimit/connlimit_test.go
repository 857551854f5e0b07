package connlimit

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = 10 * time.Second // for what happens at once

// server serves a handler behind limits until the test ends.
func server(t *testing.T, total, perAddress int, secure bool, handler http.HandlerFunc) (*httptest.Server, *Listener) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	limited := Listen(s.Listener, total, perAddress)
	s.Listener = limited
	s.EnableHTTP2 = secure
	limited.Watch(s.Config)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, limited
}

// from returns a dialer of an address; 127.0.0.0/8 is all loopback's.
func from(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}
}

// dial opens a connection that lasts until the test ends, and says something.
func dial(t *testing.T, s *httptest.Server, address, text string) net.Conn {
	t.Helper()
	c, err := from(address).Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	io.WriteString(c, text) // may fail: it may have been closed to make room
	return c
}

// get asks over a connection of its own.
func get(s *httptest.Server, address, path string) (string, error) {
	transport := &http.Transport{DialContext: from(address).DialContext, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Get(s.URL + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("this did not come: " + what)
		}
	}
}

// Connections that say nothing, or say it slowly, keep nobody out, neither
// others at their own address nor those elsewhere.
func TestWaitingConnectionsKeepNobodyOut(t *testing.T) {
	for name, text := range map[string]string{
		"silent":      "",
		"slow header": "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"slow body":   "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx",
		"kept alive":  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"not reading": "GET /long HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		for _, addresses := range []int{1, 50} {
			t.Run(fmt.Sprintf("%s from %d", name, addresses), func(t *testing.T) {
				s, limited := server(t, 40, 20, false, func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/body":
						io.Copy(io.Discard, r.Body)
					case "/long":
						io.CopyN(w, zeros{}, 1<<30)
					default:
						io.WriteString(w, "well")
					}
				})
				for i := range 200 {
					dial(t, s, fmt.Sprintf("127.0.1.%d", 1+i%addresses), text)
				}
				for _, address := range []string{"127.0.0.1", "127.0.1.1"} {
					// A moment may pass until the server has seen what each of them says.
					until(t, "an answer to "+address, func() bool {
						text, err := get(s, address, "/")
						return err == nil && text == "well"
					})
				}
				if c := limited.Counts(); c.Open > 40 || c.Closed < 150 {
					t.Errorf("%+v", c)
				}
			})
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// What is at work is not broken off for somebody new, who is refused and counted.
func TestConnectionsAtWorkStay(t *testing.T) {
	for name, c := range map[string]struct{ total, perAddress int }{"of one address": {100, 4}, "of all": {4, 0}} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", name, secure), func(t *testing.T) {
				working, finish := make(chan bool), make(chan bool)
				s, limited := server(t, c.total, c.perAddress, secure, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/work" {
						working <- true
						<-finish
					}
					io.WriteString(w, "done")
				})
				var asking sync.WaitGroup
				for range 4 {
					asking.Go(func() {
						if text, err := get(s, "127.0.0.1", "/work"); err != nil || text != "done" {
							t.Errorf("work was broken off: %q %v", text, err)
						}
					})
					<-working
				}
				if text, err := get(s, "127.0.0.1", "/"); err == nil {
					t.Errorf("there was a place: %q", text)
				}
				counts := limited.Counts()
				byAddress := c.perAddress > 0
				if counts.Open != 4 || counts.Closed != 0 || (counts.RefusedAddress > 0) != byAddress ||
					(counts.RefusedTotal > 0) == byAddress {
					t.Errorf("%+v", counts)
				}
				close(finish)
				asking.Wait()
				until(t, "places back", func() bool { return limited.Counts().Open == 0 })
			})
		}
	}
}

// Whoever has most connections makes room first, not whoever was there first.
func TestTheGreediestMakesRoom(t *testing.T) {
	s, limited := server(t, 10, 0, false, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "well") })
	modest := dial(t, s, "127.0.0.2", "")
	for range 100 {
		dial(t, s, "127.0.0.3", "")
	}
	until(t, "100 connections", func() bool { return limited.Counts().Closed == 91 })
	io.WriteString(modest, "GET / HTTP/1.0\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(modest), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the connection that was there first: %v %v", response, err)
	}
}

func TestClients(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32",
		"2001:db8::1:2:3:4": "2001:db8::/64", "fe80::1%eth0": "fe80::/64", "::1": "::/64",
	} {
		from := netip.AddrPortFrom(netip.MustParseAddr(address), 9)
		if got := clientOf(net.TCPAddrFromAddrPort(from)); got.String() != want {
			t.Errorf("%s counts for %s, want %s", address, got, want)
		}
	}
	if got := clientOf(&net.UnixAddr{Name: "@"}); got.IsValid() {
		t.Errorf("a socket's path counts for %s", got)
	}
}

func TestPlacesLeaveFilesToOthers(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	lower := before
	lower.Cur = 300
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)
	if many, few := Places(512), Places(10); many != 75 || few != 10 {
		t.Errorf("%d and %d places of 300 files, want 75 and 10", many, few)
	}
}
