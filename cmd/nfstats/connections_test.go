package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Strangers who open connections and say little stop neither the pages nor the
// journal, though the daemon may open few files.
func TestConnectionsOfStrangersStopNothing(t *testing.T) {
	for name, c := range map[string]struct {
		files, connections, addresses int
		text                          string
	}{
		"idle, of one address":    {300, 400, 1, ""},
		"slow, of many addresses": {300, 400, 100, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "},
		"idle, of many addresses": {4096, 1000, 250, ""},
		"slow body of one address": {4096, 1000, 1,
			"POST /api/v1/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t, "NFSTATS_COLLECTOR_JOURNAL_SEGMENT_SIZE=1MiB")
			d.limited = fmt.Sprintf("ulimit -n %d", c.files)
			d.start()
			address := strings.TrimPrefix(d.http, "http://")
			for i := range c.connections {
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%c.addresses))}, Timeout: patience}
				conn, err := dialer.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				io.WriteString(conn, c.text) // may fail: it may have been closed to make room
			}
			fresh := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
			for _, path := range []string{"/healthz", "/", "/api/v1/status"} {
				response, err := fresh.Get(d.http + path)
				if err != nil {
					t.Fatalf("%s while strangers keep connections: %v", path, err)
				}
				response.Body.Close()
				if response.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", path, response.Status)
				}
			}
			for i := range 1000 { // more than a segment
				d.send("127.0.0.7", v5Datagram(uint32(30*i), 30))
				if i%100 == 99 { // no more at once than a small socket buffer holds
					d.eventually("the datagrams are received", d.received(i+1))
				}
			}
			d.expectNumber("the flows are stored", "SELECT count() FROM flows", 1000*30)
			if n, err := d.metric("nfstats_http_connections_closed_total"); err != nil || n < float64(c.connections)/4 {
				t.Errorf("%v connections were closed to make room: %v", n, err)
			}
			if log := d.log.String(); strings.Contains(log, "too many open files") {
				t.Error("the daemon ran out of files")
			}
		})
	}
}

// received returns what tells whether n datagrams were received.
func (d *daemon) received(n int) func() error {
	return func() error {
		if got, err := d.metric("nfstats_collector_datagrams_total"); err != nil || int(got) != n {
			return fmt.Errorf("%v of %d datagrams, %v", got, n, err)
		}
		return nil
	}
}

// underLimits makes a command run under limits that a shell sets.
func underLimits(cmd *exec.Cmd, limits string) {
	cmd.Args = append([]string{"sh", "-c", limits + ` && exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}
