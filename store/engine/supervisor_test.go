//go:build linux && amd64

package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestEngineIsRestartedAndKeepsItsRows(t *testing.T) {
	s := start(t, t.TempDir())
	c := client(t, s)
	execute(t, c, "CREATE DATABASE nf", "CREATE TABLE nf.t (a UInt32) ENGINE = MergeTree ORDER BY a", "INSERT INTO nf.t SELECT number FROM numbers(1000)")
	for range 3 {
		pid, before := enginePID(t, os.Getpid()), s.State().Restarts
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the engine is restarted", func() error {
			if st := s.State(); st.Restarts == before || !st.Ready {
				return fmt.Errorf("%+v", st)
			}
			return nil
		})
		var n uint64
		if err := c.QueryRow(t.Context(), "SELECT count() FROM nf.t").Scan(&n); err != nil || n != 1000 {
			t.Fatalf("%d rows after a crash: %v", n, err)
		}
	}
}

func TestSecondInstanceIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	second, err := New(s.config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	err = second.Open(t.Context())
	if want := fmt.Sprintf("another nfstats (process %d) is running", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if _, _, err := Attach(t.Context(), dir); err != nil {
		t.Errorf("the refused instance disturbed the first: %v", err)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := New(Config{DataDir: t.TempDir(), Database: "nf", Listen: l.Addr().String(), Library: testLibrary(t)}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "another program has this port") {
		t.Errorf("got %v", err)
	}
}

func TestLongDataDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	var one uint8
	if err := client(t, start(t, dir)).QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("%d, %v", one, err)
	}
}

func TestMissingLibrary(t *testing.T) {
	_, err := New(Config{DataDir: t.TempDir(), Library: "/nonexistent/libchdb.so"}, zap.NewNop())
	if err == nil || !strings.Contains(err.Error(), "store.embedded.library") {
		t.Errorf("got %v", err)
	}
	if _, err = FindLibrary(""); err == nil || !strings.Contains(err.Error(), "make engine") {
		t.Errorf("got %v", err)
	}
}

func TestSocketNeedsTheKey(t *testing.T) {
	s := start(t, t.TempDir())
	other := &Supervisor{config: s.config, writer: &process{role: writer, dataDir: s.config.DataDir, key: "wrong"}}
	if err := client(t, other).Ping(t.Context()); err == nil {
		t.Error("a wrong key is accepted")
	}
	info, err := os.Stat(socketPath(s.config.DataDir, writer))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v %v", info, err)
	}
	dial, key, err := Attach(t.Context(), s.config.DataDir)
	if err != nil || key != s.Key() || dial == nil {
		t.Errorf("attach: %q, %v", key, err)
	}
}

// startDaemon runs a supervisor in a process of its own and waits until it is
// ready. Closing stop ends it in order.
func startDaemon(t *testing.T, dir, listen string) (process *exec.Cmd, stop io.Closer) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process = exec.Command(program, "daemon", dir)
	process.Env = append(os.Environ(), "LISTEN="+listen, "LIBRARY="+testLibrary(t))
	process.Stderr = os.Stderr
	stop, err = process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Process.Kill(); process.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" {
		t.Fatalf("the daemon says %q, %v", line, err)
	}
	return process, stop
}

func TestKilledDaemonStartsAgainAtOnce(t *testing.T) {
	dir, listen := t.TempDir(), freePort(t)
	for round := range 5 {
		process, _ := startDaemon(t, dir, listen)
		engine := enginePID(t, process.Process.Pid)
		response, err := http.Post("http://"+listen+"/", "text/plain", strings.NewReader("SELECT 1"))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		response.Body.Close()
		if err := process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		process.Wait()
		// The next round starts while the engine is still dying.
		if round == 4 {
			eventually(t, "the engine dies with its daemon", func() error {
				if err := syscall.Kill(engine, 0); err == nil {
					return fmt.Errorf("process %d is alive", engine)
				}
				return nil
			})
		}
	}
}

func TestStoppedDaemonLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	process, stop := startDaemon(t, dir, "")
	engine := enginePID(t, process.Process.Pid)
	stop.Close()
	if err := process.Wait(); err != nil {
		t.Errorf("the daemon ends with %v", err)
	}
	if err := syscall.Kill(engine, 0); err == nil {
		t.Error("the engine outlives its daemon")
	}
	if _, _, err := Attach(t.Context(), dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("attach: %v, want ErrNotRunning", err)
	}
}

func TestHungEngineIsReplaced(t *testing.T) {
	s := prepare(t, t.TempDir())
	s.writer.hangPatience = time.Second
	run(t, s)
	if err := syscall.Kill(enginePID(t, os.Getpid()), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine is replaced", func() error {
		if st := s.State(); st.Restarts == 0 || !st.Ready {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
}

func TestEngineThatCannotStartIsExplained(t *testing.T) {
	library := filepath.Join(t.TempDir(), LibraryName)
	if err := os.Symlink(testLibrary(t), library); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{DataDir: t.TempDir(), Library: library}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	// An upgrade that goes wrong replaces it under the daemon.
	if err := os.Remove(library); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	eventually(t, "the state tells why", func() error {
		if st := s.State(); !strings.Contains(st.Problem, "load the embedded ClickHouse") {
			return errors.New(st.Problem)
		}
		return nil
	})
	select {
	case <-s.Ready():
		t.Error("it is ready")
	default:
	}
	stop()
	<-done
}
