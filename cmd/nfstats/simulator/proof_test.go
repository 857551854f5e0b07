package simulator

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/nfstats/nfstats/snmp/calibration"
)

// The proof of the calibration: its arithmetic against a network whose truth is
// known, through real datagrams, the decoder and the agents' counters.

// A way is an interface in one direction.
type way struct {
	router  string
	ifIndex uint32
	out     bool
}

// A bucketed is what is known of a way in one bucket.
type bucketed struct {
	truth  float64 // octets with layer 2
	sample calibration.Sample
	scaled map[uint32]float64  // octets by sampling rate
	slices map[uint32]*bySlice // by source AS
	whole  bySlice
}

// A bySlice is a slice of a bucket. Octets are those of layer 3.
type bySlice struct {
	truth, octets, square float64 // octets: sampled; square: Σ octets²/packets
}

func newBucketed() *bucketed {
	return &bucketed{scaled: map[uint32]float64{}, slices: map[uint32]*bySlice{}}
}

// slice returns the slice of a source AS, which v5 tells with 16 bits.
func (b *bucketed) slice(asn uint32) *bySlice {
	if asn = as16(asn); b.slices[asn] == nil {
		b.slices[asn] = &bySlice{}
	}
	return b.slices[asn]
}

func (s *bySlice) add(o bySlice) {
	s.truth += o.truth
	s.octets += o.octets
	s.square += o.square
}

// add adds the slices of another bucket.
func (b *bucketed) add(o *bucketed) {
	b.whole.add(o.whole)
	for asn, s := range o.slices {
		b.slice(asn).add(*s)
	}
}

// withinBars returns how many slices lie within their error bars when the total
// is known.
func (b *bucketed) withinBars() (within, all int) {
	for _, s := range b.slices {
		if s.octets*s.octets < 64*s.square {
			continue // as few as 64 packets of one size are not normally distributed
		}
		bar := calibration.Z95 * calibration.CalibratedError(s.octets, s.square, b.whole.octets, b.whole.square, b.whole.truth)
		if all++; math.Abs(s.octets/b.whole.octets*b.whole.truth-s.truth) <= bar {
			within++
		}
	}
	return within, all
}

// A proof is a run cut into buckets.
type proof struct {
	*run
	readings map[way][]calibration.Reading
	speeds   map[way]uint64
	overhead map[way]float64
	buckets  map[way][]*bucketed // the first and the last are left out
	begin    int64
}

// prove simulates a time, polls every minute and sums up both sides.
func prove(t *testing.T, c Config, length time.Duration) *proof {
	t.Helper()
	c.Step = 10 * time.Second
	p := &proof{run: newRun(t, c), readings: map[way][]calibration.Reading{}, speeds: map[way]uint64{}, overhead: map[way]float64{},
		buckets: map[way][]*bucketed{}, begin: start.Unix()}
	for at := start.Add(3 * time.Second); at.Before(start.Add(length + time.Minute)); at = at.Add(time.Minute) {
		p.network.Advance(at)
		for _, r := range p.network.Routers() {
			p.poll(r)
		}
	}
	p.network.Drain()
	n := int(length.Seconds())/calibration.BucketSeconds + 1
	for w := range p.readings {
		for range n {
			p.buckets[w] = append(p.buckets[w], newBucketed())
		}
	}
	for _, traffic := range p.traffic {
		p.book(traffic)
	}
	for row := range p.batch.Len() {
		p.spread(row)
	}
	for w, buckets := range p.buckets {
		intervals := calibration.Deltas(p.readings[w], p.speeds[w])
		for i := range buckets {
			s := &buckets[i].sample
			s.Bucket, s.SNMP, s.Final = p.begin+int64(i)*calibration.BucketSeconds, -1, true
			most := 0.0
			for rate, octets := range buckets[i].scaled {
				if octets > most {
					most, s.Rate = octets, rate
				}
			}
			if in, out, ok := calibration.Octets(intervals, s.Bucket*1000, (s.Bucket+calibration.BucketSeconds)*1000); ok {
				if s.SNMP = in; w.out {
					s.SNMP = out
				}
			}
		}
		p.buckets[w] = buckets[1 : n-1]
	}
	return p
}

func (p *proof) poll(r *Router) {
	s := r.Snapshot()
	if !s.Up {
		return
	}
	for n, i := range s.Interfaces {
		reading := calibration.Reading{AtMs: s.Time.UnixMilli(), UptimeMs: uint64(s.Uptime.Milliseconds()), InOctets: i.InOctets, OutOctets: i.OutOctets,
			InPackets: i.InPackets, OutPackets: i.OutPackets, Name: i.Name, Discontinuity: ticks(i.Discontinuity), CounterBits: 64}
		if r.faults.Counter32 {
			reading.InOctets, reading.OutOctets, reading.CounterBits = uint64(uint32(i.InOctets)), uint64(uint32(i.OutOctets)), 32
			reading.InPackets, reading.OutPackets = uint64(uint32(i.InPackets)), uint64(uint32(i.OutPackets))
		}
		for _, out := range []bool{false, true} {
			w := way{r.Name(), i.Index, out}
			p.readings[w] = append(p.readings[w], reading)
			p.speeds[w], p.overhead[w] = i.Speed, float64(r.spec.interfaces[n].overhead)
		}
	}
}

// at returns the bucket of a time.
func (p *proof) at(w way, second int64) *bucketed {
	i := (second - p.begin) / calibration.BucketSeconds
	if b := p.buckets[w]; i >= 0 && i < int64(len(b)) {
		return b[i]
	}
	return newBucketed() // nobody looks at it
}

// book adds true traffic.
func (p *proof) book(t Traffic) {
	for _, w := range []way{{t.Router, t.InIf, false}, {t.Router, t.OutIf, true}} {
		b := p.at(w, t.Start.Unix())
		b.truth += float64(t.Octets) + p.overhead[w]*float64(t.Packets)
		b.whole.truth += float64(t.Octets)
		b.slice(t.SrcAS).truth += float64(t.Octets)
	}
}

// spread adds a flow evenly over its lifetime, as rollups have it.
func (p *proof) spread(row int) {
	b := &p.batch
	router := ""
	for _, r := range p.network.Routers() {
		if r.Address() == netip.AddrFrom16(b.ExporterAddr[row]).Unmap() {
			router = r.Name()
		}
	}
	from, to := b.TimeFlowStart[row], max(b.TimeFlowEnd[row], b.TimeFlowStart[row]+1)
	for at := from; at < to; {
		edge := min(to, (at/300_000+1)*300_000)
		share := float64(edge-at) / float64(to-from)
		octets, packets, rate := share*float64(b.Bytes[row]), share*float64(b.Packets[row]), float64(b.SamplingRate[row])
		square := share * float64(b.Bytes[row]) * float64(b.Bytes[row]) / float64(b.Packets[row])
		for _, w := range []way{{router, b.InIf[row], false}, {router, b.OutIf[row], true}} {
			k := p.at(w, at/1000)
			flow := (octets + p.overhead[w]*packets) * rate
			k.sample.Flow += flow
			if b.FlowDirection[row] == 1 {
				k.sample.Egress += flow
			}
			k.scaled[b.SamplingRate[row]] += flow
			k.sample.Packets += uint64(math.Round(packets))
			part := bySlice{octets: octets, square: square}
			k.whole.add(part)
			k.slice(b.SrcAS[row]).add(part)
		}
		at = edge
	}
}

// samples are those of a way.
func (p *proof) samples(w way) []calibration.Sample {
	var samples []calibration.Sample
	for _, b := range p.buckets[w] {
		samples = append(samples, b.sample)
	}
	return samples
}

func TestCalibratedTotalsAreTrue(t *testing.T) {
	p := prove(t, Config{Seed: 11}, 50*time.Minute)
	checked := 0
	within, slices := 0, 0
	for w, buckets := range p.buckets {
		var truth, calibrated, packets float64
		whole := newBucketed()
		samples := p.samples(w)
		for i := range buckets {
			b := buckets[i]
			if b.truth == 0 {
				continue
			}
			result := calibration.Calibrate(samples[:i+1], calibration.Options{})
			if result.Status != calibration.Applied && result.Status != calibration.Amber {
				t.Errorf("%+v, bucket %d: %+v of %+v", w, i, result, b.sample)
				continue
			}
			truth += b.truth
			packets += float64(b.sample.Packets)
			calibrated += b.sample.Flow * result.Factor
			whole.add(b)
		}
		if w.router == "core1.fra" { // all of it sampled at one rate
			in, all := whole.withinBars()
			within, slices = within+in, slices+all
		}
		if truth > 0 {
			checked++
			// Factors are smoothed, so an interface of few samples keeps a part of their error.
			if bound := max(0.01, 1.5/math.Sqrt(packets)); math.Abs(calibrated/truth-1) > bound {
				t.Errorf("%+v: calibrated total is %.4f of the truth", w, calibrated/truth)
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d interfaces and directions are checked", checked)
	}
	if slices < 100 || float64(within)/float64(slices) < 0.90 {
		t.Errorf("%d of %d slices lie within their error bars", within, slices)
	}
	t.Logf("%d of %d slices lie within their error bars", within, slices)
}
