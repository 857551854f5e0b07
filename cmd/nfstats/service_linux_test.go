package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// unitFile is the unit that operators install.
const unitFile = "../../configs/nfstats.service"

// mostExposed is the exposure that the unit may have at most, in tenths, by
// systemd's own arithmetic.
const mostExposed = "20"

// TestUnitIsConfined lets systemd judge the unit.
func TestUnitIsConfined(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		lacking(t, "no systemd-analyze (Debian package systemd)")
	}
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true",
		"--threshold="+mostExposed, unitFile).CombinedOutput()
	if err != nil {
		t.Errorf("%v: more exposed than %s tenths:\n%s", err, mostExposed, out)
	}
	if text := string(out); strings.Contains(text, "Unknown") || strings.Contains(text, "Failed to parse") {
		t.Errorf("systemd does not understand the unit:\n%s", out)
	}
}

// TestService runs the unit that operators install under systemd itself: all that
// the daemon does must work in its sandbox.
func TestService(t *testing.T) {
	// The unit's minute is long to wait for.
	s := startService(t, "WatchdogSec=10\n",
		"NFSTATS_LOG_OUTPUT=/var/log/nfstats/nfstats.log", "NFSTATS_IMPORT_FOLDER=/srv")
	fed := s.property("WatchdogTimestampMonotonic")
	s.checkWalls()

	captures, err := filepath.Glob(filepath.Join(corpusDir, "akvorado", "*.pcap"))
	if err != nil || len(captures) == 0 {
		lacking(t, "no corpus: %v", err)
	}
	exporters := replay(t, s.daemon, captures)
	s.expectAllStored(exporters)
	checkAgainstGolden(t, s.daemon, exporters)
	if body, err := s.get(s.http + "/"); err != nil || !strings.Contains(body, "<title>NFStats</title>") {
		t.Errorf("the page: %v %.300s", err, body)
	}

	// Statements that come often are compiled, which needs memory that is executable.
	const compiled = `SELECT sum(number * number + 3 * number) FROM numbers(1000) WHERE number * 3 + 5 > 50
		SETTINGS min_count_to_compile_expression = 0, min_count_to_compile_aggregate_expression = 0`
	out, err := s.asItsUser("/usr/local/bin/nfstats", "sql", "--format", "TSV", compiled)
	if err != nil || out != "334330400" {
		t.Errorf("a compiled statement: %v %s", err, out)
	}

	flowToolsFile(t, filepath.Join(s.folder, "srv", "ft-a"), 100)
	if err := os.Chmod(filepath.Join(s.folder, "srv", "ft-a"), 0o644); err != nil {
		t.Fatal(err)
	}
	if job := s.importHere(`{"path": "ft-a", "format": "flow-tools"}`); job.State != "done" || job.Flows != 100 {
		t.Errorf("import: %+v", job)
	}

	s.killEngines()
	s.send("127.0.0.7", v5Datagram(0, 30))
	s.expectNumber("flows are stored by the next engine",
		"SELECT count() FROM flows WHERE exporter_addr = toIPv6('127.0.0.7')", 30)
	s.checkWalls()

	log := filepath.Join(s.folder, "log", "nfstats", "nfstats.log")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	s.systemctl("reload", "nfstats.service")
	s.eventually("the log file is there again", func() error { _, err := os.Stat(log); return err })
	s.eventually("the watchdog is fed", func() error {
		if now := s.property("WatchdogTimestampMonotonic"); now == fed {
			return fmt.Errorf("last at %s", now)
		}
		return nil
	})
	s.systemctl("stop", "nfstats.service")
	for property, want := range map[string]string{"Result": "success", "ExecMainStatus": "0", "NRestarts": "0"} {
		if got := s.property(property); got != want {
			t.Errorf("after the stop %s is %s, want %s", property, got, want)
		}
	}
	if text := s.serviceLog(); !strings.Contains(text, "nfstats has stopped") {
		t.Errorf("the log after the stop: %s", text)
	}
}

// expectAllStored waits until the datagrams of exporters are stored.
func (s *service) expectAllStored(exporters []replayed) {
	s.t.Helper()
	total := 0
	for _, e := range exporters {
		total += e.Datagrams
	}
	s.eventually("all datagrams are received and stored", func() error {
		received, err := s.metric("nfstats_collector_datagrams_total")
		waiting, err2 := s.metric("nfstats_journal_unstored_datagrams")
		if err := errors.Join(err, err2); err != nil || int(received) != total || waiting != 0 {
			return fmt.Errorf("%v of %d received, %v wait: %w", received, total, waiting, err)
		}
		return nil
	})
}

// killEngines kills the engine processes and waits until others answer.
func (s *service) killEngines() {
	s.t.Helper()
	before, engines := s.daemonAndEngines()
	for _, pid := range engines {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			s.t.Fatal(err)
		}
	}
	s.eventually("the engine is started again", func() error {
		if now := children(before); len(now) == 0 || slices.Contains(now, engines[0]) {
			return fmt.Errorf("engines %v", now)
		}
		_, err := s.get(s.http + "/readyz")
		return err
	})
	if now, _ := s.daemonAndEngines(); now != before {
		s.t.Errorf("the daemon was process %d and is %d", before, now)
	}
}

// checkWalls looks from outside at what holds for the daemon and its engines, and
// from inside at where their user can write and what it can see.
func (s *service) checkWalls() {
	s.t.Helper()
	daemon, engines := s.daemonAndEngines()
	for _, pid := range append(engines, daemon) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000",
			"CapBnd:\t0000000000000000", "Uid:\t64999\t64999\t64999\t64999", "Umask:\t0077"} {
			if !strings.Contains(string(status), want+"\n") {
				s.t.Errorf("process %d is not %q:\n%s", pid, want, status)
			}
		}
	}
	if text := s.serviceLog(); strings.Contains(text, "NOT confined") {
		s.t.Errorf("the engine does not confine itself: %s", text)
	}
	for _, folder := range []string{"/", "/etc", "/usr/local/bin", "/usr/local/lib/nfstats", "/var/lib", "/var/log",
		"/srv", "/run", "/dev", "/home", "/root"} {
		if out, err := s.asItsUser("touch", folder+"/made"); err == nil {
			s.t.Errorf("it can write to %s: %s", folder, out)
		}
	}
	for _, folder := range []string{"/var/lib/nfstats", "/var/log/nfstats", "/tmp"} {
		if out, err := s.asItsUser("touch", folder+"/made"); err != nil {
			s.t.Errorf("it cannot write to %s: %v %s", folder, err, out)
		}
	}
	if out, err := s.asItsUser("ls", "-A", "/tmp"); err != nil || out != "made" {
		s.t.Errorf("it sees others' temporary files: %v %s", err, out)
	}
	for _, path := range []string{"/home", "/root", "/proc/1"} {
		if out, err := s.asItsUser("ls", path); err == nil {
			s.t.Errorf("it sees %s: %s", path, out)
		}
	}
}
