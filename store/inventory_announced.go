package store

import (
	"context"
	"fmt"
	"net/netip"
)

// AnnouncedName is what an exporter calls a routing table, an application or a
// sampler in options data.
type AnnouncedName struct {
	Kind         string // vrf, application or sampler
	Domain       uint32 // observation domain or source ID
	ID           string // a number; of applications engine:selector (RFC 6759 §4)
	Name         string
	Description  string
	SamplingRate uint32 // of samplers, 0 if not told
}

// SaveAnnouncedNames keeps names that an exporter announces. Each replaces the
// one before of the same kind, domain and ID.
func (s *Store) SaveAnnouncedNames(ctx context.Context, exporter netip.Addr, names []AnnouncedName) error {
	if len(names) == 0 {
		return nil
	}
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO announced_names (exporter_addr, kind, observation_domain_id, id, name, description, sampling_rate)")
	if err != nil {
		return fmt.Errorf("insert announced names: %w", err)
	}
	defer batch.Close()
	address := netip.AddrFrom16(exporter.As16())
	for _, n := range names {
		if err := batch.Append(address, n.Kind, n.Domain, n.ID, n.Name, n.Description, n.SamplingRate); err != nil {
			return fmt.Errorf("insert announced names: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d announced names of %s: %w", len(names), exporter, err)
	}
	return nil
}
