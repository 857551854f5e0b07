package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const webDir = "../../httpui/web"

// TestPageInBrowser runs the browser tests against the program: one daemon with
// flows, one that waits for the first.
func TestPageInBrowser(t *testing.T) {
	if !exists("/usr/bin/chromium") {
		lacking(t, "no browser (Debian package chromium)")
	}
	if !exists(webDir + "/node_modules/playwright-core") {
		lacking(t, "no playwright-core (make web-tools fetches it)")
	}
	archived := t.TempDir()
	if err := os.Mkdir(filepath.Join(archived, "2026"), 0o700); err != nil {
		t.Fatal(err)
	}
	flowToolsFile(t, filepath.Join(archived, "2026", "ft-whole"), 40)
	flowToolsFile(t, filepath.Join(archived, "2026", "ft-cut"), 20)
	if err := os.Truncate(filepath.Join(archived, "2026", "ft-cut"), 24+64*15+3); err != nil {
		t.Fatal(err)
	}
	d, empty := newDaemon(t, "NFSTATS_IMPORT_FOLDER="+archived), newDaemon(t)
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
	for _, name := range tests {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".test.mjs"), func(t *testing.T) {
			cmd := exec.Command("node", "--test", "--test-reporter=spec", "e2e/"+filepath.Base(name))
			cmd.Dir = webDir
			cmd.Env = append(os.Environ(), "NFSTATS_URL="+d.http, "NFSTATS_EMPTY_URL="+empty.http)
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Errorf("browser tests: %v", err)
			}
		})
	}
}

// betweenInterfaces gives the records of a v5 datagram input interfaces 1 to 3 and output interfaces 4 and 5.
func betweenInterfaces(datagram []byte) []byte {
	for i := range (len(datagram) - 24) / 48 {
		record := datagram[24+48*i:]
		record[13], record[15] = byte(1+i%3), byte(4+i%2)
	}
	return datagram
}
