package journal_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/collector/journal"
)

// childVariable makes the test binary the process that TestKill kills. It holds
// the folder, the number of the run, and "last" for the run that drains.
const childVariable = "NFSTATS_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if arguments := strings.Fields(os.Getenv(childVariable)); len(arguments) > 0 {
		run, _ := strconv.ParseUint(arguments[1], 10, 32)
		if err := crashingChild(arguments[0], run, len(arguments) == 3); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const childWriters = 3

func childConfig(dir string) journal.Config {
	c := config(filepath.Join(dir, "journal"))
	c.SegmentSize = 256 << 10
	c.BlockAge = 3 * time.Millisecond
	c.SyncInterval = 20 * time.Millisecond
	return c
}

// crashingChild is a pipeline in small: writers append and note what was
// accepted, blocks are "inserted" into a file under their tokens, several at a
// time and in any order, and checkpoints are made at block borders.
func crashingChild(dir string, run uint64, last bool) error {
	j, err := journal.Open(childConfig(dir), zap.NewNop())
	if err != nil {
		return err
	}
	defer j.Close()
	go j.Run(context.Background())
	if last {
		j.Drain()
	} else {
		for w := range uint64(childWriters) {
			go childWriter(j, dir, run<<40|w<<32)
		}
	}
	return childPipeline(j, dir)
}

func childWriter(j *journal.Journal, dir string, number uint64) {
	accepted := appendTo(filepath.Join(dir, "accepted"))
	for {
		n := 1 + rand.Uint64N(64)
		j.Append(numbered(number, n))
		fmt.Fprintf(accepted, "\n%d %d\n", number, n)
		number += n
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	}
}

func appendTo(path string) *os.File {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	return f
}

// childState is what decoding would depend on: how many datagrams of each
// writer came before.
type childState map[uint64]uint64

func childPipeline(j *journal.Journal, dir string) error {
	state := childState{}
	if saved := j.State(); saved != nil {
		if err := json.Unmarshal(saved, &state); err != nil {
			return err
		}
	}
	store := appendTo(filepath.Join(dir, "store"))
	var inserts sync.WaitGroup
	pos := j.Status().Read
	places := make(chan struct{}, 4)
	for i := 0; ; i++ {
		b, err := j.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if rand.IntN(5) == 0 {
			snapshot, _ := json.Marshal(state)
			at := pos
			go j.Commit(context.Background(), at, snapshot)
		}
		row := childRow(b, state)
		r := b.Range
		pos = r.To
		b.Release()
		places <- struct{}{}
		inserts.Go(func() {
			time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
			store.Write(row)
			j.Done(r)
			<-places
		})
	}
	inserts.Wait()
	return nil
}

// childRow decodes a block: its token, the state before it, and its datagrams.
func childRow(b *journal.Block, state childState) []byte {
	before, _ := json.Marshal(state)
	row := fmt.Appendf(nil, "\n%s %08x", b.Token(), crc32.ChecksumIEEE(before))
	var d journal.Datagram
	for c := b.Cursor(); c.Next(&d); {
		number := numberOf(panicking{}, &d)
		state[number>>32]++
		row = fmt.Appendf(row, " %d", number)
	}
	return append(row, " .\n"...)
}

// panicking stands for a test in the child.
type panicking struct{ testing.TB }

func (panicking) Helper()                           {}
func (panicking) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func TestKill(t *testing.T) {
	dir := t.TempDir()
	runs := uint64(40)
	if testing.Short() {
		runs = 8
	}
	for run := range runs {
		child := startChild(t, dir, run, "")
		time.Sleep(time.Duration(30+rand.IntN(150)) * time.Millisecond)
		child.Process.Kill()
		child.Wait()
	}
	child := startChild(t, dir, runs, "last")
	if err := child.Wait(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, child.Stderr)
	}

	accepted := acceptedNumbers(t, filepath.Join(dir, "accepted"))
	stored, inserts, repeated := storedNumbers(t, filepath.Join(dir, "store"))
	for number := range accepted {
		if stored[number] != 1 {
			t.Errorf("datagram %#x of run %d is stored %d times", number, number>>40, stored[number])
		}
	}
	for number, n := range stored {
		if n != 1 {
			t.Errorf("datagram %#x is stored %d times", number, n)
		}
	}
	t.Logf("%d kills survived: %d datagrams accepted, %d stored, %d inserts, %d of them repeated", runs, len(accepted), len(stored), inserts, repeated)
	if repeated == 0 || len(accepted) == 0 {
		t.Error("the test shows nothing: no insert was repeated")
	}
}

func startChild(t *testing.T, dir string, run uint64, last string) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", childVariable, dir, run, last))
	child.Stderr = new(bytes.Buffer)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill() })
	return child
}

// acceptedNumbers returns what the writers noted after Append had returned.
func acceptedNumbers(t *testing.T, path string) map[uint64]bool {
	t.Helper()
	numbers := map[uint64]bool{}
	for line := range strings.Lines(string(readFile(t, path))) {
		var from, n uint64
		if _, err := fmt.Sscanf(line, "%d %d\n", &from, &n); err != nil || !strings.HasSuffix(line, "\n") {
			continue // empty, or cut by a kill
		}
		for i := range n {
			numbers[from+i] = true
		}
	}
	return numbers
}

// storedNumbers counts the datagrams in the store, which keeps the first insert
// under each token. Repeated ones must be the same, state included.
func storedNumbers(t *testing.T, path string) (numbers map[uint64]int, inserts, repeated int) {
	t.Helper()
	blocks := map[string]string{}
	numbers = map[uint64]int{}
	lines := bufio.NewScanner(bytes.NewReader(readFile(t, path)))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		row, whole := strings.CutSuffix(lines.Text(), " .")
		if !whole {
			continue // empty, or cut by a kill
		}
		inserts++
		token, content, _ := strings.Cut(row, " ")
		if first, ok := blocks[token]; ok {
			repeated++
			if first != content {
				t.Errorf("block %s is inserted once as\n%s\nand once as\n%s", token, first, content)
			}
			continue
		}
		blocks[token] = content
	}
	for content := range maps.Values(blocks) {
		for _, field := range strings.Fields(content)[1:] {
			number, err := strconv.ParseUint(field, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			numbers[number]++
		}
	}
	return numbers, inserts, repeated
}
