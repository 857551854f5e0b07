package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// flowToolsFile writes an uncompressed flow-tools file of NetFlow v5 records
// that ended an hour ago, each of 2 packets and 100 octets.
func flowToolsFile(t *testing.T, path string, records int) {
	t.Helper()
	flowToolsFileOf(t, path, records, time.Now().Add(-time.Hour))
}

func flowToolsFileOf(t *testing.T, path string, records int, end time.Time) {
	t.Helper()
	le := binary.LittleEndian
	file := []byte{0xcf, 0x10, 1, 3, 24, 0, 0, 0, 2, 0, 2, 0, 5, 0, 8, 0, 4, 0, 1, 0, 0, 0, 0, 0}
	ended := uint32(end.Unix())
	for i := range records {
		r := make([]byte, 64)
		le.PutUint32(r, ended)
		le.PutUint32(r[8:], 5000)
		le.PutUint32(r[12:], 0xc0000201) // exporter 192.0.2.1
		le.PutUint32(r[16:], 0x0a000000+uint32(i))
		le.PutUint32(r[20:], 0xc6336401)
		le.PutUint16(r[28:], 7)
		le.PutUint32(r[32:], 2)
		le.PutUint32(r[36:], 100)
		le.PutUint32(r[40:], 4000)
		le.PutUint32(r[44:], 5000)
		r[52] = 6
		file = append(file, r...)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// output runs nfstats to its end.
func (d *daemon) output(args ...string) (string, error) {
	out, err := d.command(args...).CombinedOutput()
	return string(out), err
}

func (d *daemon) mustOutput(args ...string) string {
	d.t.Helper()
	out, err := d.output(args...)
	if err != nil {
		d.t.Fatalf("nfstats %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (d *daemon) scalar(sql string) string {
	d.t.Helper()
	return strings.TrimSpace(d.mustOutput("sql", "--format", "TSV", sql))
}

const importTotals = `SELECT (SELECT (count(), sum(bytes)) FROM flows), (SELECT sum(bytes) FROM flows_1m), (SELECT sum(flows) FROM flows_1h)`

func TestImportBesideTheDaemon(t *testing.T) {
	d := newDaemon(t)
	d.start()
	dir := t.TempDir()
	path := filepath.Join(dir, "ft-v05.2026-01-01.000000+0000")
	flowToolsFile(t, path, 1000)
	flowToolsFile(t, filepath.Join(dir, "tmp-v05.2026-01-01.001500+0000"), 10)

	if out := d.mustOutput("import", "flow-tools", "--dry-run", dir); !strings.Contains(out, "would import 1000 flows, 2000 packets, 100000 bytes from 1 file ") || !strings.Contains(out, "skipped") {
		t.Error(out)
	}
	if got := d.scalar(importTotals); got != "(0,0)\t0\t0" {
		t.Errorf("a dry run left %s", got)
	}
	mapping := filepath.Join(t.TempDir(), "mapping")
	os.WriteFile(mapping, []byte("exporter 192.0.2.1 192.0.2.9\ninterface 192.0.2.1 7 70 # renumbered\n"), 0o600)
	for _, want := range []string{"imported 1000 flows", "1 in already"} {
		if out := d.mustOutput("import", "flow-tools", "--mapping", mapping, "--sampling", "10", dir); !strings.Contains(out, want) {
			t.Errorf("want %s in\n%s", want, out)
		}
		if got := d.scalar(importTotals); got != "(1000,100000)\t100000\t1000" {
			t.Errorf("imported: %s", got)
		}
	}
	if got := d.scalar("SELECT DISTINCT toString(exporter_addr), in_if, sampling_rate, proto FROM flows"); got != "::ffff:192.0.2.9\t70\t10\t6" {
		t.Errorf("mapped: %s", got)
	}

	list := d.mustOutput("import", "list")
	id, _, _ := strings.Cut(strings.Split(list, "\n")[1], " ")
	if !strings.Contains(list, "done") || len(id) != 32 {
		t.Fatal(list)
	}
	d.mustOutput("import", "--forget", id)
	if got := d.scalar(importTotals); got != "(0,0)\t0\t0" {
		t.Errorf("forgotten: %s", got)
	}
	if out, err := d.output("import", "--forget", id); err == nil {
		t.Errorf("forgot twice: %s", out)
	}
	d.mustOutput("import", "flow-tools", dir)
	if got := d.scalar(importTotals); got != "(1000,100000)\t100000\t1000" {
		t.Errorf("imported again: %s", got)
	}
}

func TestImportOfDamagedFiles(t *testing.T) {
	d := newDaemon(t) // none runs: the command starts ClickHouse for itself
	dir := t.TempDir()
	whole, cut, foreign := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	flowToolsFile(t, whole, 50)
	flowToolsFile(t, cut, 100)
	os.Truncate(cut, 24+64*30+10)
	os.WriteFile(foreign, []byte("\x1f\x8b and so on"), 0o600)
	os.WriteFile(filepath.Join(dir, "again"), []byte("\x1f\x8b and so on"), 0o600) // is not "in already"
	out, err := d.output("import", "flow-tools", dir)
	if err == nil {
		t.Error("exit status 0")
	}
	for _, want := range []string{"imported 80 flows, 160 packets, 8000 bytes from 4 files (0 in already, 1 damaged, 2 unreadable)", cut + ": truncated at octet 1954", foreign + ": foreign file", "gzip"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %s in\n%s", want, out)
		}
	}
	if list := d.mustOutput("import", "list"); strings.Count(list, "done") != 1 || strings.Count(list, "damaged") != 1 || strings.Contains(list, "running") {
		t.Error(list)
	}
	if got := d.scalar(importTotals); got != "(80,8000)\t8000\t80" {
		t.Errorf("imported: %s", got)
	}
}

func TestImportThatIsKilledYieldsEachFlowOnce(t *testing.T) {
	d := newDaemon(t)
	d.start()
	path := filepath.Join(t.TempDir(), "ft")
	const records = 500_000
	flowToolsFile(t, path, records)
	killed := d.command("import", "flow-tools", path)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	d.eventually("some flows are in", func() error {
		if d.scalar("SELECT count() FROM flows") == "0" {
			return fmt.Errorf("none yet")
		}
		return nil
	})
	killed.Process.Signal(syscall.SIGKILL)
	killed.Wait()
	t.Logf("killed after %s flows, import %s", d.scalar("SELECT count() FROM flows"), d.scalar("SELECT state FROM imports FINAL"))
	d.mustOutput("import", "flow-tools", path)
	want := fmt.Sprintf("(%d,%d)\t%d\t%d", records, records*100, records*100, records)
	if got := d.scalar(importTotals); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// Other flags make other rows: what the killed import left does not stay beside them.
	d.mustOutput("sql", "INSERT INTO imports (id, attempt, state) SELECT id, attempt, 'running' FROM imports FINAL")
	d.mustOutput("import", "flow-tools", "--sampling", "3", path)
	if got := d.scalar(importTotals); got != want {
		t.Errorf("with other flags: %s, want %s", got, want)
	}
	if got := d.scalar("SELECT DISTINCT sampling_rate FROM flows"); got != "3" {
		t.Errorf("sampling rates %s", got)
	}
}

// What is older than the tables keep is told until when it stays, and comes in with
// the AS numbers of the database, as live flows do.
func TestImportTellsOfExpiryAndCompletesASNumbers(t *testing.T) {
	dir := t.TempDir()
	database := filepath.Join(dir, "asn.mmdb")
	writeASNDatabase(t, database, &net.IPNet{IP: net.IPv4(198, 51, 100, 0).To4(), Mask: net.CIDRMask(24, 32)}, 64501)
	d := newDaemon(t, "NFSTATS_ASN_DATABASE="+database)
	recent, old := filepath.Join(dir, "recent"), filepath.Join(dir, "old")
	flowToolsFile(t, recent, 10)
	flowToolsFileOf(t, old, 20, time.Now().AddDate(0, 0, -40))
	if out := d.mustOutput("import", "flow-tools", recent); strings.Contains(out, "store.retention") {
		t.Errorf("a warning without reason: %s", out)
	}
	if got := d.scalar("SELECT DISTINCT src_as, dst_as FROM flows"); got != "0\t64501" {
		t.Errorf("AS numbers %s", got)
	}
	out := d.mustOutput("import", "flow-tools", old)
	for _, table := range []string{"flows", "flows_1m"} {
		if !strings.Contains(out, "raise store.retention."+table+" first") {
			t.Errorf("no warning of %s: %s", table, out)
		}
	}
	if strings.Contains(out, "store.retention.flows_1h") {
		t.Errorf("hours are kept 400 days: %s", out)
	}
	if got := d.scalar("SELECT sum(flows) FROM flows_1h"); got != "30" {
		t.Errorf("%s flows in the hours", got)
	}
}

func TestImportOfStandardInputAndOfAnEmptyFile(t *testing.T) {
	d := newDaemon(t)
	dir := t.TempDir()
	path, copied, empty := filepath.Join(dir, "ft"), filepath.Join(dir, "ft-copy"), filepath.Join(dir, "none")
	flowToolsFile(t, path, 300)
	flowToolsFile(t, copied, 300)
	flowToolsFile(t, empty, 0)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := d.command("import", "flow-tools", "-")
	cmd.Stdin = f
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "imported 300 flows") {
		t.Errorf("%v %s", err, out)
	}
	if out := d.mustOutput("import", "flow-tools", dir); !strings.Contains(out, "imported 0 flows, 0 packets, 0 bytes from 3 files (2 in already") {
		t.Errorf("the same content once more, twice: %s", out)
	}
	if list := d.mustOutput("import", "list"); strings.Contains(list, "1970") || strings.Count(list, "done") != 2 {
		t.Error(list)
	}
}

// An old collector writes beside: its files come in when they are finished, and
// one that was read too early comes in anew, not twice.
func TestImportWatchesACollector(t *testing.T) {
	d := newDaemon(t)
	d.start()
	dir := t.TempDir()
	end := time.Now().Add(-time.Hour)
	finished := func(name string, records, octets int) {
		path := filepath.Join(dir, name)
		flowToolsFileOf(t, path, records, end)
		if octets > 0 {
			if err := os.Truncate(path, int64(octets)); err != nil {
				t.Fatal(err)
			}
		}
		before := time.Now().Add(-time.Minute).Add(time.Duration(records) * time.Millisecond)
		if err := os.Chtimes(path, before, before); err != nil {
			t.Fatal(err)
		}
	}
	finished("ft-1", 10, 0)
	finished("tmp-2", 10, 0)
	finished("ft-slow", 100, 24+64*50)
	cmd := d.command("import", "flow-tools", "--watch", dir)
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	expect := func(want string) {
		t.Helper()
		d.eventually("imported "+want, func() error {
			if got := d.scalar("SELECT count() FROM flows"); got != want {
				return fmt.Errorf("%s of %s\n%s", got, want, log)
			}
			return nil
		})
	}
	expect("60")
	if err := os.Rename(filepath.Join(dir, "tmp-2"), filepath.Join(dir, "ft-2")); err != nil {
		t.Fatal(err)
	}
	finished("ft-2", 11, 0)
	finished("ft-slow", 101, 0)
	expect("122")
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped: %v\n%s", err, log)
	}
}

func TestImportOfATimeRange(t *testing.T) {
	d := newDaemon(t)
	dir, now := t.TempDir(), time.Now()
	for hours := range 4 {
		flowToolsFileOf(t, filepath.Join(dir, fmt.Sprint("ft-", hours)), 1<<hours, now.Add(-time.Duration(hours)*time.Hour))
	}
	at := func(hours float64) string {
		return now.Add(-time.Duration(hours * float64(time.Hour))).UTC().Format(time.RFC3339)
	}
	for _, tc := range []struct {
		flags []string
		flows int
	}{
		{nil, 15}, {[]string{"--since", at(2.5)}, 7}, {[]string{"--until", at(0.5)}, 14},
		{[]string{"--since", at(2.5), "--until", at(0.5)}, 6}, {[]string{"--since", at(-1)}, 0},
	} {
		args := append([]string{"import", "flow-tools", "--dry-run", dir}, tc.flags...)
		if out := d.mustOutput(args...); !strings.Contains(out, fmt.Sprintf("would import %d flows", tc.flows)) {
			t.Errorf("%v: %s", tc.flags, out)
		}
	}
}

// An archive of years ago stays as long as what is received on the day of its
// import, in flows and in all sums, also after everything is merged; then it goes.
func TestImportOfYearsAgoIsKeptFromTheImportOn(t *testing.T) {
	d := newDaemon(t)
	d.start() // with retention at its defaults
	dir := t.TempDir()
	for year := 2; year <= 6; year += 2 {
		flowToolsFileOf(t, filepath.Join(dir, fmt.Sprint("ft-", year)), 100*year, time.Now().AddDate(-year, 0, 0))
	}
	d.mustOutput("import", "flow-tools", dir)
	tables := []string{"flows", "flows_1m", "flows_1m_in", "flows_1m_out", "flows_1h", "flows_1h_in", "flows_1h_out", "flows_1h_path"}
	expect := func(when string, octets map[string]string) {
		t.Helper()
		for _, table := range tables {
			d.mustOutput("sql", "OPTIMIZE TABLE "+table+" FINAL")
			kept, _, _ := strings.Cut(strings.TrimSuffix(table, "_path"), "_in")
			kept, _, _ = strings.Cut(kept, "_out")
			if got := d.scalar("SELECT sum(bytes) FROM " + table); got != octets[kept] {
				t.Errorf("%s: %s has %s octets, want %s", when, table, got, octets[kept])
			}
		}
	}
	const all = "120000"
	expect("after the import", map[string]string{"flows": all, "flows_1m": all, "flows_1h": all})
	if got := d.scalar("SELECT count(), uniqExact(toYear(time_received)) FROM flows"); got != "1200\t3" {
		t.Errorf("%s flows and years", got)
	}
	later := func(days int) {
		t.Helper()
		for _, table := range tables {
			d.mustOutput("sql", fmt.Sprintf("ALTER TABLE %s UPDATE time_imported = time_imported - INTERVAL %d DAY WHERE 1 SETTINGS mutations_sync = 2", table, days))
		}
	}
	later(9)
	expect("nine days later", map[string]string{"flows": all, "flows_1m": all, "flows_1h": all})
	later(2)
	expect("eleven days later", map[string]string{"flows": "0", "flows_1m": all, "flows_1h": all})
	later(20)
	expect("31 days later", map[string]string{"flows": "0", "flows_1m": "0", "flows_1h": all})
	later(370)
	expect("401 days later", map[string]string{"flows": "0", "flows_1m": "0", "flows_1h": "0"})
}
