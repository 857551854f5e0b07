package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// service is the daemon as a service of a systemd that runs for the test alone,
// with the unit that operators install.
type service struct {
	*daemon
	folder string // its lib, log and srv are the service's /var/lib, /var/log and /srv
	init   int    // process of systemd
}

// startService boots systemd and waits until the service is ready. env adds to
// the unit's environment, settings to its section Service.
func startService(t *testing.T, settings string, env ...string) *service {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "only root can run a systemd")
	}
	for _, tool := range []string{"/lib/systemd/systemd", "/usr/bin/unshare", "/usr/bin/nsenter", "/usr/bin/setpriv"} {
		if !exists(tool) {
			lacking(t, "no %s (Debian packages systemd and util-linux)", tool)
		}
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s := &service{daemon: newDaemon(t), folder: t.TempDir()}
	s.dir = filepath.Join(s.folder, "lib", "nfstats")
	for _, name := range []string{"lib", "log", "srv"} {
		if err := os.Mkdir(filepath.Join(s.folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, variable := range s.env { // the folder and the library are the unit's
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "NFSTATS_") && name != "NFSTATS_DATA_DIR" && name != "NFSTATS_STORE_EMBEDDED_LIBRARY" {
			env = append(env, variable)
		}
	}
	for _, variable := range env {
		settings += "Environment=" + strconv.Quote(variable) + "\n"
	}
	group := emptyGroup(t)
	s.cmd = exec.Command("sh", "testdata/systemd.sh", group, units(t, settings), s.folder, path, library(t))
	s.log, s.done = &lockedBuffer{}, make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		s.cmd.Wait()
	}()
	t.Cleanup(func() {
		s.kill() // takes all of its processes along
		s.eventually("the control groups are empty", func() error { return removeGroup(group) })
		if t.Failed() {
			t.Logf("systemd:\n%s\nthe service:\n%s", s.log, s.serviceLog())
		}
	})
	s.eventually("the service is ready", func() error {
		_, err := s.get(s.http + "/readyz")
		return err
	})
	s.init = children(s.cmd.Process.Pid)[0]
	s.eventually("systemd knows it", func() error {
		if state := s.property("ActiveState"); state != "active" {
			return fmt.Errorf("the service is %s", state)
		}
		return nil
	})
	return s
}

// units returns a folder with the unit, settings added as `systemctl edit` adds
// them, and the targets that it refers to, which are empty.
func units(t *testing.T, settings string) string {
	t.Helper()
	dir := t.TempDir()
	unit, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"nfstats.service": string(unit), "nfstats.service.d/test.conf": "[Service]\n" + settings}
	for _, target := range []string{"basic", "sysinit", "shutdown", "network-online"} {
		files[target+".target"] = "[Unit]\nDefaultDependencies=no\n"
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// emptyGroup makes a control group of version 2 (cgroups(7)).
func emptyGroup(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if exists(filepath.Join(root, "cgroup.procs")) {
			group, err := os.MkdirTemp(root, "nfstats-test")
			if err != nil {
				lacking(t, "no control group: %v", err)
			}
			return group
		}
	}
	lacking(t, "no control groups of version 2")
	return ""
}

// removeGroup removes a control group with those in it.
func removeGroup(group string) error {
	var groups []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	for _, path := range slices.Backward(groups) {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// children returns the processes that a process has started.
func children(pid int) (pids []int) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range paths {
		text, _ := os.ReadFile(path) // a thread may have ended
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// systemctl runs systemctl at the test's systemd.
func (s *service) systemctl(args ...string) string {
	s.t.Helper()
	enter := []string{"--target", fmt.Sprint(s.init), "--mount", "--pid", "systemctl"}
	out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("systemctl %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// property returns a property of the service.
func (s *service) property(name string) string {
	s.t.Helper()
	return s.systemctl("show", "--value", "--property", name, "nfstats.service")
}

// daemonAndEngines returns the processes of the service.
func (s *service) daemonAndEngines() (daemon int, engines []int) {
	s.t.Helper()
	services := children(s.init)
	if len(services) != 1 {
		s.t.Fatalf("systemd runs %v, want the daemon alone", services)
	}
	if engines = children(services[0]); len(engines) == 0 {
		s.t.Fatal("the daemon has no engine")
	}
	return services[0], engines
}

// asItsUser runs a command with the service's user among the files that the
// service sees.
func (s *service) asItsUser(args ...string) (string, error) {
	s.t.Helper()
	daemon, _ := s.daemonAndEngines()
	enter := []string{"--target", fmt.Sprint(daemon), "--mount",
		"setpriv", "--reuid=nfstats", "--regid=nfstats", "--clear-groups", "env", "NFSTATS_DATA_DIR=/var/lib/nfstats"}
	out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// serviceLog returns what the service has logged.
func (s *service) serviceLog() string {
	var log []byte
	for _, name := range []string{"nfstats.log.1", "nfstats.log"} {
		text, _ := os.ReadFile(filepath.Join(s.folder, "log", "nfstats", name)) // either may be missing
		log = append(log, text...)
	}
	return string(log)
}
