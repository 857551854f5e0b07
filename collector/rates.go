package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nfstats/nfstats/decoder/netflow"
)

// operatorRates are the sampling rates that operators set while the daemon runs.
// They are kept in a file beside the journal, each with the receive time from
// which on it holds: a datagram that is decoded again after a crash gets the rate
// that it got before.
type operatorRates struct {
	mu        sync.Mutex
	path      string
	overrides []netflow.SamplingOverride // oldest first; rate 0: taken back
}

const (
	// ratesBegin is how long after it was set a sampling rate begins to hold. By
	// then it is on disk and with all decoders, which take it between two blocks.
	ratesBegin = 10 * time.Second
	// ratesKept is how long rates that hold no more are kept for what waits in the journal.
	ratesKept = 60 * 24 * time.Hour
)

// load reads the file; none is an empty one.
func (r *operatorRates) load() error {
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read the sampling rates that operators set: %w", err)
	}
	if err := json.Unmarshal(text, &r.overrides); err != nil {
		return fmt.Errorf("read the sampling rates that operators set, in %s: %w", r.path, err)
	}
	return nil
}

// over returns a decoder's configuration with the operators' rates before its own.
func (r *operatorRates) over(config netflow.Config) netflow.Config {
	config.SamplingOverrides = append(slices.Clone(r.overrides), config.SamplingOverrides...)
	return config
}

// update returns what to keep so that the wanted rates hold from a time on, and
// whether that is anything new.
func (r *operatorRates) update(wanted []netflow.SamplingOverride, now time.Time) (next []netflow.SamplingOverride, changed bool) {
	newest := func(all []netflow.SamplingOverride, of netflow.SamplingOverride) (o netflow.SamplingOverride, ok bool) {
		for _, other := range all {
			if other.Same(of) {
				o, ok = other, true
			}
		}
		return o, ok
	}
	next = slices.DeleteFunc(slices.Clone(r.overrides), func(o netflow.SamplingOverride) bool {
		last, _ := newest(r.overrides, o)
		over := last.SinceMs > o.SinceMs || o.Rate == 0
		return over && last.SinceMs < now.Add(-ratesKept).UnixMilli()
	})
	since := now.Add(ratesBegin).UnixMilli()
	for _, w := range wanted {
		if last, ok := newest(r.overrides, w); ok && last.Rate == w.Rate {
			continue
		}
		w.SinceMs = since
		next, changed = append(next, w), true
	}
	for _, o := range r.overrides {
		if _, wantedStill := newest(wanted, o); wantedStill {
			continue
		}
		if last, _ := newest(next, o); last.Rate != 0 {
			o.Rate, o.SinceMs = 0, since
			next, changed = append(next, o), true
		}
	}
	return next, changed
}

// save replaces the file at once.
func (r *operatorRates) save(overrides []netflow.SamplingOverride) error {
	text, err := json.MarshalIndent(overrides, "", "  ")
	if err != nil {
		return fmt.Errorf("keep sampling rates: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(r.path), filepath.Base(r.path)+".new*")
	if err != nil {
		return fmt.Errorf("keep sampling rates: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), r.path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("keep sampling rates: %w", err)
	}
	return nil
}

// SetSamplingRates makes these, beside those of Config.Decoder, the sampling
// rates that win over what exporters announce, for what is received from ten
// seconds later on. Rates set before that are not among them are taken back.
// Open must have been called.
func (c *Collector) SetSamplingRates(ctx context.Context, rates []netflow.SamplingOverride) error {
	c.rates.mu.Lock()
	defer c.rates.mu.Unlock()
	next, changed := c.rates.update(rates, time.Now())
	if !changed {
		return nil
	}
	if err := c.rates.save(next); err != nil {
		return err
	}
	c.rates.overrides = next
	all := append(slices.Clone(next), c.config.Decoder.SamplingOverrides...)
	for _, w := range c.workers {
		var failed error
		if err := w.look(ctx, func(d *netflow.Decoder) { failed = d.SetSamplingOverrides(all) }); err != nil || failed != nil {
			return errors.Join(err, failed)
		}
	}
	return nil
}
