package store

import "math"

// A choice is where a question is answered from: one value, made once for each
// request, that every axis and sum of the answer shares.
type choice struct {
	table    string // flows, flows_1m or flows_1h
	from, to int64  // Unix seconds, half open, aligned to step and to the table's buckets
	step     int64  // seconds that a point covers; to - from for a total

	// Of a long total from flows_1m, the whole hours come from flows_1h, which is
	// the same sum from fewer rows. Equal for none.
	hoursFrom, hoursTo int64
}

// A question is what the choice depends on.
type question struct {
	from, to   int64 // Unix seconds
	points     int   // wanted at most; 0: one total
	rolledUp   bool  // the rollups have all columns that are needed
	rawFrom    int64 // Unix seconds of the oldest flow, minute and hour; 0: none
	minuteFrom int64
	hourFrom   int64
}

// Lengths in seconds.
const (
	minute = 60
	hour   = 3600

	// fineSpan is up to where a chart shows less than minutes. That reads flows
	// and spreads each over its points.
	fineSpan = 30 * minute
	// hoursSpan is from where totals take whole hours from flows_1h.
	hoursSpan = 4 * hour
)

// choose returns the coarsest table that can answer.
func choose(q question) choice {
	c := choice{table: "flows_1m", from: q.from, to: q.to, step: q.to - q.from}
	if q.points > 0 {
		c.step = stepFor(q.from, q.to, q.points)
	}
	grain := int64(minute)
	switch fine := c.step < minute && q.to-q.from <= fineSpan && q.rawFrom != 0 && q.rawFrom <= q.from; {
	case !q.rolledUp, fine:
		c.table, grain = "flows", 1
	case q.points > 0 && c.step >= hour,
		q.hourFrom != 0 && q.hourFrom < floorTo(q.minuteFrom, hour) && q.from < q.minuteFrom: // the minutes of then are gone
		c.table, grain = "flows_1h", hour
	}
	if q.points > 0 {
		c.step = max(c.step, grain)
		grain = c.step
	}
	c.from, c.to = floorTo(q.from, grain), floorTo(q.to, grain)
	if c.from == c.to {
		c.to += grain
	}
	if q.points == 0 {
		c.step = c.to - c.from
		if c.table == "flows_1m" && c.step >= hoursSpan {
			c.hoursFrom, c.hoursTo = floorTo(c.from+hour-1, hour), floorTo(c.to, hour)
		}
	}
	return c
}

// total returns the choice for one total over the range of a choice.
func (c choice) total() choice {
	if c.table == "flows" || c.table == "flows_1h" {
		c.step = c.to - c.from
		return c
	}
	return choose(question{from: c.from, to: c.to, rolledUp: true})
}

// minutesToo reports whether a range of whole hours has ends that are shorter.
func (c choice) minutesToo() bool { return c.from < c.hoursFrom || c.hoursTo < c.to }

// bucket returns the length of the table's buckets in seconds; 0 for flows, which
// has none.
func (c choice) bucket() int64 {
	return map[string]int64{"flows_1m": minute, "flows_1h": hour}[c.table]
}

// steps are the lengths of a point that divide days evenly, in seconds.
var steps = []int64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400}

// stepFor returns the shortest step that makes at most points points.
func stepFor(from, to int64, points int) int64 {
	span := to - from
	for _, step := range steps {
		if span <= step*int64(points) {
			return step
		}
	}
	days := math.Ceil(float64(span) / 86400 / float64(points))
	return int64(days) * 86400
}

func floorTo(t, step int64) int64 { return t - t%step }
