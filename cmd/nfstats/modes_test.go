package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// underMask runs what starts programs under another umask, which they inherit.
func underMask(mask int, start func()) {
	before := syscall.Umask(mask)
	defer syscall.Umask(before)
	start()
}

// openToOthers lists what lies in a folder that its group or others may read,
// write or enter.
func openToOthers(t *testing.T, folder string) (open []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		info, statErr := os.Lstat(path)
		if errors.Is(errors.Join(err, statErr), fs.ErrNotExist) {
			return nil // ClickHouse merges parts meanwhile
		}
		if err := errors.Join(err, statErr); err != nil {
			return err
		}
		if path != folder && info.Mode().Perm()&0o077 != 0 && info.Mode().Type() != fs.ModeSymlink {
			open = append(open, fmt.Sprintf("%v %s", info.Mode(), path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return open
}

// checkModes wants nothing in folders that others have rights to.
func checkModes(t *testing.T, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		if open := openToOthers(t, folder); len(open) > 0 {
			t.Errorf("others have rights to %d files, such as\n%s", len(open), strings.Join(open[:min(len(open), 20)], "\n"))
		}
	}
}

// TestOthersReadNothing lets the daemon write all that it writes, under the umask
// that gives the most away, and looks at it as another user of the machine would.
func TestOthersReadNothing(t *testing.T) {
	if _, err := program(); err != nil {
		t.Fatal(err)
	}
	logs, archives := t.TempDir(), t.TempDir()
	log := filepath.Join(logs, "nfstats.log")
	d := newDaemon(t, "NFSTATS_LOG_OUTPUT="+log, "NFSTATS_IMPORT_FOLDER="+archives)
	restoreCopy(t, d.dir)
	underMask(0, d.start)
	d.send("127.0.0.7", v5Datagram(0, 30))
	d.expectNumber("the flows are stored", "SELECT count() FROM flows", 30)
	flowToolsFile(t, filepath.Join(archives, "ft-a"), 100)
	if job := d.importHere(`{"path": "ft-a", "format": "flow-tools"}`); job.State != "done" {
		t.Errorf("import: %+v", job)
	}
	device := `{"address": "127.0.0.7", "credential": {"version": "2c", "community": "secret-community"}}`
	if status, answer := d.api("POST", "devices", device); status != http.StatusOK {
		t.Errorf("add a device: %d %s", status, answer)
	}
	for _, file := range []string{"run/engine.key", "run/engine.sock", "clickhouse/config.xml", snmpFile, ratesFile} {
		if !exists(filepath.Join(d.dir, file)) {
			t.Errorf("there is no %s to look at", file)
		}
	}
	checkModes(t, d.dir, logs)
	text, err := os.ReadFile(log)
	for _, want := range []string{"now they have none", "chmod go-w"} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("the log does not tell what was open: %v %.2000s", err, text)
		}
	}
	d.stop()

	hash, err := bcrypt.GenerateFromPassword([]byte("words of ada"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, fmt.Sprintf("NFSTATS_HTTP_USERS=[{name: ada, password_bcrypt: %q, role: admin}]", hash))
	underMask(0, d.start)
	status, answer := d.api("POST", "login", `{"name": "ada", "password": "words of ada"}`)
	if status != http.StatusOK {
		t.Errorf("login: %d %s", status, answer)
	}
	text, err = os.ReadFile(filepath.Join(d.dir, sessionsFile))
	if err != nil || !strings.Contains(string(text), `"ada"`) {
		t.Errorf("no session is kept: %v %s", err, text)
	}
	checkModes(t, d.dir)
}

// restoreCopy makes a data folder like one that was copied without its modes.
func restoreCopy(t *testing.T, dir string) {
	t.Helper()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"clickhouse", "journal", "run"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{snmpFile: "[]", sessionsFile: "{}", knownDevicesFile: "{}", ratesFile: "[]", "nfstats.lock": "1"}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDemoIsForItsUserAlone looks at the demo's temporary folder.
func TestDemoIsForItsUserAlone(t *testing.T) {
	if _, err := program(); err != nil {
		t.Fatal(err)
	}
	d := newDaemon(t)
	temporary := t.TempDir()
	d.env = append(d.env, "TMPDIR="+temporary)
	underMask(0, func() { d.demo("--history", "0") })
	if made, err := filepath.Glob(filepath.Join(temporary, "nfstats-demo-*", "clickhouse")); len(made) != 1 {
		t.Errorf("the demo is in %v (%v)", made, err)
	}
	checkModes(t, temporary)
}
