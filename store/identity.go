package store

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// An interface is who it is by its ifName; its ifIndex is where it stands, and
// devices may renumber when they restart. Answers speak of interfaces by the
// ifIndexes of today, so where a device has renumbered, the ifIndexes of rows from
// before are replaced by today's as the rows are read: what groups, filters and
// calibrates them knows nothing of it. Without renumbering nothing is replaced.

// maxPeriods is how many renumberings of a device are followed, the newest. What
// was before them counts to the oldest.
const maxPeriods = 16

// goneIfIndex is the first of the numbers that stand for interfaces that are gone
// and whose ifIndex is another's today. No ifIndex is that large (RFC 2863:
// InterfaceIndex ends at 2³¹−1). They are of one query; outside, such an interface
// is exporter/ifName.
const goneIfIndex = 1 << 31

// Identities tell which interface an ifIndex was.
type Identities struct {
	renumbered []renumbered            // by exporter and time
	gone       map[netip.Addr][]string // ifNames, in the order of their numbers
	numbers    map[goneName]uint32     // the same the other way round
}

// goneName is the ifName of an interface that is gone.
type goneName struct {
	exporter netip.Addr
	name     string
}

// renumbered is what ifIndexes of an exporter were for some time.
type renumbered struct {
	exporter netip.Addr
	from, to int64 // Unix seconds, half open
	was, is  []uint32
}

func newIdentities() *Identities {
	return &Identities{gone: map[netip.Addr][]string{}, numbers: map[goneName]uint32{}}
}

// Current returns what the interface is today that had an ifIndex at a time,
// Unix seconds.
func (ids *Identities) Current(exporter netip.Addr, ifIndex uint32, at int64) uint32 {
	for _, r := range ids.renumbered {
		if r.exporter == exporter && r.from <= at && at < r.to {
			if i := slices.Index(r.was, ifIndex); i >= 0 {
				return r.is[i]
			}
		}
	}
	return ifIndex
}

// Changes returns when devices renumbered, in order; Unix seconds.
func (ids *Identities) Changes() []int64 {
	var all []int64
	for _, r := range ids.renumbered {
		all = append(all, r.to)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// maxRenumbered bounds the ifIndexes that a query replaces: they travel with it, in a
// URL of at most 1 MiB (http_max_uri_size).
const maxRenumbered = 25_000

// within returns what concerns times from from up to to. Where that is too much, it
// leaves out the older renumberings of each device: as many as fit.
func (ids *Identities) within(from, to int64) *Identities {
	for most := maxPeriods; ; most-- {
		some := &Identities{gone: ids.gone, numbers: ids.numbers}
		sum, periods := 0, 0
		for i := len(ids.renumbered) - 1; i >= 0; i-- { // from the newest of each device
			r := ids.renumbered[i]
			if len(some.renumbered) == 0 || some.renumbered[len(some.renumbered)-1].exporter != r.exporter {
				periods = 0
			}
			if r.from < to && from < r.to && periods < most {
				some.renumbered = append(some.renumbered, r)
				sum, periods = sum+len(r.was), periods+1
			}
		}
		if sum <= maxRenumbered {
			slices.Reverse(some.renumbered)
			return some
		}
	}
}

// name returns the ifName of an interface that is gone, by its number.
func (ids *Identities) name(exporter netip.Addr, number uint32) string {
	names := ids.gone[exporter]
	if i := int64(number) - goneIfIndex; i >= 0 && i < int64(len(names)) {
		return names[i]
	}
	return ""
}

// number returns the number of an interface that is gone.
func (ids *Identities) number(exporter netip.Addr, name string) (uint32, bool) {
	number, found := ids.numbers[goneName{exporter, name}]
	return number, found
}

// named is an ifName that an ifIndex had from a time on.
type named struct {
	from int64 // Unix seconds
	name string
}

// follow adds the identities of an exporter's interfaces, whose names are in
// order of time.
func (ids *Identities) follow(exporter netip.Addr, names map[uint32][]named) {
	today := map[string]uint32{} // 0: several have the name, which tells nothing
	places := map[string][]place{}
	var changes []int64
	for index, periods := range names {
		last := periods[len(periods)-1].name
		_, taken := today[last]
		if today[last] = index; taken {
			today[last] = 0
		}
		for i, p := range periods {
			places[p.name] = append(places[p.name], place{index, p.from})
			if i > 0 {
				changes = append(changes, p.from)
			}
		}
	}
	slices.Sort(changes)
	changes = slices.Compact(changes)
	changes = changes[max(0, len(changes)-maxPeriods):]
	indexes := slices.Sorted(maps.Keys(names))
	periods, from, some := make([]renumbered, 0, len(changes)), int64(0), false
	for _, to := range changes {
		r := renumbered{exporter: exporter, from: from, to: to}
		for _, index := range indexes {
			if is := ids.today(exporter, names, places, today, index, to-1); is != index {
				r.was, r.is = append(r.was, index), append(r.is, is)
			}
		}
		some = some || len(r.was) > 0
		periods, from = append(periods, r), to
	}
	if some { // all of them: a query counts periods
		ids.renumbered = append(ids.renumbered, periods...)
	}
}

// today returns where the interface is that had an ifIndex at a time.
func (ids *Identities) today(exporter netip.Addr, names map[uint32][]named, places map[string][]place, today map[string]uint32, index uint32, at int64) uint32 {
	periods := names[index]
	now := 0
	for now+1 < len(periods) && periods[now+1].from <= at {
		now++
	}
	name := periods[now].name
	is, known := today[name]
	switch {
	case name == "" || periods[0].from > at || now == len(periods)-1 || known && is == 0:
		return index
	case known:
		return is
	}
	// The name is nowhere today. If the next one here came from another ifIndex, this interface is gone;
	// else it only got another name.
	next := periods[now+1]
	if next.name == "" || !slices.ContainsFunc(places[next.name], func(p place) bool { return p.index != index && p.from < next.from }) {
		return index
	}
	number, known := ids.number(exporter, name)
	if !known {
		number = goneIfIndex + uint32(len(ids.gone[exporter]))
		ids.gone[exporter] = append(ids.gone[exporter], name)
		ids.numbers[goneName{exporter, name}] = number
	}
	return number
}

// A place is where an interface was from a time on, Unix seconds.
type place struct {
	index uint32
	from  int64
}

// An identitiesCache remembers for a while which devices renumbered.
type identitiesCache struct {
	mu   sync.Mutex
	last *Identities
	at   time.Time
}

const identitiesAge = 10 * time.Second

// Identities returns which interfaces had other ifIndexes before.
func (s *Store) Identities(ctx context.Context) (*Identities, error) {
	c := &s.identities
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && time.Since(c.at) < identitiesAge {
		return c.last, nil
	}
	rows, err := s.conn.Query(limited(ctx), `SELECT exporter_addr, if_index, toInt64(toUnixTimestamp(valid_from)), if_name FROM interface_names FINAL
WHERE exporter_addr IN (SELECT exporter_addr FROM interface_names WHERE valid_from > toDateTime(0, 'UTC')) ORDER BY exporter_addr, if_index, valid_from`)
	if err != nil {
		return nil, fmt.Errorf("read how interfaces were numbered: %w", err)
	}
	defer rows.Close()
	found, err := readIdentities(rows)
	if err != nil {
		return nil, fmt.Errorf("read how interfaces were numbered: %w", err)
	}
	c.last, c.at = found, time.Now()
	return found, nil
}

func readIdentities(rows driver.Rows) (*Identities, error) {
	all := map[netip.Addr]map[uint32][]named{}
	for rows.Next() {
		var exporter netip.Addr
		var index uint32
		var n named
		if err := rows.Scan(&exporter, &index, &n.from, &n.name); err != nil {
			return nil, err
		}
		exporter = exporter.Unmap()
		if all[exporter] == nil {
			all[exporter] = map[uint32][]named{}
		}
		all[exporter][index] = append(all[exporter][index], n)
	}
	found := newIdentities()
	for _, exporter := range slices.SortedFunc(maps.Keys(all), netip.Addr.Compare) {
		found.follow(exporter, all[exporter])
	}
	return found, rows.Err()
}
