package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// What `nfstats sql` needs lies beside ClickHouse's folder, not in it: the
// engine process cannot read it.
func runDir(dataDir string) string  { return filepath.Join(dataDir, "run") }
func keyPath(dataDir string) string { return filepath.Join(runDir(dataDir), "engine.key") }

// socketPath is where a process of the engine listens.
func socketPath(dataDir string, r role) string {
	return filepath.Join(runDir(dataDir), string(r)+".sock")
}

// ErrNotRunning reports that no daemon runs on the data folder.
var ErrNotRunning = errors.New("no nfstats is running on the data folder")

// Attach returns how to reach the engine of the daemon that runs on the data
// folder, and the key for it. The error wraps ErrNotRunning where none runs.
func Attach(ctx context.Context, dataDir string) (dial func(context.Context) (net.Conn, error), key string, err error) {
	text, err := os.ReadFile(keyPath(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("%w %s", ErrNotRunning, dataDir)
	} else if err != nil {
		return nil, "", fmt.Errorf("read the engine's key: %w", err)
	}
	socket := socketPath(dataDir, writer)
	probe, err := dialSocket(ctx, socket)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("%w %s", ErrNotRunning, dataDir)
	} else if err != nil {
		return nil, "", err
	}
	probe.Close()
	return func(ctx context.Context) (net.Conn, error) { return dialSocket(ctx, socket) }, string(text), nil
}

func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	path, release, err := shortPath(path)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("reach the embedded ClickHouse: %w", err)
	}
	return conn, nil
}

// maxSocketPath is the longest path of a Unix socket, sun_path of unix(7) less
// its final zero.
const maxSocketPath = 107

// shortPath returns a name of the same file that fits a socket address; release
// ends its validity.
func shortPath(path string) (short string, release func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("open the engine's folder: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}
