package journal_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nfstats/nfstats/collector/journal"
)

func TestInspectWhileOpen(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	j.Append(numbered(0, 3000))
	b := nextNow(t, j)
	j.Done(b.Range)
	if err := j.Commit(context.Background(), b.To, []byte("state")); err != nil {
		t.Fatal(err)
	}
	before := listing(t, c.Dir)
	info, err := journal.Inspect(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Checkpoint != b.To || info.StateBytes != len("state") || info.CheckpointAt.IsZero() || len(info.Segments) != j.Status().Segments {
		t.Errorf("info: %+v", info)
	}
	var numbers []uint64
	for i, s := range info.Segments {
		if i > 0 && s.Base != info.Segments[i-1].End || s.Created.IsZero() {
			t.Errorf("segment %d: %+v", i, s)
		}
		r, err := journal.OpenSegment(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		for {
			b, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, numbersOf(t, b)...)
		}
		if r.Damage() != (journal.Loss{}) {
			t.Errorf("segment %d: damage %+v", i, r.Damage())
		}
		r.Close()
	}
	if !slices.Equal(numbers, sequence(info.Segments[0].Base.Datagrams, 3000)) {
		t.Error("the segments do not hold what was appended")
	}
	if after := listing(t, c.Dir); after != before {
		t.Error("inspecting changes files")
	}
	if _, err := journal.Inspect(filepath.Join(c.Dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no journal: %v", err)
	}
}

func TestSetAside(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	j.Append(numbered(0, 300))
	b := nextNow(t, j)
	token := b.Token() + "-2"
	odd := func(d *journal.Datagram) bool { return d.LocalPort == 2056 }
	for range 2 { // a crash may make the pipeline do it again
		if err := j.SetAside(b.Range, token, []byte("templates"), odd, errors.New("column x: value out of range")); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.SetAside(b.Range, b.Token(), nil, nil, errors.New("all of it")); err != nil {
		t.Fatal(err)
	}
	if !j.IsRejected(token) || j.IsRejected(b.Token()+"-3") {
		t.Error("what was set aside is not known")
	}
	j.Close()

	list, err := journal.ListRejected(c.Dir)
	if err != nil || len(list) != 2 {
		t.Fatalf("list: %+v, %v", list, err)
	}
	var want []uint64
	for n := uint64(1); n < 300; n += 2 {
		want = append(want, n)
	}
	info, part, state, err := journal.ReadRejected(c.Dir, token)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, numbersOf(t, part)); diff != "" {
		t.Error(diff)
	}
	if info != list[0] || info.Token != token || info.Datagrams != 150 || info.Range != b.Range || !strings.Contains(info.Cause, "out of range") || string(state) != "templates" {
		t.Errorf("info %+v, state %q", info, state)
	}
	if err := journal.DropRejected(c.Dir, token); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := journal.ReadRejected(c.Dir, token); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading what was dropped: %v", err)
	}
	if err := journal.DropRejected(c.Dir, token); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("dropping twice: %v", err)
	}
	if list, _ := journal.ListRejected(c.Dir); len(list) != 1 {
		t.Errorf("list: %+v", list)
	}
	for _, bad := range []string{"", "..", "../segments", "a/b", "x.tmp"} {
		if err := journal.DropRejected(c.Dir, bad); err == nil {
			t.Errorf("dropped %q", bad)
		}
	}
}

func TestSetAsideIsBounded(t *testing.T) {
	c := config(t.TempDir())
	c.RejectedSize = 100 << 10
	j := open(t, c)
	j.Append(numbered(0, 2000))
	_, ranges := drain(t, j)
	for _, r := range ranges {
		if err := j.SetAside(r, r.Token(), nil, nil, errors.New("no")); err != nil {
			t.Fatal(err)
		}
	}
	s := j.Status()
	if s.Rejected != 1 || s.Lost[journal.RejectedOverflow].Datagrams == 0 {
		t.Errorf("status: %+v", s)
	}
	if _, _, _, err := journal.ReadRejected(c.Dir, ranges[len(ranges)-1].Token()); err != nil {
		t.Errorf("the newest: %v", err)
	}
	j.Done(ranges[0])
	j.Commit(context.Background(), ranges[0].To, nil)
	if err := j.SetAside(ranges[0], ranges[0].Token(), nil, nil, errors.New("no")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("setting aside what is gone: %v", err)
	}
}

// TestAgain sees the datagrams between the checkpoint and each block, over
// several segments, and the checkpoint's state.
func TestAgain(t *testing.T) {
	c := config(t.TempDir())
	j := open(t, c)
	j.Append(numbered(0, 5000))
	_, ranges := drain(t, j)
	if j.Status().Segments < 2 || len(ranges) < 4 {
		t.Fatalf("%d segments, %d blocks: too few", j.Status().Segments, len(ranges))
	}
	j.Done(ranges[0])
	if err := j.Commit(context.Background(), ranges[0].To, []byte("state")); err != nil {
		t.Fatal(err)
	}
	for _, r := range ranges[1:] {
		var state string
		var numbers []uint64
		err := j.Again(r, func(s []byte) error { state = string(s); return nil }, func(d *journal.Datagram) { numbers = append(numbers, numberOf(t, d)) })
		if err != nil || state != "state" {
			t.Fatalf("state %q, %v", state, err)
		}
		if want := sequence(ranges[0].To.Datagrams, r.From.Datagrams); !slices.Equal(numbers, want) {
			t.Errorf("before %v: %d datagrams, want %d", r.From, len(numbers), len(want))
		}
	}
}
