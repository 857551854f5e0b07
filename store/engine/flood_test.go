//go:build linux && amd64

package engine

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/zstd"
)

// zstdOf returns a small body that unpacks to many bytes and asks for a window.
func zstdOf(t *testing.T, window int) string {
	t.Helper()
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithWindowSize(window), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "SELECT 1")
	for range 64 {
		w.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

// blocksOf returns ClickHouse's compressed blocks of a size each.
func blocksOf(t *testing.T, size int) string {
	t.Helper()
	w := compress.NewWriter(compress.LevelZero, compress.LZ4)
	if err := w.Compress(append([]byte("SELECT 1"), bytes.Repeat([]byte(" "), size)...)); err != nil {
		t.Fatal(err)
	}
	return string(w.Data)
}

// TestFloods sends what takes much memory, from many clients at once, and holds
// the memory of both processes against the limit. Pages that both have of the
// library are counted once.
func TestFloods(t *testing.T) {
	if raceDetector {
		t.Skip("what the race detector needs is not what is measured")
	}
	s := prepare(t, t.TempDir())
	s.config.MaxMemory = 1 << 30
	s.reader.maxResident = readerMemory(1<<30) + residentSlack
	run(t, s)
	execute(t, client(t, s), "CREATE DATABASE nf")
	seen(t, s, "SELECT 1", "1")
	var highest atomic.Int64
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				total := residentMemory(t, writerPID(s)) + ownMemory(readerPID(s))
				highest.Store(max(highest.Load(), total))
			}
		}
	})
	const allowed = 3*(1<<30)/2 + 512<<20
	type flood struct {
		name, parameters, coding, body string
		clients                        int
	}
	for _, f := range []flood{
		{"zstd with a window of 128 MiB", "", "zstd", zstdOf(t, 128<<20), 100},
		{"zstd with a window of 8 MiB", "", "zstd", zstdOf(t, 8<<20), 100},
		{"blocks of 100 MiB", "decompress=1", "", blocksOf(t, 100<<20), 100},
		{"Native with large blocks", "client_protocol_version=54460&max_block_size=1000000000&preferred_block_size_bytes=1000000000", "",
			"SELECT repeat('x', 2000) FROM numbers(10000000) FORMAT Native", 8},
		{"Native with long values", "client_protocol_version=54460", "", "SELECT repeat('x', 1000000) FROM numbers(100000) FORMAT Native", 8},
		{"rows kept", "", "", "SELECT groupArray(repeat(toString(number), 100)) FROM numbers(100000000)", 24},
		{"a pretty table", "output_format_pretty_max_rows=10000000", "", "SELECT repeat('x', 1000), number FROM numbers(10000000) FORMAT Pretty", 8},
		{"answers compressed", "compress=1", "", "SELECT * FROM numbers(10000000)", 24},
	} {
		t.Run(f.name, func(t *testing.T) {
			highest.Store(0)
			before := s.ReaderState().Restarts
			var clients sync.WaitGroup
			for range f.clients {
				clients.Go(func() {
					request, err := http.NewRequest(http.MethodPost, "http://"+s.config.Listen+"/?max_execution_time=2&"+f.parameters, strings.NewReader(f.body))
					if err != nil {
						t.Error(err)
						return
					}
					request.Header.Set("Content-Encoding", f.coding)
					if response, err := http.DefaultClient.Do(request); err == nil {
						io.Copy(io.Discard, response.Body)
						response.Body.Close()
					}
				})
			}
			clients.Wait()
			t.Logf("at most %d MiB, %d restarts of the reader", highest.Load()>>20, s.ReaderState().Restarts-before)
			if highest.Load() > allowed {
				t.Errorf("%d bytes, allowed are %d", highest.Load(), allowed)
			}
			if _, one := post(t, s, strings.NewReader("SELECT 1")); one != "1\n" {
				t.Errorf("the writer answers %q", one)
			}
			eventually(t, "the reader answers", func() error {
				if body := attempt(s, "SELECT 1"); !strings.Contains(body, "1\n") {
					return fmt.Errorf("%s", body)
				}
				return nil
			})
		})
	}
	close(stop)
	watching.Wait()
	if st := s.State(); st.Restarts != 0 {
		t.Errorf("the writer was restarted: %+v", st)
	}
}

func writerPID(s *Supervisor) int { return int(s.writer.pid.Load()) }
func readerPID(s *Supervisor) int { return int(s.reader.pid.Load()) }

// TestIdleConnectionsKeepNobodyOut opens as many as the read-only address has.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	s := start(t, t.TempDir())
	execute(t, client(t, s), "CREATE DATABASE nf")
	seen(t, s, "SELECT 1", "1")
	for i := range 2 * readOnlyConnections {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(1+i%200))}}
		c, err := from.Dial("tcp", s.config.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nSELECT")
		}
	}
	seen(t, s, "SELECT 2", "2")
	for i := range readOnlyWaiting + readOnlyStatements { // fewer than there are connections
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, byte(1+i%2))}}
		if c, err := from.Dial("tcp", s.config.Listen); err == nil {
			defer c.Close()
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nS")
		}
	}
	seen(t, s, "SELECT 4", "4")
	if three := box(t, s, "SELECT 3"); three != "3" {
		t.Errorf("the web UI's statement: %s", three)
	}
	response, err := http.Get("http://" + s.config.Listen + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); string(text) != "Ok.\n" {
		t.Errorf("/ping: %s %v", text, err)
	}
}
