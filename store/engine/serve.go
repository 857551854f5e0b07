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
	if confined != "yes" {
		logger.Warn("the embedded ClickHouse is NOT confined: " + confined + "; SQL of users could reach files and the network")
	}
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
	h := &handler{path: s.Path, key: key, database: s.Database, maxMemory: s.MaxMemory, logger: logger}
	if h.library, err = loadLibrary(s.Library); err != nil {
		return err
	}
	// The first connection starts ClickHouse and keeps it running.
	root, err := h.library.open([]string{"--path=" + s.Path, "--config-file=" + s.ConfigFile})
	if err != nil {
		return fmt.Errorf("start ClickHouse in %s: %w", s.Path, err)
	}
	servers := map[*http.Server]net.Listener{newServer(h.trusted()): socket}
	if s.ReadOnly {
		users, err := inherited(readOnlyFD)
		if err != nil {
			return err
		}
		if confined == "yes" || s.ListenWithoutLandlock {
			servers[newServer(h.readOnly(users.Addr()))] = users
		} else {
			logger.Warn("the read-only SQL address stays closed, because without Landlock queries could read files; store.embedded.listen_without_landlock opens it all the same")
			users.Close()
		}
	}
	var group errgroup.Group
	for server, listener := range servers {
		group.Go(func() error {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve SQL on %s: %w", listener.Addr(), err)
			}
			return nil
		})
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.Background(), shutdownPatience)
	defer cancel()
	for server := range servers {
		if server.Shutdown(stopping) != nil {
			server.Close()
		}
	}
	err = group.Wait()
	h.running.Wait()
	root.close()
	h.library.shutdown()
	return err
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
