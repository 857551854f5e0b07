package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// passworded is a ClickHouse server with one user, whose password may be changed:
// the embedded engine of a daemon behind an HTTP server that asks for it. The
// embedded ClickHouse itself has no users.
type passworded struct {
	password atomic.Value
	refused  atomic.Int64
	server   *httptest.Server
}

func newPassworded(t *testing.T, d *daemon) *passworded {
	key, err := os.ReadFile(filepath.Join(d.dir, "run", "engine.key"))
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(d.dir, "run", "engine.sock")
	p := &passworded{}
	engine := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine"
			r.Out.Header.Del("Authorization")
			r.Out.Header.Set("X-ClickHouse-User", "default")
			r.Out.Header.Set("X-ClickHouse-Key", strings.TrimSpace(string(key)))
		},
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
	}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("X-ClickHouse-Key")
		if _, password, ok := r.BasicAuth(); ok {
			given = password
		}
		if given == p.password.Load() {
			engine.ServeHTTP(w, r)
			return
		}
		// What ClickHouse answers (Server/HTTPHandler.cpp).
		p.refused.Add(1)
		w.Header().Set("X-ClickHouse-Exception-Code", "516")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintln(w, "Code: 516. DB::Exception: nfstats: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)")
	}))
	t.Cleanup(p.server.Close)
	return p
}

// TestPasswordChangedWhileRunning changes the password in ClickHouse, and then back.
func TestPasswordChangedWhileRunning(t *testing.T) {
	engine := newDaemon(t)
	engine.start()
	server := newPassworded(t, engine)
	server.password.Store("first")
	d := newDaemon(t, "NFSTATS_COLLECTOR_NAME=other", "NFSTATS_STORE_CLICKHOUSE=http://nfstats:first@"+strings.TrimPrefix(server.server.URL, "http://"))
	d.start()
	d.send("127.0.0.7", v5Datagram(0, 30))
	const stored = "SELECT count() FROM flows WHERE collector = 'other'"
	engine.expectNumber("the first flows are stored", stored, 30)

	server.password.Store("second")
	for i := range 20 {
		d.send("127.0.0.7", v5Datagram(uint32(30+30*i), 30))
	}
	d.eventually("the status tells why", func() error {
		s, err := d.journalOf()
		if err == nil && (s.Ready || s.Journal.WaitingDatagrams != 20 || !strings.Contains(s.Journal.Reason, "Authentication failed")) {
			err = fmt.Errorf("%+v", s)
		}
		return err
	})
	d.eventually("it goes on trying", func() error {
		if n := server.refused.Load(); n < 4 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
	engine.expectNumber("nothing more is stored", stored, 30)
	d.eventually("the log tells why", func() error {
		if !strings.Contains(d.log.String(), "flows cannot be stored now") {
			return fmt.Errorf("no such line")
		}
		return nil
	})
	if strings.Contains(d.log.String(), "first") {
		t.Error("the log shows the password")
	}

	server.password.Store("first")
	engine.expectNumber("what waited is stored", stored, 630)
	d.eventually("all is well again", func() error {
		if s, err := d.journalOf(); err != nil || !s.Ready || s.Journal.WaitingDatagrams > 0 {
			return fmt.Errorf("%+v %v", s, err)
		}
		return nil
	})
}

// tinyRecords is an IPFIX datagram of n flows to a port in few octets: octets and
// destination port.
func tinyRecords(port uint16, n int) []byte {
	header := []byte{0, 10, 0, 0, 0x69, 0x55, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 6,
		0, 2, 0, 16, 1, 1, 0, 2, 0, 1, 0, 2, 0, 11, 0, 2}
	datagram := binary.BigEndian.AppendUint16(header, 257)
	datagram = binary.BigEndian.AppendUint16(datagram, uint16(4+4*n))
	for i := range n {
		datagram = binary.BigEndian.AppendUint16(datagram, uint16(i))
		datagram = binary.BigEndian.AppendUint16(datagram, port)
	}
	binary.BigEndian.PutUint16(datagram[2:], uint16(len(datagram)))
	return datagram
}

// TestRefusedPartOfALargeBlock sends a block that is inserted in parts, of which
// ClickHouse refuses the second.
func TestRefusedPartOfALargeBlock(t *testing.T) {
	d := newDaemon(t, "NFSTATS_COLLECTOR_BLOCK_AGE=5s")
	d.start()
	d.admin("ALTER TABLE nfstats.flows ADD CONSTRAINT no_discard CHECK dst_port != 9")
	const each, datagrams, bad = 2048, 200, 150 // parts end at 250,000 flows
	for i := range datagrams {
		port := uint16(443)
		if i == bad {
			port = 9
		}
		d.send("127.0.0.7", tinyRecords(port, each))
	}
	refused := 0.0
	d.eventually("a part is set aside", func() (err error) {
		refused, err = d.metric("nfstats_store_refused_flows_total")
		if err == nil && refused == 0 {
			err = fmt.Errorf("none")
		}
		return err
	})
	if refused < each || refused > each*(datagrams-1) {
		t.Fatalf("%v flows of %d were set aside, want those of one part", refused, each*datagrams)
	}
	d.expectNumber("the other part is stored", "SELECT count() FROM flows", uint64(each*datagrams-refused))
	d.kill()
	d.start()
	time.Sleep(2 * time.Second)
	d.expectNumber("and not again after a kill", "SELECT count() FROM flows", uint64(each*datagrams-refused))
	d.admin("ALTER TABLE nfstats.flows DROP CONSTRAINT no_discard")
	id := d.onlyRefused()
	d.eventually("the replay works", func() error {
		out, err := d.command("journal", "replay", id).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	d.expectNumber("each flow is there", "SELECT count() FROM flows", each*datagrams)
	d.expectNumber("those to port 9 as well", "SELECT count() FROM flows WHERE dst_port = 9", each)
}

// onlyRefused returns the ID of the one block that is set aside.
func (d *daemon) onlyRefused() string {
	d.t.Helper()
	list, err := d.command("journal", "list").CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(list)), "\n")
	if err != nil || len(lines) != 2 {
		d.t.Fatalf("journal list: %v\n%s", err, list)
	}
	return strings.Fields(lines[1])[0]
}

// TestReplayThatIsInterrupted breaks replays off before, within and after the
// insert, and repeats them.
func TestReplayThatIsInterrupted(t *testing.T) {
	d := newDaemon(t)
	d.start()
	d.admin("ALTER TABLE nfstats.flows ADD CONSTRAINT no_discard CHECK dst_port != 9")
	const flows = 300 * 2048 // three parts
	for range flows / 2048 {
		d.send("127.0.0.7", tinyRecords(9, 2048))
	}
	d.eventually("the blocks are set aside", func() error {
		if n, err := d.metric("nfstats_store_refused_flows_total"); err != nil || n != flows {
			return fmt.Errorf("%v flows, %v", n, err)
		}
		return nil
	})
	d.admin("ALTER TABLE nfstats.flows DROP CONSTRAINT no_discard")
	list, err := d.command("journal", "list").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	replay := []string{"journal", "replay"}
	for line := range strings.Lines(string(list)) {
		if id := strings.Fields(line)[0]; id != "ID" {
			replay = append(replay, id)
		}
	}
	for after := 50 * time.Millisecond; after < 800*time.Millisecond; after += 150 * time.Millisecond {
		cmd := d.command(replay...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		cmd.Process.Kill()
		cmd.Wait()
	}
	// Stored, and not rolled up: the table is away.
	d.admin("RENAME TABLE nfstats.flows_1m TO nfstats.elsewhere")
	d.command(replay...).Run()
	d.admin("RENAME TABLE nfstats.elsewhere TO nfstats.flows_1m")
	d.eventually("the replay ends", func() error {
		out, err := d.command("journal", "list").CombinedOutput()
		if err == nil && strings.Contains(string(out), "no block was refused") {
			return nil
		}
		for line := range strings.Lines(string(out)) {
			if id := strings.Fields(line)[0]; id != "ID" {
				d.command("journal", "replay", id).Run()
			}
		}
		return fmt.Errorf("%w: %s", err, out)
	})
	d.expectNumber("each flow is there once", "SELECT count() FROM flows WHERE dst_port = 9", flows)
	d.expectNumber("and rolled up once", "SELECT sum(flows) FROM flows_1m", flows)
}
