package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"
)

// Paths is traffic by the ways that it takes through two to four dimensions, such
// as source AS, input interface, output interface, destination AS.
type Paths struct {
	Answer
	Dims  []string   `json:"dims"`
	Nodes []PathNode `json:"nodes"`
	Paths []Path     `json:"paths"` // largest first
	Total Rates      `json:"total"`
}

// PathNode is a value of one dimension, or all its others.
type PathNode struct {
	Layer int    `json:"layer"` // index into Dims
	Value string `json:"value"`
	Name  string `json:"name"`
	Other bool   `json:"other"`
	Rates
}

// Path is what passes one node of each layer.
type Path struct {
	Nodes []int `json:"nodes"` // indexes into Paths.Nodes, by layer
	Rates
}

// Paths returns the ways through the dimensions. Each has its largest values as
// nodes, and one node for all others, so that the paths sum up to the total.
func (s *Store) Paths(ctx context.Context, selection Selection, dims []string, top int) (*Paths, error) {
	if len(dims) < 2 || len(dims) > 4 {
		return nil, errors.New("paths go through two to four dimensions")
	}
	all, err := layers(dims)
	if err != nil {
		return nil, err
	}
	var columns []string
	for _, l := range all {
		columns = append(columns, l.columns...)
	}
	slices.Sort(columns)
	columns = slices.Compact(columns)
	q, err := s.plan(ctx, selection, 0, columns)
	if err != nil {
		return nil, err
	}
	var answer *Paths
	err = s.steadily(ctx, q, func() error {
		m := pathMaker{query: q, layers: all, index: map[nodeKey]int{}}
		largest, err := s.largest(ctx, q, all, top)
		if err != nil {
			return err
		}
		text := q.pathsSQL(all, columns, s.database, largest)
		if err := s.ask(ctx, q, text, m.scan); err != nil {
			return err
		}
		answer = m.finish(q, dims, text)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the paths through %s: %w", strings.Join(dims, ", "), err)
	}
	return answer, nil
}

// largest asks for the largest groups of every layer and returns them in SQL. Layers
// that are in one rollup are asked for together.
func (s *Store) largest(ctx context.Context, q *query, all []layer, top int) ([][]string, error) {
	readings := map[string][]int{} // by table: indexes into all
	for i, l := range all {
		table := "flows"
		if q.choice.table != table {
			table = q.narrowest("flows_1h", q.needed(l.columns))
		}
		readings[table] = append(readings[table], i)
	}
	found := make([][]string, len(all))
	var texts []string // all of them before any is asked: they bind parameters
	var parts [][]int
	for _, which := range readings {
		texts, parts = append(texts, q.largestSQL(picked(all, which), top)), append(parts, which)
	}
	asking, ctx := errgroup.WithContext(ctx)
	for n, which := range parts {
		asking.Go(func() error {
			lists, err := s.largestOf(ctx, q, picked(all, which), texts[n])
			for i, list := range lists {
				found[which[i]] = list
			}
			return err
		})
	}
	return found, asking.Wait()
}

func picked(all []layer, which []int) (some []layer) {
	for _, i := range which {
		some = append(some, all[i])
	}
	return some
}

// largestOf asks what largestSQL made.
func (s *Store) largestOf(ctx context.Context, q *query, all []layer, text string) ([][]string, error) {
	lists := make([][]string, len(all))
	err := s.ask(ctx, q, text, func(rows driver.Rows) error {
		var set uint8
		var texts []string
		if err := rows.Scan(&set, &texts); err != nil {
			return err
		}
		first := 0
		for _, l := range all[:set] {
			first += len(l.keys)
		}
		lists[set] = append(lists[set], all[set].literal(texts[first:]))
		return nil
	})
	return lists, err
}

// largestSQL asks for the largest groups of each layer: its number, and the texts
// of all keys.
func (q *query) largestSQL(all []layer, top int) string {
	selected, names := keys(all)
	var columns, sets, number, texts []string
	for i, l := range all {
		columns = append(columns, l.columns...)
		sets = append(sets, "("+strings.Join(l.keyNames, ", ")+")")
		number = append(number, fmt.Sprintf("grouping(%s) = 0, %d", l.keyNames[0], i))
	}
	slices.Sort(columns)
	for _, name := range strings.Split(names, ", ") {
		texts = append(texts, "toString("+name+")")
	}
	return fmt.Sprintf(`SELECT toUInt8(multiIf(%s, 255)) AS set_number, [%s] AS texts FROM (SELECT %s, octets FROM (%s))
GROUP BY GROUPING SETS (%s) ORDER BY sum(octets) DESC, texts LIMIT %d BY set_number`,
		strings.Join(number, ", "), strings.Join(texts, ", "), selected, q.estimated(slices.Compact(columns)), strings.Join(sets, ", "), top)
}

// pathsSQL asks for the sums of each path between the largest groups of every
// layer.
func (q *query) pathsSQL(all []layer, columns []string, database string, largest [][]string) string {
	var shown []string
	var each []fold
	for i, l := range all {
		value, name := l.expressions(database)
		shown = append(shown, fmt.Sprintf("named_%[1]d, if(named_%[1]d, %[2]s, ''), if(named_%[1]d, %[3]s, '')", i, value, name))
		each = append(each, l.fold(i, largest[i]))
	}
	return fmt.Sprintf(`SELECT %s,
    %s
FROM (
%s
)`, strings.Join(shown, ",\n    "), strings.Join(sumNames, ", "), q.folded(folds(each), columns))
}

type nodeKey struct {
	layer int
	value string
	other bool
}

// A pathMaker gathers paths and the nodes on them.
type pathMaker struct {
	query  *query
	layers []layer
	index  map[nodeKey]int
	nodes  []PathNode
	sums   []sum // of the nodes
	paths  []Path
	parts  []sum // of the paths
}

func (m *pathMaker) scan(rows driver.Rows) error {
	nodes, named := make([]PathNode, len(m.layers)), make([]uint8, len(m.layers))
	var part sum
	var destinations []any
	for i := range nodes {
		destinations = append(destinations, &named[i], &nodes[i].Value, &nodes[i].Name)
	}
	if err := rows.Scan(append(destinations, part.destinations()...)...); err != nil {
		return err
	}
	path := Path{}
	for i, n := range nodes {
		n.Layer, n.Other = i, named[i] == 0
		key := nodeKey{i, n.Value, n.Other}
		at, known := m.index[key]
		if !known {
			at = len(m.nodes)
			m.index[key] = at
			if n.Value, n.Name = m.query.called(m.layers[i], n.Value, n.Name); n.Other {
				n.Name = ""
			}
			m.nodes, m.sums = append(m.nodes, n), append(m.sums, sum{})
		}
		m.sums[at].add(part)
		path.Nodes = append(path.Nodes, at)
	}
	m.paths, m.parts = append(m.paths, path), append(m.parts, part)
	return nil
}

func (m *pathMaker) finish(q *query, dims []string, text string) *Paths {
	var whole sum
	for _, p := range m.parts {
		whole.add(p)
	}
	known, seconds := q.wholeIsKnown(), q.choice.to-q.choice.from
	for i := range m.nodes {
		m.nodes[i].Rates = m.sums[i].rates(seconds, &whole, known)
	}
	for i := range m.paths {
		m.paths[i].Rates = m.parts[i].rates(seconds, &whole, known)
	}
	slices.SortFunc(m.paths, func(a, b Path) int {
		return cmp.Or(cmp.Compare(b.BitsPerSecond, a.BitsPerSecond), slices.Compare(a.Nodes, b.Nodes))
	})
	answer := &Paths{Answer: q.answer(text, whole.rows, whole.octets, whole.octetsCalibrated), Dims: dims, Nodes: m.nodes, Paths: m.paths,
		Total: whole.rates(seconds, &whole, known)}
	if answer.Nodes == nil {
		answer.Nodes, answer.Paths = []PathNode{}, []Path{}
	}
	return answer
}
