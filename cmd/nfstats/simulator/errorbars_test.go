package simulator

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/nfstats/nfstats/store"
	"github.com/nfstats/nfstats/store/filter"
)

// A barred is what is known of the error bars of one kind.
type barred struct{ all, held, above, below int }

func (b *barred) add(off, bar float64) {
	b.all++
	switch {
	case math.Abs(off) <= bar:
		b.held++
	case off > 0:
		b.above++
	default:
		b.below++
	}
}

func (b *barred) String() string {
	return fmt.Sprintf("%d of %d hold the truth (%.1f %%), %d values are above, %d below", b.held, b.all, 100*float64(b.held)/float64(max(b.all, 1)), b.above, b.below)
}

// widths are the classes of error bars, as parts of the values.
var widths = []float64{0.05, 0.1, 0.25, 0.5, math.Inf(1)}

// How often the truth lies within the error bars that a user is shown, over a
// history like that of the demo: what entered by each interface that is sampled, by
// source AS. Each has its own packet sizes, so that layer 2 is another part of it.
// What is not sampled has no bar, and is right.
func TestErrorBarsOfADemoHistory(t *testing.T) {
	begin := time.Now().UTC().Truncate(24 * time.Hour).Add(-6 * time.Hour)
	const length = 2 * time.Hour
	r, s := stored(t, Config{Seed: 31, Start: begin, Step: 10 * time.Second}, length+8*time.Minute)
	from, to := begin.Add(5*time.Minute), begin.Add(length)
	seconds := to.Sub(from).Seconds()
	whole := r.entered(from, to)
	layer3 := map[way]map[uint32]float64{}
	for _, traffic := range r.traffic {
		k := way{router: traffic.Router, ifIndex: traffic.InIf}
		if layer3[k] == nil {
			layer3[k] = map[uint32]float64{}
		}
		if !traffic.Start.Before(from) && traffic.Start.Before(to) {
			layer3[k][as16(traffic.SrcAS)] += float64(traffic.Octets)
		}
	}
	for scale, truth := range map[store.Scale]map[way]map[uint32]float64{store.ScaleAuto: whole, store.ScaleSampled: layer3} {
		bars := make([]barred, len(widths))
		var all barred
		for k, slices := range truth {
			selected, err := filter.Parse(fmt.Sprintf("in_if = %s/%d", r.network.Router(k.router).Address(), k.ifIndex))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := s.Shares(t.Context(), store.Selection{From: from, To: to, Filter: selected, Scale: scale}, "src_as", 200)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range answer.Rows {
				var asn uint32
				if _, err := fmt.Sscan(row.Value, &asn); err != nil || row.BitsPerSecond == 0 {
					continue // the rest
				}
				octets, bar := row.BitsPerSecond*seconds/8, row.Error*seconds/8
				off := octets - slices[as16(asn)]
				if k.router == "edge1.ham" { // flows across the ends of the time are spread evenly, which is not quite what they did
					if bar != 0 || math.Abs(off) > 0.01*octets+1e5 {
						t.Errorf("%s, not sampled: AS %d at %+v is off by %.2f %%, with a bar of %v", scale, asn, k, 100*off/octets, bar)
					}
					continue
				}
				if scale == store.ScaleAuto && row.Share > 0.99 {
					continue // a total, which is not estimated
				}
				all.add(off, bar)
				for i, width := range widths {
					if bar <= width*octets {
						bars[i].add(off, bar)
						break
					}
				}
			}
		}
		for i := range bars {
			t.Logf("%s, bars up to ±%.0f %%: %v", scale, 100*widths[i], &bars[i])
		}
		t.Logf("%s: %v", scale, &all)
		// Of 200 cases, three standard deviations below 95 % are 90.4 %.
		if share := float64(all.held) / float64(all.all); all.all < 200 || share < 0.904 {
			t.Errorf("%s: %v", scale, &all)
		}
	}
}
