package store

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// What an interface is for is guessed by the networks whose traffic passes it.
// A link between two routers of ours shows itself by passing twice: what leaves one
// router by it enters the other, between the same networks in the same
// proportions, and likewise the other way. What is behind the other interfaces
// tells their number: an uplink has many, a customer's line a few.

// Mix is traffic by pairs of networks: octets, by a hash of source and destination
// AS. Pairs of which neither is known are left out.
type Mix [mixCells]float64

// mixCells is the length of a Mix: enough to tell interfaces apart, few enough to
// compare each with each.
const mixCells = 128

const (
	// sameMix is the share of its octets that one link's two ends have in common, at
	// least. Sampling leaves more than 0.9; other interfaces share 0.2.
	sameMix = 0.6
	// pairsToCompare is how many cells of a Mix must have octets before it tells an interface.
	pairsToCompare = 8
	// maxCompared is how many interfaces are compared, those with most traffic first.
	maxCompared = 1000
	// fewNetworks is how many networks a customer may have.
	fewNetworks = 3
	// manyNetworks is how many an uplink has at least.
	manyNetworks = 8
)

// Passing is what the traffic of an interface tells.
type Passing struct {
	Far, Near uint64 // networks whose traffic enters, and those it goes to
	ByAddress bool   // they are prefixes: the flows of the exporter have no AS numbers
	In, Out   Mix
}

// Roles guesses what interfaces are for, by the flows since a time: "uplink",
// "peer", "customer", "internal" for a link between routers; not there without a guess.
func (s *Store) Roles(ctx context.Context, since time.Time) (map[Way]string, error) {
	q, err := s.recent(ctx, since)
	if err != nil {
		return nil, err
	}
	of := map[Way]*Passing{}
	const ways = ` ARRAY JOIN [in_if, out_if] AS if_index, [1, 0] AS entering WHERE time >= toDateTime({from:Int64}, 'UTC') AND if_index BETWEEN 1 AND 2147483647`
	from := q.wholeHours()
	err = s.ask(ctx, q, `SELECT exporter_addr, if_index, uniqIf(src_as, entering = 1 AND src_as != 0), uniqIf(dst_as, entering = 1 AND dst_as != 0), sum(toFloat64(bytes) * sampling_rate) AS octets
FROM `+from+ways+` GROUP BY exporter_addr, if_index ORDER BY octets DESC`, func(rows driver.Rows) error {
		var way Way
		var octets float64
		p := new(Passing)
		if err := rows.Scan(&way.Exporter, &way.IfIndex, &p.Far, &p.Near, &octets); err != nil {
			return err
		}
		way.Exporter = way.Exporter.Unmap()
		of[way] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the networks behind interfaces: %w", err)
	}
	if err := s.countPrefixes(ctx, q, of); err != nil {
		return nil, fmt.Errorf("count the prefixes behind interfaces: %w", err)
	}
	err = s.ask(ctx, q, `SELECT exporter_addr, if_index, entering, toUInt32(cityHash64(src_as, dst_as) % `+strconv.Itoa(mixCells)+`) AS cell_number, sum(toFloat64(bytes) * sampling_rate)
FROM `+from+ways+` AND (src_as != 0 OR dst_as != 0) AND (exporter_addr, if_index) IN (
    SELECT exporter_addr, if_index FROM `+from+ways+` GROUP BY exporter_addr, if_index ORDER BY sum(toFloat64(bytes) * sampling_rate) DESC LIMIT `+strconv.Itoa(maxCompared)+`)
GROUP BY exporter_addr, if_index, entering, cell_number`, func(rows driver.Rows) error {
		var way Way
		var entering uint8
		var cell uint32
		var octets float64
		if err := rows.Scan(&way.Exporter, &way.IfIndex, &entering, &cell, &octets); err != nil {
			return err
		}
		way.Exporter = way.Exporter.Unmap()
		switch p := of[way]; {
		case p == nil: // came between the two questions
		case entering == 1:
			p.In[cell] = octets
		default:
			p.Out[cell] = octets
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the mix of traffic of interfaces: %w", err)
	}
	return GuessRoles(of), nil
}

// recent returns a query over the flows since a time.
func (s *Store) recent(ctx context.Context, since time.Time) (*query, error) {
	ids, err := s.Identities(ctx)
	if err != nil {
		return nil, err
	}
	q := newQuery(Selection{}, choice{from: since.Unix(), to: time.Now().Unix() + hour})
	q.follow(ids)
	return q, nil
}

// GuessRoles guesses what interfaces are for; ways have no direction.
func GuessRoles(of map[Way]*Passing) map[Way]string {
	roles := map[Way]string{}
	for way := range internalLinks(of) {
		roles[way] = "internal"
	}
	most := map[netip.Addr]uint64{}
	for way, p := range of {
		if roles[way] == "" {
			most[way.Exporter] = max(most[way.Exporter], p.Far)
		}
	}
	for way, p := range of {
		switch {
		case roles[way] != "":
		case p.ByAddress:
			if role := roleByPrefixes(p.Far, p.Near, most[way.Exporter]); role != "" {
				roles[way] = role
			}
		case p.Far >= manyNetworks && 4*p.Far >= 3*most[way.Exporter]:
			roles[way] = "uplink"
		case p.Far > fewNetworks:
			roles[way] = "peer"
		case p.Far > 0 || p.Near > 0: // addresses of our own have AS 0 on many routers
			roles[way] = "customer"
		}
	}
	return roles
}

// internalLinks returns the interfaces by which two of the exporters are joined.
func internalLinks(of map[Way]*Passing) map[Way]bool {
	type end struct {
		way     Way
		in, out Mix // shares
	}
	var ends []end
	for _, way := range slices.SortedFunc(maps.Keys(of), func(a, b Way) int { return a.Exporter.Compare(b.Exporter) }) {
		in, enters := of[way].In.shares()
		out, leaves := of[way].Out.shares()
		if enters && leaves {
			ends = append(ends, end{way, in, out})
		}
	}
	links := map[Way]bool{}
	for i := range ends {
		for k := i + 1; k < len(ends); k++ {
			a, b := &ends[i], &ends[k]
			if a.way.Exporter != b.way.Exporter && a.in.common(&b.out) >= sameMix && a.out.common(&b.in) >= sameMix {
				links[a.way], links[b.way] = true, true
			}
		}
	}
	return links
}

// shares returns the mix as shares of its sum, and whether it tells an interface.
func (m Mix) shares() (shares Mix, tells bool) {
	sum, cells := 0.0, 0
	for _, octets := range m {
		if sum += octets; octets > 0 {
			cells++
		}
	}
	for i, octets := range m {
		shares[i] = octets / max(sum, 1)
	}
	return shares, cells >= pairsToCompare
}

// common returns the share that two mixes have in common.
func (m *Mix) common(o *Mix) float64 {
	sum := 0.0
	for i := range m {
		sum += min(m[i], o[i])
	}
	return sum
}

// Seen is what the flows of a day tell of an interface.
type Seen struct {
	Exporter     netip.Addr
	IfIndex      uint32
	SamplingRate uint32 // the highest in force for what is metered here, 0: nothing is
}

// SeenInterfaces returns the interfaces that flows since a time name.
func (s *Store) SeenInterfaces(ctx context.Context, since time.Time) ([]Seen, error) {
	q, err := s.recent(ctx, since)
	if err != nil {
		return nil, err
	}
	rows, err := s.conn.Query(clickhouse.Context(limited(ctx), clickhouse.WithParameters(q.parameters)), `
SELECT exporter_addr, if_index, maxIf(sampling_rate, entering != flow_direction) AS rate
FROM `+q.wholeHours()+` ARRAY JOIN [in_if, out_if] AS if_index, [1, 0] AS entering
WHERE time >= toDateTime({from:Int64}, 'UTC') AND if_index BETWEEN 1 AND 2147483647
GROUP BY exporter_addr, if_index ORDER BY exporter_addr, if_index`)
	if err != nil {
		return nil, fmt.Errorf("read what flows tell of interfaces: %w", err)
	}
	defer rows.Close()
	var all []Seen
	for rows.Next() {
		var i Seen
		if err := rows.Scan(&i.Exporter, &i.IfIndex, &i.SamplingRate); err != nil {
			return nil, fmt.Errorf("read what flows tell of interfaces: %w", err)
		}
		i.Exporter = i.Exporter.Unmap()
		all = append(all, i)
	}
	return all, rows.Err()
}
