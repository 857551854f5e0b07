package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
	"github.com/nfstats/nfstats/store"
)

// importBlockRows is how many records are read for one insert.
const importBlockRows = 100_000

// An importRun imports files.
type importRun struct {
	plan      *importPlan
	parallel  int
	progress  *progress
	out       io.Writer
	stdin     io.Reader
	flows     *store.Store // nil for a dry run
	retention *store.Retention
	collector string
}

// imported tells what became of a file.
type imported struct {
	store.Import
	known    bool  // it was in already
	damage   error // why not all of it could be read
	warnings []string
}

// files imports all that paths name. Damage of one does not keep the others
// from coming in.
func (r *importRun) files(ctx context.Context, paths []string) error {
	found, skipped, err := findArchives(paths)
	for _, s := range skipped {
		r.progress.line("skipped %s: %s", s.path, s.why)
	}
	if err != nil {
		return err
	}
	return r.all(ctx, found)
}

func (r *importRun) all(ctx context.Context, paths []string) error {
	if r.flows != nil {
		resume, err := r.flows.KeepExpired(ctx)
		if err != nil {
			r.progress.line("%v: flows older than the tables keep may be gone before they are in the hourly totals", err)
		} else {
			defer func() {
				if err := resume(); err != nil {
					r.progress.line("%v", err)
				}
			}()
		}
	}
	r.progress.begin(paths)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(r.parallel)
	for _, path := range paths {
		group.Go(func() error {
			result, err := r.file(groupCtx, path)
			if groupCtx.Err() != nil {
				return groupCtx.Err()
			}
			r.progress.done(path, result, err, r.flows == nil)
			return nil
		})
	}
	err := group.Wait()
	summary := r.progress.finish()
	fmt.Fprintln(r.out, summary.text(r.flows == nil))
	if r.flows != nil && !summary.oldest.IsZero() {
		warnings, failed := r.retention.ExpiresOnArrival(ctx, summary.oldest)
		if failed != nil && err == nil {
			err = failed
		}
		for _, w := range warnings {
			r.progress.line("%s", w)
		}
	}
	switch {
	case err != nil:
		return err
	case summary.failed+summary.damaged > 0:
		return fmt.Errorf("%d of %d files were not read whole, %d not at all", summary.damaged+summary.failed, summary.files, summary.failed)
	}
	return nil
}

// file imports one file.
func (r *importRun) file(ctx context.Context, path string) (imported, error) {
	f, done, err := r.open(path)
	if err != nil {
		return imported{}, err
	}
	defer done()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return imported{}, fmt.Errorf("read %s: %w", path, err)
	}
	result := imported{Import: store.Import{ID: hex.EncodeToString(sum.Sum(nil)[:16]), Attempt: 1, Path: path, Format: r.plan.format, State: store.ImportRunning}}
	if r.flows == nil {
		return result, r.read(ctx, f, &result)
	}
	if err := r.probe(f, path); err != nil {
		return result, err
	}
	known, err := r.flows.FindImport(ctx, result.ID)
	switch {
	case err != nil:
		return result, err
	case known.State == store.ImportDone || known.State == store.ImportDamaged:
		return imported{Import: known, known: true}, nil
	case known.Attempt > 0:
		result.Attempt = known.Attempt
	}
	return result, r.insertAndRollUp(ctx, f, &result)
}

// probe reports a file of which nothing can be read, so that it is not recorded.
func (r *importRun) probe(f *os.File, path string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	_, err := r.plan.open(f, path)
	return err
}

// insertAndRollUp brings in the flows of a file. Where an earlier attempt was
// interrupted, blocks that are in already are dropped for their token. Should
// ClickHouse have forgotten the tokens, or the flags be others than then, there
// are more flows than the file has: then all are removed and come in again.
func (r *importRun) insertAndRollUp(ctx context.Context, f *os.File, result *imported) error {
	for again := false; ; again = true {
		if err := r.flows.SaveImport(ctx, result.Import); err != nil {
			return err
		}
		if err := r.read(ctx, f, result); err != nil {
			return err
		}
		stored, err := r.flows.CountSource(ctx, result.ID)
		if err != nil {
			return err
		}
		if stored > result.Flows && !again {
			if result.Attempt, err = r.flows.RestartImport(ctx, result.Import); err != nil {
				return err
			}
			continue
		}
		if stored != result.Flows {
			result.warnings = append(result.warnings, fmt.Sprintf("%d flows are stored of %d read", stored, result.Flows))
		}
		break
	}
	if err := r.flows.RollUpSource(ctx, result.ID, int(result.Attempt)); err != nil {
		return err
	}
	result.State = store.ImportDone
	if result.damage != nil {
		result.State, result.Error = store.ImportDamaged, result.damage.Error()
	}
	return r.flows.SaveImport(ctx, result.Import)
}

// read reads a file from its start and inserts its flows, unless this is a dry
// run. Damage is in result; an error is one of reading or inserting.
func (r *importRun) read(ctx context.Context, f *os.File, result *imported) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read %s: %w", result.Path, err)
	}
	result.Flows, result.Packets, result.Bytes, result.damage, result.warnings = 0, 0, 0, nil, nil
	first, last, clamped := int64(math.MaxInt64), int64(0), 0
	reader, err := r.plan.open(f, result.Path)
	if err != nil {
		return err // nothing of it can be read
	}
	latestMs := time.Now().Add(24 * time.Hour).UnixMilli()
	var b decoder.Batch
	for block, end, before := 0, error(nil), int64(0); end == nil; block++ {
		b.Reset()
		var records int
		records, end = reader.Read(&b, importBlockRows)
		clamped += archive.ClampTimes(&b, latestMs)
		r.plan.keepRange(&b)
		r.plan.mapping.apply(&b)
		for i := range b.Len() {
			result.Packets += b.Packets[i]
			result.Bytes += b.Bytes[i]
			first, last = min(first, b.TimeFlowStart[i]), max(last, b.TimeFlowEnd[i])
		}
		result.Flows += uint64(b.Len())
		if r.flows != nil {
			token := fmt.Sprintf("import-%s-%d-%s-%d", result.ID, result.Attempt, r.plan.digest, block)
			if err := r.flows.InsertFlows(ctx, store.Block{Token: token, Collector: r.collector, Source: result.ID}, &b); err != nil {
				return fmt.Errorf("%s: %w", result.Path, err)
			}
		}
		r.progress.add(records, reader.Offset()-before)
		before = reader.Offset()
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, damaged := errors.AsType[*archive.DamageError](end); damaged {
			result.damage = end
		} else if end != nil && end != io.EOF {
			return end
		}
	}
	result.FirstFlow, result.LastFlow = time.Unix(0, 0), time.UnixMilli(last)
	if result.Flows > 0 {
		result.FirstFlow = time.UnixMilli(first)
	}
	result.warnings = reader.Warnings()
	if clamped > 0 {
		result.warnings = append(result.warnings, fmt.Sprintf("%d records had absurd times, which are replaced", clamped))
	}
	return nil
}

// open opens a file; standard input is copied, because it is read twice.
func (r *importRun) open(path string) (f *os.File, done func(), err error) {
	if path != "-" {
		f, err := os.Open(path)
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
	if _, err = io.Copy(f, r.stdin); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("copy standard input: %w", err)
	}
	return f, done, nil
}

// keepRange removes the flows that ended outside the time asked for.
func (p *importPlan) keepRange(b *decoder.Batch) {
	if p.sinceMs == 0 && p.untilMs == 0 {
		return
	}
	kept := 0
	for i, end := range b.TimeFlowEnd[:b.Len()] {
		if end < p.sinceMs || p.untilMs != 0 && end >= p.untilMs {
			continue
		}
		if kept != i {
			b.CopyRow(kept, i, decoder.AllColumns)
		}
		kept++
	}
	b.Truncate(kept)
}
