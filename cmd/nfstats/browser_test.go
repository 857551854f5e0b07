package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const webDir = "../../httpui/web"

// browserTests runs a file of browser tests, httpui/web/e2e/name.test.mjs, against
// the daemons that env names.
func browserTests(t *testing.T, name string, env ...string) {
	t.Helper()
	cmd := exec.Command("node", "--test", "--test-reporter=spec", "e2e/"+name+".test.mjs")
	cmd.Dir = webDir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("browser tests: %v", err)
	}
}

// browser skips the test where there is none. Tests of the browser run beside each
// other: they wait a lot.
func browser(t *testing.T) {
	t.Helper()
	if !exists("/usr/bin/chromium") {
		lacking(t, "no browser (Debian package chromium)")
	}
	if !exists(webDir + "/node_modules/playwright-core") {
		lacking(t, "no playwright-core (make web-tools fetches it)")
	}
}

// TestPageInBrowser runs the browser tests against the program: one daemon with
// flows, one that waits for the first.
func TestPageInBrowser(t *testing.T) {
	browser(t)
	t.Parallel()
	archived := t.TempDir()
	if err := os.Mkdir(filepath.Join(archived, "2026"), 0o700); err != nil {
		t.Fatal(err)
	}
	flowToolsFile(t, filepath.Join(archived, "2026", "ft-whole"), 40)
	flowToolsFile(t, filepath.Join(archived, "2026", "ft-cut"), 20)
	if err := os.Truncate(filepath.Join(archived, "2026", "ft-cut"), 24+64*15+3); err != nil {
		t.Fatal(err)
	}
	d, empty := newDaemon(t, "NFSTATS_IMPORT_FOLDER="+archived, "NFSTATS_HTTP_WHOIS="+registry(t)), newDaemon(t)
	empty.env = append(empty.env, "NFSTATS_COLLECTOR_LISTEN="+strings.Replace(empty.udp, "127.0.0.1", "127.0.0.9", 1)+","+empty.udp)
	d.start()
	empty.start()
	for i, exporter := range []string{"127.0.0.7", "127.0.0.8"} {
		d.send(exporter, betweenInterfaces(v5Datagram(0, 30-10*i)))
	}
	d.expectNumber("the flows are stored", "SELECT count() FROM flows", 50)
	later := v5Datagram(30, 10)
	for i := range 10 {
		later[24+48*i+41] = byte(i) // source AS 64500 becomes others
	}
	time.Sleep(1100 * time.Millisecond) // a second point of the chart
	d.send("127.0.0.7", betweenInterfaces(later))
	d.expectNumber("the flows are stored", "SELECT count() FROM flows", 60)

	// Charts end with the last whole minute.
	time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(61 * time.Second)))

	tests, err := filepath.Glob(webDir + "/e2e/*.test.mjs")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no browser tests in %s: %v", webDir, err)
	}
	for _, file := range tests {
		name := strings.TrimSuffix(filepath.Base(file), ".test.mjs")
		if slices.Contains([]string{"access", "demo", "implausible"}, name) {
			continue // they want other daemons: below
		}
		t.Run(name, func(t *testing.T) { browserTests(t, name, "NFSTATS_URL="+d.http, "NFSTATS_EMPTY_URL="+empty.http) })
	}
}

// TestLoginInBrowser runs the browser tests of users and roles.
func TestLoginInBrowser(t *testing.T) {
	browser(t)
	t.Parallel()
	users := ""
	for name, role := range map[string]string{"ada": "admin", "vera": "viewer"} {
		hash, err := bcrypt.GenerateFromPassword([]byte("words of "+name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		users += fmt.Sprintf("    - {name: %s, password_bcrypt: %q, role: %s}\n", name, hash, role)
	}
	const hosts = "snmp:\n  credentials:\n    - {name: silent, community: nobody}\n  devices:\n    - {address: 127.0.0.7, credential: silent}\n"
	config := filepath.Join(t.TempDir(), "nfstats.yaml")
	if err := os.WriteFile(config, []byte("http:\n  users:\n"+users+hosts), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDaemon(t)
	d.run("serve", "--config", config)
	d.eventually("the daemon answers", func() error { _, err := d.get(d.http + "/healthz"); return err })
	browserTests(t, "access", "NFSTATS_URL="+d.http)
}

// TestDemoInBrowser runs the browser tests that want a network with SNMP: one
// router announces a wrong sampling rate.
func TestDemoInBrowser(t *testing.T) {
	browser(t)
	t.Parallel()
	d := newDaemon(t)
	d.demo("--history", "31m", "--fault", "core1:announced=100")
	browserTests(t, "demo", "NFSTATS_URL="+d.http)
}

// betweenInterfaces gives the records of a v5 datagram input interfaces 1 to 3 and output interfaces 4 and 5.
func betweenInterfaces(datagram []byte) []byte {
	for i := range (len(datagram) - 24) / 48 {
		record := datagram[24+48*i:]
		record[13], record[15] = byte(1+i%3), byte(4+i%2)
	}
	return datagram
}

// registry answers whois questions (RFC 3912) until the test ends.
func registry(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			subject, _ := bufio.NewReader(conn).ReadString('\n')
			fmt.Fprintf(conn, "%% a comment\r\nsubject: %s\r\nnetname: <b>EXAMPLE</b>\r\n", strings.TrimSpace(subject))
			conn.Close()
		}
	}()
	return l.Addr().String()
}
