package netflow

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Counters count what an exporter sent and what became of it. They only grow.
type Counters struct {
	Datagrams uint64  `json:"datagrams"`
	Bytes     uint64  `json:"bytes"` // of UDP payload
	Flows     uint64  `json:"flows"` // rows made
	Dropped   Dropped `json:"dropped"`

	Waited       uint64 `json:"waited_sets"`           // data sets that had to wait for their template
	TimesClamped uint64 `json:"times_clamped"`         // rows with an absurd start or end
	RateUnknown  uint64 `json:"sampling_rate_unknown"` // rows whose sampling rate nothing told

	// Sequence numbers, in the unit of the version: flows (v5), export packets
	// (v9) or data records (IPFIX). What was missing and came late was only
	// reordered; the rest was lost on the way.
	SequenceMissing uint64 `json:"sequence_missing"`
	SequenceLate    uint64 `json:"sequence_late"`
	SequenceResets  uint64 `json:"sequence_resets"` // restarts of exporters
}

// Lost returns how many flows, packets or records never arrived.
func (c *Counters) Lost() uint64 { return c.SequenceMissing - c.SequenceLate }

// plain returns all counters but Dropped.
func (c *Counters) plain() [9]*uint64 {
	return [...]*uint64{&c.Datagrams, &c.Bytes, &c.Flows, &c.Waited, &c.TimesClamped, &c.RateUnknown,
		&c.SequenceMissing, &c.SequenceLate, &c.SequenceResets}
}

// Add adds what another exporter, or another Decoder, has counted.
func (c *Counters) Add(o *Counters) {
	theirs := o.plain()
	for i, ours := range c.plain() {
		*ours += *theirs[i]
	}
	for i := range c.Dropped {
		c.Dropped[i] += o.Dropped[i]
	}
}

// Dropped counts problems by Reason: datagrams, or sets, templates and records
// of them.
type Dropped [numReasons]uint64

// MarshalJSON writes an object of those that are not zero.
func (d Dropped) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, count := range d {
		if count == 0 {
			continue
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(Reason(i).String())
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.WriteString(strconv.FormatUint(count, 10))
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
