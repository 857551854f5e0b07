package archives

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/ipas"
)

// Importer imports files. It is for one Run or Watch at a time.
type Importer struct {
	Plan     *Plan
	Parallel int                                 // files read at once, at least 1
	Progress *Progress                           // not nil
	Open     func(path string) (*os.File, error) // a file of Run
	Stdin    io.Reader                           // file "-"; may be nil

	Retention *store.Retention // tells how old rows may be; may be nil for a dry run
	Flows     *store.Store     // nil for a dry run, which uses nothing of what follows
	Collector string           // name of this collector, for column collector
	Networks  *ipas.Database   // completes AS numbers; nil: they stay as exported

	mu       sync.Mutex
	taken    map[string]bool    // IDs of this run
	versions map[string]version // by path, of all runs
	oldest   time.Time          // that tellExpiry has asked about in this run
	told     int                // tables that it has told of
	batches  sync.Pool          // *decoder.Batch, at most one for each file that is read
}

// version is a file as it was read.
type version struct {
	id   string
	size int64
}

// result tells what became of a file.
type result struct {
	store.Import
	known    bool  // it was in already
	damage   error // why not all of it could be read
	warnings []string
}

// Run imports files. Damage of one does not keep the others from coming in; the
// error says how many were not read whole.
func (i *Importer) Run(ctx context.Context, files []File) error {
	i.taken, i.oldest, i.told = map[string]bool{}, time.Now(), 0
	i.Progress.begin(files)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, i.Parallel))
	for _, f := range files {
		group.Go(func() error {
			r, err := i.file(groupCtx, f.Path)
			if groupCtx.Err() != nil {
				return groupCtx.Err()
			}
			i.Progress.done(f.Path, r, err)
			return nil
		})
	}
	err := group.Wait()
	state := i.Progress.State()
	if err == nil && state.Unreadable+state.Damaged > 0 {
		return fmt.Errorf("%d of %s not read whole, %d not at all", state.Damaged+state.Unreadable, counted(state.FilesDone, "file was", "files were"), state.Unreadable)
	}
	return err
}

// tellExpiry tells of tables that do not keep flows as old as these until when they
// keep them, when they are more tables than it has told of. It is called before
// they come in, so that there is time to stop.
func (i *Importer) tellExpiry(ctx context.Context, oldest time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !oldest.Before(i.oldest.Add(-time.Hour)) {
		return nil
	}
	i.oldest = oldest
	texts, err := i.Retention.KeptUntil(ctx, oldest)
	if len(texts) > i.told {
		i.told = len(texts)
		for _, text := range texts {
			i.Progress.warn("%s", text)
		}
	}
	return err
}

// file imports one file.
func (i *Importer) file(ctx context.Context, path string) (result, error) {
	f, done, err := i.open(path)
	if err != nil {
		return result{}, err
	}
	defer done()
	id, outgrown, err := i.digest(f, path)
	if err != nil {
		return result{}, err
	}
	r := result{Import: store.Import{ID: id, Attempt: 1, Path: path, Format: i.Plan.format, State: store.ImportRunning}}
	if err := i.probe(f, path); err != nil {
		return r, err
	}
	if !i.take(r.ID) {
		r.known = true
		return r, nil
	}
	if i.Flows == nil {
		return r, i.read(ctx, f, &r)
	}
	if outgrown != "" {
		if _, err := i.Flows.ForgetImport(ctx, outgrown); err != nil && !errors.Is(err, store.ErrNoImport) {
			return r, err
		}
	}
	known, err := i.Flows.FindImport(ctx, r.ID)
	switch {
	case err != nil:
		return r, err
	case known.State == store.ImportDone || known.State == store.ImportDamaged:
		return result{Import: known, known: true}, nil
	case known.Attempt > 0:
		r.Attempt = known.Attempt
	}
	return r, i.insertAndRollUp(ctx, f, &r)
}

// take reports whether no other file of this run has the same content.
func (i *Importer) take(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.taken[id] {
		return false
	}
	i.taken[id] = true
	return true
}

// digest returns the ID of a file's content, and that of an earlier version of
// the file where the content has only grown since: it was not finished then, and
// its flows would be there twice. "" is none.
func (i *Importer) digest(f *os.File, path string) (id, outgrown string, err error) {
	i.mu.Lock()
	before := i.versions[path]
	i.mu.Unlock()
	sum := sha256.New()
	idOf := func() string { return hex.EncodeToString(sum.Sum(nil)[:16]) }
	start, err := io.CopyN(sum, f, before.size)
	if start > 0 && idOf() == before.id {
		outgrown = before.id
	}
	rest := int64(0)
	if err == nil {
		rest, err = io.Copy(sum, f)
	}
	if err != nil && err != io.EOF {
		return "", "", fmt.Errorf("read: %w", err)
	}
	id = idOf()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.versions == nil {
		i.versions = map[string]version{}
	}
	i.versions[path] = version{id, start + rest}
	if outgrown == id {
		outgrown = ""
	}
	return id, outgrown, nil
}

// probe reports a file of which nothing can be read, so that it is not recorded.
func (i *Importer) probe(f *os.File, path string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	r, err := i.Plan.open(f, path)
	if err == nil {
		i.Plan.close(r)
	}
	return err
}

// open opens a file; standard input is copied, because it is read twice.
func (i *Importer) open(path string) (f *os.File, done func(), err error) {
	if path != "-" || i.Stdin == nil {
		f, err := i.Open(path)
		if err != nil {
			return nil, nil, err
		}
		return f, func() { f.Close() }, nil
	}
	f, err = os.CreateTemp("", "nfstats-import")
	if err != nil {
		return nil, nil, fmt.Errorf("copy standard input: %w", err)
	}
	done = func() { f.Close(); os.Remove(f.Name()) }
	if _, err = io.Copy(f, i.Stdin); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("copy standard input: %w", err)
	}
	return f, done, nil
}
