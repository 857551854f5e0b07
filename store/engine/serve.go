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

// Serve is the engine process. It is only for Supervisor to start, which gives
// it the spec, the key and the listeners. It returns after ctx has ended and
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
	h := &handler{path: s.Path, key: key, database: s.Database, door: newDoorkeeper(s.AllowedHosts),
		ceilings: readOnlyCeilings(s.MaxMemory, runtime.NumCPU()), logger: logger}
	if confined != "yes" {
		logger.Warn("the embedded ClickHouse is NOT confined, so that SQL could reach files and the network: " + confined)
		if !s.ListenWithoutLandlock {
			h.closed = "the read-only address is closed, because this machine cannot confine queries (" + confined + "); store.embedded.listen_without_landlock opens it all the same"
		}
	}
	root, err := h.startClickHouse(s)
	if err != nil {
		return err
	}
	servers := map[*http.Server]net.Listener{newServer(h.trusted()): socket}
	if s.ReadOnly {
		users, err := inherited(readOnlyFD)
		if err != nil {
			return err
		}
		if h.closed != "" {
			logger.Warn(h.closed)
		}
		servers[newServer(h.readOnly())] = limitConnections(users, readOnlyConnections)
	}
	err = serveUntil(ctx, servers)
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
	root, err = h.library.open([]string{"--path=" + s.Path, "--config-file=" + s.configFile()})
	if err != nil {
		return nil, fmt.Errorf("start ClickHouse in %s: %w", s.Path, err)
	}
	functions, _, err := root.exec("SELECT name FROM system.table_functions", "TSV", nil)
	if err != nil {
		return nil, fmt.Errorf("list ClickHouse's table functions: %w", err)
	}
	h.forbidden = forbiddenFunctions(strings.Fields(string(functions)))
	settings, _, err := root.exec("SELECT name FROM system.settings", "TSV", nil)
	if err != nil {
		return nil, fmt.Errorf("list ClickHouse's settings: %w", err)
	}
	h.settings = map[string]bool{}
	for name := range strings.FieldsSeq(string(settings)) {
		h.settings[name] = true
	}
	return root, nil
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

func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute}
}

// confineAndRestart locks the thread into Landlock and executes the program
// again: only the calling thread can be restricted, and executing ends all
// others.
func confineAndRestart(s spec) error {
	runtime.LockOSThread()
	result := "yes"
	if err := confine(s.Path, s.Library); err != nil {
		result = err.Error()
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
	environment := []string{specVariable + "=" + os.Getenv(specVariable), confinedVariable + "=" + result, "TZ=UTC"}
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
