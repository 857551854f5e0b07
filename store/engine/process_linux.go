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
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// How long a process may take to stop: the writer closes its tables, the reader has
// none of its own.
const (
	stopPatience       = 20 * time.Second
	readerStopPatience = 4 * time.Second
)

// residentInterval is the time between two looks at the memory of a process
// that has a limit. A core fills some 2 GB/s with fresh pages.
const residentInterval = 50 * time.Millisecond

func supported() error {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return errUnsupported
	}
	return nil
}

// runOnce runs one engine process until it ends, or ctx ends and it has stopped.
func (p *process) runOnce(ctx context.Context) error {
	// The parent-death signal is tied to the thread that starts the process, not
	// to this process: keep the thread (prctl(2), PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd, err := p.command()
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
	p.pid.Store(int64(cmd.Process.Pid))
	if _, err := io.WriteString(key, p.key+"\n"); err != nil {
		p.logger.Warn("give the engine its key", zap.Error(err)) // it has died: Wait tells how
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	watched := make(chan struct{})
	go func() { defer close(watched); p.watch(watching, cmd.Process.Kill) }()
	go p.watchMemory(watching, cmd.Process)

	ended := make(chan error, 1)
	go func() { ended <- explained(p.forward(logs), cmd) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err = <-ended:
		case <-time.After(p.stopPatience()):
			if p.role == writer {
				p.logger.Warn(p.name + " does not stop and is killed; nothing that it has confirmed is lost")
			}
			cmd.Process.Kill()
			err = <-ended
		}
	}
	stopWatching()
	<-watched
	return err
}

func (p *process) stopPatience() time.Duration {
	if p.role == reader {
		return readerStopPatience
	}
	return stopPatience
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

func (p *process) command() (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	sp, err := p.describe()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(sp)
	if err != nil {
		return nil, fmt.Errorf("describe the engine: %w", err)
	}
	cmd := exec.Command(program, string(p.role))
	cmd.Env = []string{specVariable + "=" + string(text)} // nothing of ours: queries may read it
	cmd.ExtraFiles = append([]*os.File{p.socket}, p.listeners...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // Ctrl-C is for the daemon, which stops the engine last
	}
	return cmd, nil
}

// forward writes what the engine prints to the log, and returns the last line.
// The engine prints only what goes wrong.
func (p *process) forward(logs io.Reader) (last string) {
	lines := bufio.NewScanner(logs)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		if last = lines.Text(); last != "" {
			p.logger.Warn(last)
		}
	}
	io.Copy(io.Discard, logs)
	return last
}

// watch pings the engine and keeps the state. It calls kill on an engine that was
// ready and has not answered for hangPatience.
func (p *process) watch(ctx context.Context, kill func() error) {
	client := &http.Client{
		Timeout: min(5*time.Second, p.hangPatience),
		Transport: &http.Transport{DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) }},
	}
	var answered time.Time
	for wait := 20 * time.Millisecond; ; {
		err := ping(ctx, client)
		if ctx.Err() != nil {
			return
		}
		p.setState(func(st *State) {
			if st.Ready, st.Problem = err == nil, ""; err != nil {
				st.Problem = p.name + " does not answer: " + err.Error()
			}
		})
		switch {
		case err == nil:
			if answered.IsZero() {
				p.logger.Info(p.name + " is ready")
				p.announce()
			}
			answered, wait = time.Now(), time.Second
		case !answered.IsZero() && time.Since(answered) > p.hangPatience:
			p.logger.Error(p.name+" has hung and is killed", zap.Error(err), zap.Duration("silent", time.Since(answered)))
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

// watchMemory kills a process that takes more memory than it may. ClickHouse has
// a limit below that; this is for what it does not count.
func (p *process) watchMemory(ctx context.Context, child *os.Process) {
	if p.maxResident == 0 {
		return
	}
	for ticker := time.NewTicker(residentInterval); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
		if resident := ownMemory(child.Pid); resident > p.maxResident {
			p.logger.Warn(p.name+" takes too much memory for the statements of users and is killed",
				zap.Int64("bytes", resident), zap.Int64("allowed", p.maxResident))
			child.Kill()
			return
		}
	}
}

// ownMemory returns the resident bytes of a process that no file backs; 0 if it
// is gone. ClickHouse's code is shared by both processes and can be read anew.
func ownMemory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)) // proc(5): size resident shared …, in pages
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(fields[1], 10, 64)
	shared, _ := strconv.ParseInt(fields[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
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
