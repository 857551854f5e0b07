//go:build linux && (amd64 || arm64)

package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// confinedVariable tells the process, executed anew, how its confinement went.
const confinedVariable = "NFSTATS_ENGINE_CONFINED"

// readerNiceness is added to the reader's, of nice(1).
const readerNiceness = 5

// shutdownPatience bounds how long running statements may go on at a stop.
const shutdownPatience = 5 * time.Second

// The process's first thread must not run ClickHouse's code: it asks for its
// stack, which the C library finds for the first thread in /proc/self/maps, and
// that is closed to the confined process. A locked main goroutine keeps the
// thread to itself; Serve works in another one.
func init() {
	if os.Getenv(confinedVariable) != "" {
		runtime.LockOSThread()
	}
}

// Serve is a process of the engine, the writer or the reader. It is only for
// Supervisor to start, which gives it the spec, the key and the listeners. It returns after ctx has ended and
// ClickHouse has closed its tables.
func Serve(ctx context.Context, logger *zap.Logger) error {
	var s spec
	if err := json.Unmarshal([]byte(os.Getenv(specVariable)), &s); err != nil {
		return errors.New("`nfstats engine` is started by `nfstats serve`, not by hand")
	}
	confined := os.Getenv(confinedVariable)
	if confined == "" {
		return confineAndRestart(s)
	}
	ended := make(chan error)
	go func() { ended <- serve(ctx, s, confined, logger) }()
	return <-ended
}

func serve(ctx context.Context, s spec, confined string, logger *zap.Logger) error {
	key, err := readKey(os.Stdin)
	if err != nil {
		return err
	}
	// The daemon holds the other end of standard input as long as it lives.
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	socket, err := inherited(socketFD)
	if err != nil {
		return err
	}
	if err := denyCalls(); err != nil {
		confined = err.Error()
	}
	h := &handler{path: s.Path, key: key, logger: logger}
	if confined != "yes" {
		logger.Warn("the embedded ClickHouse is NOT confined: " + confined)
	}
	root, err := h.startClickHouse(s)
	if err != nil {
		return err
	}
	servers := map[*http.Server]net.Listener{}
	if s.Role == reader {
		err = h.serveUsers(ctx, s, confined, socket, servers)
	} else {
		servers[newServer(h.trusted(), ownIdle)] = socket
	}
	if err == nil {
		err = serveUntil(ctx, servers)
	}
	h.running.Wait()
	root.close()
	h.library.shutdown()
	return err
}

// startClickHouse loads the library and opens the connection that starts
// ClickHouse and keeps it running.
func (h *handler) startClickHouse(s spec) (root *connection, err error) {
	if h.library, err = loadLibrary(s.Library); err != nil {
		return nil, err
	}
	root, err = h.library.open([]string{"--path=" + s.Path, "--config-file=" + s.Config})
	if err != nil {
		return nil, fmt.Errorf("start ClickHouse in %s: %w", s.Path, err)
	}
	names, err := root.names("SELECT name FROM system.settings")
	if err != nil {
		return nil, fmt.Errorf("list ClickHouse's settings: %w", err)
	}
	h.settings = setOf(names)
	return root, nil
}

// names returns the first column of a statement's rows, which have no blanks.
func (c *connection) names(sql string) ([]string, error) {
	text, _, err := c.exec(sql, "TSV", nil)
	return strings.Fields(string(text)), err
}

// serveUntil serves until ctx ends or a server fails.
func serveUntil(ctx context.Context, servers map[*http.Server]net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	for server, listener := range servers {
		group.Go(func() error {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve SQL on %s: %w", listener.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			stopping, cancel := context.WithTimeout(context.Background(), shutdownPatience)
			defer cancel()
			if server.Shutdown(stopping) != nil {
				return server.Close() // ends the statements that still run
			}
			return nil
		})
	}
	return group.Wait()
}

// How long a connection may wait for its next request: the daemon's, and that of
// whoever reaches the read-only address.
const (
	ownIdle      = 5 * time.Minute
	readOnlyIdle = 10 * time.Second
)

func newServer(h http.Handler, idle time.Duration) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: idle}
}

// confineAndRestart locks the thread into Landlock and executes the program
// again: only the calling thread can be restricted, and executing ends all
// others.
func confineAndRestart(s spec) error {
	runtime.LockOSThread()
	result := "yes"
	if err := confine(s); err != nil {
		result = err.Error()
	}
	if s.Role == reader {
		// What users ask yields to receiving and storing flows.
		unix.Setpriority(unix.PRIO_PROCESS, 0, readerNiceness)
	}
	// The parent-death signal that the daemon asked for belongs to the thread
	// that was started, and this may be another one.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("tie the engine to the daemon: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	environment := []string{specVariable + "=" + os.Getenv(specVariable), confinedVariable + "=" + result, "TZ=UTC",
		"TMPDIR=" + filepath.Join(s.Path, "tmp")}
	if err := os.Chdir(s.Path); err != nil {
		return fmt.Errorf("enter the folder of the embedded ClickHouse: %w", err)
	}
	return fmt.Errorf("execute %s: %w", filepath.Base(program), syscall.Exec(program, os.Args, environment))
}

// readKey reads the line with the key.
func readKey(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", fmt.Errorf("read the key from the daemon: %w", err)
		}
		if b[0] == '\n' {
			return string(bytes.TrimSpace(line)), nil
		}
		line = append(line, b[0])
	}
}

func inherited(fd uintptr) (net.Listener, error) {
	file := os.NewFile(fd, "listener")
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("take over listener %d: %w", fd, err)
	}
	return l, nil
}
