package archives

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/nfstats/nfstats/decoder"
	"github.com/nfstats/nfstats/decoder/archive"
	"github.com/nfstats/nfstats/store"
)

// blockRows is how many records are read for one insert.
const blockRows = 100_000

// insertAndRollUp brings in the flows of a file. Where an earlier attempt was
// interrupted, blocks that are in already are dropped for their token. Should
// ClickHouse have forgotten the tokens, or the options be others than then, there
// are more flows than the file has: then all are removed and come in again.
func (i *Importer) insertAndRollUp(ctx context.Context, f *os.File, r *result) error {
	for again := false; ; again = true {
		if err := i.Flows.SaveImport(ctx, r.Import); err != nil {
			return err
		}
		if err := i.read(ctx, f, r); err != nil {
			return err
		}
		stored, err := i.Flows.CountSource(ctx, r.ID)
		if err != nil {
			return err
		}
		if stored > r.Flows && !again {
			if r.Attempt, err = i.Flows.RestartImport(ctx, r.Import); err != nil {
				return err
			}
			continue
		}
		if stored != r.Flows {
			r.warnings = append(r.warnings, fmt.Sprintf("%d flows are stored of %d read", stored, r.Flows))
		}
		break
	}
	if err := i.Flows.RollUpSource(ctx, r.ID, int(r.Attempt)); err != nil {
		return err
	}
	r.State = store.ImportDone
	if r.damage != nil {
		r.State, r.Error = store.ImportDamaged, r.damage.Error()
	}
	return i.Flows.SaveImport(ctx, r.Import)
}

// read reads a file from its start and inserts its flows, unless this is a dry
// run. Damage is in r; an error is one of reading or inserting.
func (i *Importer) read(ctx context.Context, f *os.File, r *result) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	r.Flows, r.Packets, r.Bytes, r.damage, r.warnings = 0, 0, 0, nil, nil
	first, last, clamped, implausible := int64(math.MaxInt64), int64(0), 0, 0
	reader, err := i.Plan.open(f, r.Path)
	if err != nil {
		return err // nothing of it can be read
	}
	defer i.Plan.close(reader)
	complete := func(*decoder.Batch) {}
	if i.Networks != nil && i.Flows != nil {
		complete = i.Networks.NewLookup().Complete
	}
	latestMs := time.Now().Add(24 * time.Hour).UnixMilli()
	b, _ := i.batches.Get().(*decoder.Batch)
	if b == nil {
		b = new(decoder.Batch)
	}
	defer i.batches.Put(b)
	plausible := decoder.Plausibility{} // how fast interfaces were then is not known
	for block, end, before := 0, error(nil), int64(0); end == nil; block++ {
		b.Reset()
		var records int
		records, end = reader.Read(b, blockRows)
		clamped += archive.ClampTimes(b, latestMs)
		i.Plan.keepRange(b)
		i.Plan.mapping.apply(b)
		complete(b)
		implausible += plausible.Mark(b, 0)
		for row := range b.Len() {
			if b.Implausible[row] == 0 {
				r.Packets += b.Packets[row]
				r.Bytes += b.Bytes[row]
			}
			first, last = min(first, b.TimeFlowStart[row]), max(last, b.TimeFlowEnd[row])
		}
		r.Flows += uint64(b.Len())
		if i.Retention != nil && b.Len() > 0 {
			if err := i.tellExpiry(ctx, time.UnixMilli(first)); err != nil {
				return err
			}
		}
		if i.Flows != nil {
			token := fmt.Sprintf("import-%s-%d-%s-%d", r.ID, r.Attempt, i.Plan.digest, block)
			block := store.Block{Token: token, Collector: i.Collector, Source: r.ID, Imported: time.Now()}
			if err := i.Flows.InsertFlows(ctx, block, b); err != nil {
				return err
			}
		}
		i.Progress.read(records, reader.Offset()-before)
		before = reader.Offset()
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, damaged := errors.AsType[*archive.DamageError](end); damaged {
			r.damage = end
		} else if end != nil && end != io.EOF {
			return end
		}
	}
	r.FirstFlow, r.LastFlow = time.Unix(0, 0), time.Unix(0, 0)
	if r.Flows > 0 {
		r.FirstFlow, r.LastFlow = time.UnixMilli(first), time.UnixMilli(last)
	}
	r.warnings = reader.Warnings()
	if clamped > 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("%d records had absurd times, which are replaced", clamped))
	}
	if implausible > 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("%d records have counters that no network can have carried; "+
			"they are left out of charts and totals", implausible))
	}
	return nil
}
