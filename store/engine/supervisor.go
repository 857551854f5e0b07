package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Config says how the embedded ClickHouse runs.
type Config struct {
	DataDir               string   // of nfstats; ClickHouse's own folder is clickhouse/ in it
	Database              string   // default of the read-only listener
	Listen                string   // TCP host:port for users, read-only; "" for none
	AllowedHosts          []string // names under which Listen answers, besides IP addresses and this host's
	Library               string   // path of libchdb.so; "" looks in the usual places
	MaxMemory             int64    // bytes; 0: half of the machine's
	ListenWithoutLandlock bool     // keep Listen open on kernels without Landlock
}

// State is what the engine is doing.
type State struct {
	Ready    bool   // it answers
	Restarts int    // since the daemon started
	Problem  string // why it is not ready, in words
}

// Supervisor runs the engine process for as long as the daemon lives.
type Supervisor struct {
	config  Config
	library string
	key     string
	logger  *zap.Logger

	lock             *os.File
	socket, readOnly *os.File // listeners, kept open over restarts of the engine

	hangPatience time.Duration // with an engine that has been ready and answers no more

	mu    sync.Mutex
	state State
	first chan struct{} // closed when it is ready for the first time
}

// New makes a supervisor and finds the library.
func New(config Config, logger *zap.Logger) (*Supervisor, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	library, err := FindLibrary(config.Library)
	if err != nil {
		return nil, err
	}
	if config.DataDir, err = filepath.Abs(config.DataDir); err != nil {
		return nil, fmt.Errorf("find data_dir: %w", err)
	}
	if config.MaxMemory == 0 {
		config.MaxMemory = halfOfMemory()
	}
	return &Supervisor{config: config, library: library, key: rand.Text(), logger: logger,
		hangPatience: time.Minute, state: State{Problem: "the embedded ClickHouse is starting"}, first: make(chan struct{})}, nil
}

// Key is the password for Dial's connections.
func (s *Supervisor) Key() string { return s.key }

// Dial connects to the engine with full rights. While the engine restarts,
// connections wait in the listener's queue.
func (s *Supervisor) Dial(ctx context.Context) (net.Conn, error) {
	return dialSocket(ctx, s.config.DataDir)
}

// State returns what the engine is doing.
func (s *Supervisor) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Ready returns a channel that is closed when the engine is ready for the first
// time.
func (s *Supervisor) Ready() <-chan struct{} { return s.first }

func (s *Supervisor) announce() {
	select {
	case <-s.first:
	default:
		close(s.first)
	}
}

func (s *Supervisor) setState(change func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
}

func (s *Supervisor) clickhouseDir() string { return filepath.Join(s.config.DataDir, "clickhouse") }

// Open takes the data folder for this process, binds the listeners and writes
// the files that `nfstats sql` needs. It fails where another nfstats has the
// folder or another program the port.
func (s *Supervisor) Open(ctx context.Context) error {
	for _, dir := range []string{s.config.DataDir, s.clickhouseDir(), runDir(s.config.DataDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the data folder: %w", err)
		}
	}
	if err := s.takeLock(ctx); err != nil {
		return err
	}
	for _, dir := range []string{"tmp", "user_files", "format_schemas"} {
		if err := os.MkdirAll(filepath.Join(s.clickhouseDir(), dir), 0o700); err != nil {
			return fmt.Errorf("make ClickHouse's folder: %w", err)
		}
	}
	if err := s.listen(ctx); err != nil {
		s.Close()
		return err
	}
	if err := os.WriteFile(keyPath(s.config.DataDir), []byte(s.key), 0o600); err != nil {
		s.Close()
		return fmt.Errorf("write the engine's key: %w", err)
	}
	return nil
}

// Close gives back what Open took.
func (s *Supervisor) Close() {
	for _, f := range []*os.File{s.socket, s.readOnly, s.lock} {
		if f != nil {
			f.Close()
		}
	}
	os.Remove(keyPath(s.config.DataDir))
}

// leftoverPatience bounds the wait for the engine of a daemon that was killed:
// the kernel ends it then, which takes a moment.
const leftoverPatience = 10 * time.Second

// takeLock refuses a second nfstats on the folder. The engine process inherits
// the lock, so that it is free only when both are gone; the kernel gives it back
// however they end.
func (s *Supervisor) takeLock(ctx context.Context) error {
	path := filepath.Join(s.config.DataDir, "nfstats.lock")
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("lock the data folder: %w", err)
	}
	for deadline := time.Now().Add(leftoverPatience); ; time.Sleep(10 * time.Millisecond) {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		text, _ := os.ReadFile(path)
		holder := strings.TrimSpace(string(text))
		pid, parseError := strconv.Atoi(holder)
		alive := parseError != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
		if alive || time.Now().After(deadline) || ctx.Err() != nil {
			lock.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return fmt.Errorf("another nfstats (process %s) is running on the data folder %s: stop it, or give this one another data_dir", holder, s.config.DataDir)
			}
			return fmt.Errorf("lock %s: %w", path, err)
		}
	}
	if err := lock.Truncate(0); err == nil {
		fmt.Fprintf(lock, "%d\n", os.Getpid())
	}
	s.lock = lock
	return nil
}

func (s *Supervisor) listen(ctx context.Context) error {
	var config net.ListenConfig
	if s.config.Listen != "" {
		l, err := config.Listen(ctx, "tcp", s.config.Listen)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("serve read-only SQL on %s: another program has this port (store.embedded.listen; find it with: ss -tlnp)", s.config.Listen)
		} else if err != nil {
			return fmt.Errorf("serve read-only SQL on %s: %w", s.config.Listen, err)
		}
		defer l.Close() // the file is a copy
		if s.readOnly, err = l.(*net.TCPListener).File(); err != nil {
			return fmt.Errorf("keep the listener of %s: %w", s.config.Listen, err)
		}
	}
	path, release, err := shortPath(socketPath(s.config.DataDir))
	if err != nil {
		return err
	}
	defer release()
	os.Remove(path) // of a daemon that was killed; the lock is ours
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listen on the engine's socket: %w", err)
	}
	unix := l.(*net.UnixListener)
	unix.SetUnlinkOnClose(false)
	defer unix.Close()
	if err := os.Chmod(socketPath(s.config.DataDir), 0o600); err != nil {
		return fmt.Errorf("protect the engine's socket: %w", err)
	}
	if s.socket, err = unix.File(); err != nil {
		return fmt.Errorf("keep the engine's socket: %w", err)
	}
	return nil
}

// Run keeps the engine running until ctx ends, then stops it and gives back
// what Open took.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.Close()
	for wait := 200 * time.Millisecond; ; {
		started := time.Now()
		err := s.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.setState(func(st *State) {
			st.Ready, st.Problem = false, "the embedded ClickHouse is restarting: "+err.Error()
			st.Restarts++
		})
		if time.Since(started) > time.Minute {
			wait = 200 * time.Millisecond
		}
		s.logger.Error("the embedded ClickHouse has ended; it is started again", zap.Error(err), zap.Duration("in", wait))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, 30*time.Second)
	}
}
