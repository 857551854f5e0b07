package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// stopPatience is how long the engine may take to close its tables.
const stopPatience = 20 * time.Second

func supported() error {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return errUnsupported
	}
	return nil
}

// runOnce runs one engine process until it ends, or ctx ends and it has stopped.
func (s *Supervisor) runOnce(ctx context.Context) error {
	// The parent-death signal is tied to the thread that starts the process, not
	// to this process: keep the thread (prctl(2), PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd, err := s.command()
	if err != nil {
		return err
	}
	logs, out, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	defer logs.Close()
	cmd.Stdout, cmd.Stderr = out, out
	key, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	defer key.Close()
	err = cmd.Start()
	out.Close() // the child has its own
	if err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	if _, err := io.WriteString(key, s.key+"\n"); err != nil {
		s.logger.Warn("give the engine its key", zap.Error(err)) // it has died: Wait tells how
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	watched := make(chan struct{})
	go func() { defer close(watched); s.watch(watching, cmd.Process.Kill) }()

	ended := make(chan error, 1)
	go func() { ended <- explained(s.forward(logs), cmd) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err = <-ended:
		case <-time.After(stopPatience):
			s.logger.Warn("the embedded ClickHouse does not stop and is killed; nothing that it has confirmed is lost")
			cmd.Process.Kill()
			err = <-ended
		}
	}
	stopWatching()
	<-watched
	return err
}

// explained waits for the process and returns how it ended. lastLine is what it
// printed last, "" for nothing.
func explained(lastLine string, cmd *exec.Cmd) error {
	err := cmd.Wait()
	switch {
	case err == nil:
		return errors.New("it ended by itself")
	case lastLine != "":
		return fmt.Errorf("%w: %s", err, lastLine)
	}
	return err
}

func (s *Supervisor) command() (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	sp := spec{Path: s.clickhouseDir(), Library: s.library, Database: s.config.Database, ReadOnly: s.readOnly != nil,
		AllowedHosts: s.config.AllowedHosts, MaxMemory: s.config.MaxMemory, ListenWithoutLandlock: s.config.ListenWithoutLandlock}
	if err := sp.writeConfig(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(sp)
	if err != nil {
		return nil, fmt.Errorf("describe the engine: %w", err)
	}
	cmd := exec.Command(program, "engine")
	cmd.Env = []string{specVariable + "=" + string(text)} // nothing of ours: queries may read it
	cmd.ExtraFiles = []*os.File{s.socket}
	if s.readOnly != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, s.readOnly)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, s.lock) // held, not used
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // Ctrl-C is for the daemon, which stops the engine last
	}
	return cmd, nil
}

// forward writes what the engine prints to the log, and returns the last line.
// The engine prints only what goes wrong.
func (s *Supervisor) forward(logs io.Reader) (last string) {
	lines := bufio.NewScanner(logs)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		if last = lines.Text(); last != "" {
			s.logger.Warn(last)
		}
	}
	io.Copy(io.Discard, logs)
	return last
}

// watch pings the engine and keeps State. It calls kill on an engine that was
// ready and has not answered for hangPatience.
func (s *Supervisor) watch(ctx context.Context, kill func() error) {
	client := &http.Client{Timeout: min(5*time.Second, s.hangPatience), Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }}}
	var answered time.Time
	for wait := 20 * time.Millisecond; ; {
		err := ping(ctx, client)
		if ctx.Err() != nil {
			return
		}
		s.setState(func(st *State) {
			if st.Ready, st.Problem = err == nil, ""; err != nil {
				st.Problem = "the embedded ClickHouse does not answer: " + err.Error()
			}
		})
		switch {
		case err == nil:
			if answered.IsZero() {
				s.logger.Info("the embedded ClickHouse is ready")
				s.announce()
			}
			answered, wait = time.Now(), time.Second
		case !answered.IsZero() && time.Since(answered) > s.hangPatience:
			s.logger.Error("the embedded ClickHouse has hung and is killed", zap.Error(err), zap.Duration("silent", time.Since(answered)))
			kill()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func ping(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/ping", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
