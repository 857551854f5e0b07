package archives

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"
)

// flowToolsFile writes an uncompressed flow-tools file of NetFlow v5 records.
func flowToolsFile(t *testing.T, path string, records int) {
	t.Helper()
	file := []byte{0xcf, 0x10, 1, 3, 24, 0, 0, 0, 2, 0, 2, 0, 5, 0, 8, 0, 4, 0, 1, 0, 0, 0, 0, 0}
	for range records {
		r := make([]byte, 64)
		binary.LittleEndian.PutUint32(r, uint32(time.Now().Add(-time.Hour).Unix()))
		r[32], r[36] = 2, 100
		file = append(file, r...)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/ft-1", "a/b/ft-2", "a/tmp-3", "a/nfcapd.current.77", "a/.hidden", "c/ft-4", "ft-[1]"} {
		flowToolsFile(t, filepath.Join(dir, name), 1)
	}
	for link, to := range map[string]string{"a/link": "../c/ft-4", "a/round": "..", "a/nowhere": "gone", "linked": "c"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ paths, found, skipped string }{
		{"a", "a/b/ft-2 a/ft-1 a/link", "a/.hidden a/nfcapd.current.77 a/nowhere a/round a/tmp-3"},
		{"a/ft-1 a a/ft*", "a/b/ft-2 a/ft-1 a/link", ""},
		{"?/n*", "", "a/nfcapd.current.77 a/nowhere"},
		{"a/tmp-3", "a/tmp-3", ""}, // asked for by name
		{"linked", "linked/ft-4", ""},
		{"ft-[1]", "ft-[1]", ""},
		{"?/ft-*", "a/ft-1 c/ft-4", ""},
		{"-", "-", ""},
	} {
		var paths, found, skipped []string
		for _, p := range strings.Fields(tc.paths) {
			if p != "-" {
				p = filepath.Join(dir, p)
			}
			paths = append(paths, p)
		}
		files, err := Find(paths, func(path, _ string) { skipped = append(skipped, strings.TrimPrefix(path, dir+"/")) })
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			found = append(found, strings.TrimPrefix(f.Path, dir+"/"))
		}
		slices.Sort(skipped)
		if got := strings.Join(found, " "); got != tc.found {
			t.Errorf("%s: found %s", tc.paths, got)
		}
		if got := strings.Join(skipped, " "); tc.skipped != "" && got != tc.skipped {
			t.Errorf("%s: skipped %s", tc.paths, got)
		}
	}
	if _, err := Find([]string{filepath.Join(dir, "nothing")}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}

// Dry runs need no tables; the tests of the daemon import into them.
func TestJobs(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"2025/ft-1", "2025/ft-2", "2026/ft-3"} {
		flowToolsFile(t, filepath.Join(folder, name), len(name)*100)
	}
	flowToolsFile(t, filepath.Join(folder, "2026/ft-4"), 7)
	if err := os.WriteFile(filepath.Join(folder, "2026/readme"), []byte("# Flows"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := NewJobs(JobsConfig{Folder: folder, Parallel: 2}, nil, nil, nil, zaptest.NewLogger(t))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	run := func(path string) Job {
		t.Helper()
		started, err := j.Start(JobOptions{Path: path, DryRun: true, Options: Options{Format: FlowTools, Sampling: 1}})
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if now := j.Jobs()[0]; now.ID != started.ID {
				t.Fatalf("the newest job is %s, not %s", now.ID, started.ID)
			} else if now.State != JobRunning {
				return now
			}
		}
		t.Fatal("it does not end")
		return Job{}
	}
	// Of files of one content, one counts.
	if job := run("2025"); job.State != JobDone || job.Progress.Flows != 900 || job.Progress.FilesDone != 2 || job.Progress.Known != 1 {
		t.Errorf("%+v", job)
	}
	if job := run(""); job.State != JobFailed || job.Progress.Flows != 907 || job.Progress.Unreadable != 1 || job.Error == "" || job.Ended.IsZero() {
		t.Errorf("%+v", job)
	}
	for range keptJobs {
		run("2026/ft-4")
	}
	if n := len(j.Jobs()); n != keptJobs {
		t.Errorf("%d jobs are kept", n)
	}
	if err := j.Cancel("1"); !errors.Is(err, ErrNoJob) {
		t.Errorf("cancel what has ended: %v", err)
	}
	if _, err := j.Start(JobOptions{Path: "../" + filepath.Base(folder), DryRun: true, Options: Options{Format: FlowTools, Sampling: 1}}); err == nil {
		t.Error("a path may lead out of the folder")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
