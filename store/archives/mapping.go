package archives

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nfstats/nfstats/decoder"
)

// A mapping renames exporters and renumbers interfaces, for networks that have
// changed since the archive was written.
type mapping struct {
	exporters  map[decoder.Addr]decoder.Addr
	interfaces map[mappedInterface]uint32
}

// mappedInterface is an interface as the archive names it.
type mappedInterface struct {
	exporter decoder.Addr
	index    uint32
}

// parseMapping reads lines "exporter OLD NEW" and "interface EXPORTER OLD NEW",
// where EXPORTER is as in the archive. What follows # is no part of a line.
func parseMapping(text string) (*mapping, error) {
	m := &mapping{map[decoder.Addr]decoder.Addr{}, map[mappedInterface]uint32{}}
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) > 0 {
			if err := m.add(fields); err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
		}
	}
	return m, nil
}

func (m *mapping) add(fields []string) error {
	switch {
	case fields[0] == "exporter" && len(fields) == 3:
		from, err := netip.ParseAddr(fields[1])
		if err != nil {
			return err
		}
		to, err := netip.ParseAddr(fields[2])
		if err != nil {
			return err
		}
		m.exporters[from.As16()] = to.As16()
	case fields[0] == "interface" && len(fields) == 4:
		exporter, err := netip.ParseAddr(fields[1])
		if err != nil {
			return err
		}
		from, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			return err
		}
		to, err := strconv.ParseUint(fields[3], 10, 32)
		if err != nil {
			return err
		}
		m.interfaces[mappedInterface{exporter.As16(), uint32(from)}] = uint32(to)
	default:
		return fmt.Errorf("%q is neither 'exporter OLD NEW' nor 'interface EXPORTER OLD NEW'", strings.Join(fields, " "))
	}
	return nil
}

func (m *mapping) apply(b *decoder.Batch) {
	if len(m.interfaces) > 0 {
		b.ExtendColumns(0, 0, decoder.ColumnInIf|decoder.ColumnOutIf)
		for i := range b.Len() {
			if to, ok := m.interfaces[mappedInterface{b.ExporterAddr[i], b.InIf[i]}]; ok {
				b.InIf[i] = to
			}
			if to, ok := m.interfaces[mappedInterface{b.ExporterAddr[i], b.OutIf[i]}]; ok {
				b.OutIf[i] = to
			}
		}
	}
	if len(m.exporters) > 0 {
		for i := range b.Len() {
			if to, ok := m.exporters[b.ExporterAddr[i]]; ok {
				b.ExporterAddr[i] = to
			}
		}
	}
}
