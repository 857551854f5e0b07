package netflow

import "math"

// samplingElements are those from which a rate is calculated.
var samplingElements = map[uint16]bool{305: true, 306: true, 309: true, 310: true, 311: true, 396: true, 397: true}

// maxRateFields bounds the rate fields of a template.
const maxRateFields = 8

// samplingParts are the values of a record that tell a rate, 0 where absent.
type samplingParts struct {
	interval, random    uint64  // 34, 50: one packet of so many
	sampled, skipped    uint64  // 305, 306: packets in a row
	hasSkipped          bool    // 306 may be 0
	size, population    uint64  // 309, 310: size out of population packets
	probability         float64 // 311
	flows, flowsSkipped uint64  // 396, 397: flows in a row
}

// add takes a field; others than those of sampling are ignored.
func (s *samplingParts) add(id uint16, octets []byte, little bool) {
	v := number(octets)
	switch id {
	case 34:
		s.interval = v
		if little {
			s.interval = numberLittle(octets)
		}
	case 50:
		s.random = v
		if little {
			s.random = numberLittle(octets)
		}
	case 305:
		s.sampled = v
	case 306:
		s.skipped, s.hasSkipped = v, true
	case 309:
		s.size = v
	case 310:
		s.population = v
	case 311:
		switch len(octets) {
		case 4:
			s.probability = float64(math.Float32frombits(uint32(v)))
		case 8:
			s.probability = math.Float64frombits(v)
		}
	case 396:
		s.flows = v
	case 397:
		s.flowsSkipped = v
	}
}

// rate calculates one packet in how many is sampled, 0 if that is not told.
func (s *samplingParts) rate() uint32 {
	ratio := 0.0
	switch {
	case s.interval != 0:
		ratio = float64(s.interval)
	case s.random != 0:
		ratio = float64(s.random)
	case s.sampled != 0 && s.hasSkipped:
		ratio = (float64(s.sampled) + float64(s.skipped)) / float64(s.sampled)
	case s.size != 0 && s.population != 0:
		ratio = float64(s.population) / float64(s.size)
	case s.probability > 0 && s.probability <= 1:
		ratio = 1 / s.probability
	case s.sampled != 0:
		ratio = float64(s.sampled)
	case s.flows != 0:
		ratio = (float64(s.flows) + float64(s.flowsSkipped)) / float64(s.flows)
	default:
		return 0
	}
	return uint32(max(1, min(math.Round(ratio), math.MaxUint32)))
}

// recordRate calculates the rate told by fields of a flow record.
func (x *execution) recordRate(fields []rateField, record int) uint32 {
	var parts samplingParts
	for i := range fields {
		parts.add(fields[i].id, x.value(&fields[i].op, record), false)
	}
	return parts.rate()
}
