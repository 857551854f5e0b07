package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
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
	s := startService(t, "WatchdogSec=10\n", "NFSTATS_LOG_OUTPUT=/var/log/nfstats/nfstats.log",
		"NFSTATS_IMPORT_FOLDER=/srv", "NFSTATS_HTTP_WHOIS="+registry(t))
	fed := s.property("WatchdogTimestampMonotonic")
	s.checkWalls()
	s.checkIntake()
	s.checkAnswers()
	s.checkQuestions()
	s.killEngines()
	s.send("127.0.0.7", v5Datagram(0, 30))
	s.expectNumber("flows are stored by the next engine",
		"SELECT count() FROM flows WHERE exporter_addr = toIPv6('127.0.0.7')", 30)
	s.checkWalls()
	s.eventually("the watchdog is fed", func() error {
		if now := s.property("WatchdogTimestampMonotonic"); now == fed {
			return fmt.Errorf("last at %s", now)
		}
		return nil
	})
	s.checkReloadAndStop()
}

// checkIntake sends the flows of a real exporter and imports an archive.
func (s *service) checkIntake() {
	t := s.t.(*testing.T)
	t.Helper()
	captures, err := filepath.Glob(filepath.Join(corpusDir, "akvorado", "*.pcap"))
	if err != nil || len(captures) == 0 {
		lacking(t, "no corpus: %v", err)
	}
	exporters := replay(t, s.daemon, captures)
	s.expectAllStored(exporters)
	checkAgainstGolden(t, s.daemon, exporters)

	archive := filepath.Join(s.folder, "srv", "ft-a")
	flowToolsFile(t, archive, 100)
	if err := os.Chmod(archive, 0o644); err != nil {
		t.Fatal(err)
	}
	if job := s.importHere(`{"path": "ft-a", "format": "flow-tools"}`); job.State != "done" || job.Flows != 100 {
		t.Errorf("import: %+v", job)
	}
}

// checkAnswers asks the page, and ClickHouse as an operator does.
func (s *service) checkAnswers() {
	s.t.Helper()
	if body, err := s.get(s.http + "/"); err != nil || !strings.Contains(body, "<title>NFStats</title>") {
		s.t.Errorf("the page: %v %.300s", err, body)
	}
	// Statements that come often are compiled, which needs memory that is executable.
	const compiled = `SELECT sum(number * number + 3 * number) FROM numbers(1000) WHERE number * 3 + 5 > 50
		SETTINGS min_count_to_compile_expression = 0, min_count_to_compile_aggregate_expression = 0`
	out, err := s.asItsUser("/usr/local/bin/nfstats", "sql", "--format", "TSV", compiled)
	if err != nil || out != "334330400" {
		s.t.Errorf("a compiled statement: %v %s", err, out)
	}
}

// checkQuestions wants the daemon to ask an SNMP agent and a registry.
func (s *service) checkQuestions() {
	s.t.Helper()
	agent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		s.t.Fatal(err)
	}
	defer agent.Close()
	device := fmt.Sprintf(`{"address": "127.0.0.8", "host": "127.0.0.1", "port": %d,
		"credential": {"version": "2c", "community": "in-the-sandbox"}}`, agent.LocalAddr().(*net.UDPAddr).Port)
	if status, answer := s.api("POST", "devices", device); status != http.StatusOK {
		s.t.Errorf("add a device: %d %s", status, answer)
	}
	question := make([]byte, 1500)
	agent.SetReadDeadline(time.Now().Add(patience))
	n, _, err := agent.ReadFrom(question)
	if err != nil || !strings.Contains(string(question[:n]), "in-the-sandbox") {
		s.t.Errorf("the SNMP agent is asked %q: %v", question[:n], err)
	}
	answer, err := s.get(s.http + "/api/v1/whois?as=64500")
	if err != nil || !strings.Contains(answer, "subject: AS64500") {
		s.t.Errorf("the registry says: %v %s", err, answer)
	}
}

// checkReloadAndStop moves the log away, as logrotate does, and stops the service.
func (s *service) checkReloadAndStop() {
	s.t.Helper()
	log := filepath.Join(s.folder, "log", "nfstats", "nfstats.log")
	if err := os.Rename(log, log+".1"); err != nil {
		s.t.Fatal(err)
	}
	s.systemctl("reload", "nfstats.service")
	s.eventually("the log file is there again", func() error { _, err := os.Stat(log); return err })
	s.systemctl("stop", "nfstats.service")
	for property, want := range map[string]string{"Result": "success", "ExecMainStatus": "0", "NRestarts": "0"} {
		if got := s.property(property); got != want {
			s.t.Errorf("after the stop %s is %s, want %s", property, got, want)
		}
	}
	if text := s.serviceLog(); !strings.Contains(text, "nfstats has stopped") {
		s.t.Errorf("the log after the stop: %s", text)
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
