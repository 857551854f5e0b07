package collector

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/nfstats/nfstats/collector/journal"
	"github.com/nfstats/nfstats/collector/loglimit"
	"github.com/nfstats/nfstats/decoder/netflow"
)

const (
	// pressedWithin is how long a warning stays after the last datagram that found no place.
	pressedWithin = 10 * time.Minute
	// maxStrangersInMetrics bounds the label values that strangers make.
	maxStrangersInMetrics = 256
)

// SetKnown vouches for exporters: they get a place even when strangers have taken
// all of them. Open must have been called.
func (c *Collector) SetKnown(ctx context.Context, exporters []netip.Addr) error {
	for _, w := range c.workers {
		if err := w.look(ctx, func(d *netflow.Decoder) { d.SetKnown(exporters) }); err != nil {
			return err
		}
	}
	return nil
}

// places sums the places of all decoders, as of their last blocks.
func (c *Collector) places() (all netflow.Places) {
	for _, w := range c.workers {
		if p := w.places.Load(); p != nil {
			all.Add(*p)
		}
	}
	return all
}

// pressed sums the places of the decoders where exporters found none lately.
func (c *Collector) pressed(now time.Time) (all netflow.Places) {
	for _, w := range c.workers {
		if p := w.places.Load(); p != nil && isPressed(*p, now) {
			all.Add(*p)
		}
	}
	return all
}

func isPressed(p netflow.Places, now time.Time) bool {
	return p.PressedMs != 0 && now.Sub(time.UnixMilli(p.PressedMs)) <= pressedWithin
}

// placesWarning tells that exporters find no place, and what to do; "": they do.
func placesWarning(p netflow.Places, now time.Time) string {
	if !isPressed(p, now) {
		return ""
	}
	return fmt.Sprintf("places for exporters are taken (%d of %d, %d by known exporters): "+
		"since the start %d addresses were refused at first, and %d strangers lost their place. If they are forged, name the networks of your routers in collector.allow; "+
		"if they are routers of yours, raise decoder.max_exporters",
		p.Taken, p.Max, p.Known, p.Refused, p.Evicted)
}

// watchPlaces logs once a minute that exporters find no place.
func (c *Collector) watchPlaces(ctx context.Context) {
	ticker := time.NewTicker(loglimit.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if warning := placesWarning(c.pressed(now), now); warning != "" {
				c.logger.Warn(warning)
			}
		}
	}
}

// complain logs what was wrong with a datagram. That there was no place is told
// by watchPlaces: such addresses are too many to name.
func (w *worker) complain(d journal.Datagram, err error) {
	switch {
	case errors.Is(err, netflow.ReasonTooManyExporters):
	case w.decoder.Knows(d.Source):
		w.errors.datagram(d, err)
	default:
		w.strange.datagram(d, err)
	}
}

// namedInMetrics returns the exporters that have metrics of their own: those known,
// and some strangers as long as none of them has to give way. Each new label value
// costs Prometheus memory for hours.
func namedInMetrics(all []netflow.ExporterStatus, pressed bool) []netflow.ExporterStatus {
	strangers := 0
	return slices.DeleteFunc(all, func(e netflow.ExporterStatus) bool {
		if e.Known {
			return false
		}
		strangers++
		return pressed || strangers > maxStrangersInMetrics
	})
}

// namesWorthKeeping returns the names that exporters announced, without those of
// strangers where they come and go: they would fill the inventory.
func namesWorthKeeping(d *netflow.Decoder) []netflow.ExporterNames {
	names := d.Names()
	if p := d.Places(); p.Taken < p.Max {
		return names
	}
	return slices.DeleteFunc(names, func(n netflow.ExporterNames) bool {
		return !d.Knows(netip.AddrPortFrom(n.Address, n.Port))
	})
}
