package engine

import (
	"context"
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
	DataDir       string   // of nfstats; ClickHouse's own folder is clickhouse/ in it
	Database      string   // what users may read
	Listen        string   // TCP host:port for users, read-only; "" for none
	AllowedHosts  []string // names under which Listen answers, besides IP addresses and this host's
	Library       string   // path of libchdb.so; "" looks in the usual places
	MaxMemory     int64    // bytes; 0: half of the machine's
	WithoutReader bool     // run no process for the statements of users
}

// Supervisor runs the engine's processes for as long as the daemon lives.
type Supervisor struct {
	config  Config
	library string

	lock   *os.File
	writer *process
	reader *process // nil: none

	unchecked bool // of the reader's walls leave only the kernel's, to test them
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
	s := &Supervisor{config: config, library: library}
	s.writer = newProcess(writer, "the embedded ClickHouse", config.DataDir, s.describeWriter, logger)
	if !config.WithoutReader {
		s.reader = newProcess(reader, "the process for users' SQL", config.DataDir, s.describeReader, logger.Named("reader"))
		s.reader.maxResident = readerMemory(config.MaxMemory) + residentSlack
	}
	return s, nil
}

// Key is the password for Dial's connections.
func (s *Supervisor) Key() string { return s.writer.key }

// Dial connects to the engine with full rights. While the engine restarts,
// connections wait in the listener's queue.
func (s *Supervisor) Dial(ctx context.Context) (net.Conn, error) { return s.writer.dial(ctx) }

// State returns what the engine is doing.
func (s *Supervisor) State() State { return s.writer.now() }

// Ready returns a channel that is closed when the engine is ready for the first
// time.
func (s *Supervisor) Ready() <-chan struct{} { return s.writer.first }

// ReaderKey is the password for DialReader's connections.
func (s *Supervisor) ReaderKey() string { return s.reader.key }

// DialReader connects to the process that answers the statements of users.
func (s *Supervisor) DialReader(ctx context.Context) (net.Conn, error) { return s.reader.dial(ctx) }

// ReaderState returns what that process is doing.
func (s *Supervisor) ReaderState() State {
	if s.reader == nil {
		return State{Problem: "no process for users' SQL is wanted"}
	}
	return s.reader.now()
}

func (s *Supervisor) clickhouseDir() string { return filepath.Join(s.config.DataDir, "clickhouse") }

// scratchDir is where the reader may write. It is emptied when the reader starts.
func (s *Supervisor) scratchDir() string { return filepath.Join(s.config.DataDir, "reader") }

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
	for _, dir := range []string{"tmp", "user_files", "format_schemas", "store", "metadata"} {
		if err := os.MkdirAll(filepath.Join(s.clickhouseDir(), dir), 0o700); err != nil {
			return fmt.Errorf("make ClickHouse's folder: %w", err)
		}
	}
	if err := s.listen(ctx); err != nil {
		s.Close()
		return err
	}
	if err := os.WriteFile(keyPath(s.config.DataDir), []byte(s.Key()), 0o600); err != nil {
		s.Close()
		return fmt.Errorf("write the engine's key: %w", err)
	}
	return nil
}

// Close gives back what Open took.
func (s *Supervisor) Close() {
	for _, p := range s.processes() {
		for _, f := range append([]*os.File{p.socket}, p.listeners...) {
			if f != nil {
				f.Close()
			}
		}
	}
	if s.lock != nil {
		s.lock.Close()
	}
	os.Remove(keyPath(s.config.DataDir))
}

func (s *Supervisor) processes() []*process {
	if s.reader == nil {
		return []*process{s.writer}
	}
	return []*process{s.writer, s.reader}
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

// listen binds the processes' listeners. What a process inherits ends with the
// lock, which it holds and does not use.
func (s *Supervisor) listen(ctx context.Context) error {
	for _, p := range s.processes() {
		socket, err := listenSocket(ctx, socketPath(s.config.DataDir, p.role))
		if err != nil {
			return err
		}
		p.socket = socket
	}
	if s.reader != nil && s.config.Listen != "" {
		users, err := listenTCP(ctx, s.config.Listen)
		if err != nil {
			return err
		}
		s.reader.listeners = append(s.reader.listeners, users)
	}
	for _, p := range s.processes() {
		p.listeners = append(p.listeners, s.lock)
	}
	return nil
}

// listenTCP binds the read-only address.
func listenTCP(ctx context.Context, address string) (*os.File, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("serve read-only SQL on %s: another program has this port "+
			"(store.embedded.listen; find it with: ss -tlnp)", address)
	} else if err != nil {
		return nil, fmt.Errorf("serve read-only SQL on %s: %w", address, err)
	}
	defer l.Close() // the file is a copy
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("keep the listener of %s: %w", address, err)
	}
	return file, nil
}

// listenSocket binds a Unix socket that only this user may use.
func listenSocket(ctx context.Context, path string) (*os.File, error) {
	short, release, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer release()
	os.Remove(short) // of a daemon that was killed; the lock is ours
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", short)
	if err != nil {
		return nil, fmt.Errorf("listen on the engine's socket: %w", err)
	}
	unix := l.(*net.UnixListener)
	unix.SetUnlinkOnClose(false)
	defer unix.Close()
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("protect the engine's socket: %w", err)
	}
	file, err := unix.File()
	if err != nil {
		return nil, fmt.Errorf("keep the engine's socket: %w", err)
	}
	return file, nil
}

// Run keeps the engine's processes running until ctx ends, then stops them and
// gives back what Open took.
func (s *Supervisor) Run(ctx context.Context) error {
	defer s.Close()
	var group sync.WaitGroup
	for _, p := range s.processes() {
		group.Go(func() { p.run(ctx) })
	}
	group.Wait()
	return nil
}
