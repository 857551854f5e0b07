package store

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/nfstats/nfstats/decoder"
)

// InterfaceSpeeds returns how fast Ethernet interfaces and bundles of them are. Tunnels
// and other virtual interfaces tell what somebody has set, and can carry more.
func (s *Store) InterfaceSpeeds(ctx context.Context) (decoder.Speeds, error) {
	// IANAifType: ethernetCsmacd, fastEther, gigabitEthernet, ieee8023adLag.
	rows, err := s.conn.Query(limited(ctx), `SELECT exporter_addr, if_index, speed FROM interfaces FINAL
WHERE speed > 0 AND if_type IN (6, 62, 117, 161) AND (exporter_addr, if_index) NOT IN (`+leftIfIndexes+`)`)
	if err != nil {
		return nil, fmt.Errorf("read the speeds of interfaces: %w", err)
	}
	defer rows.Close()
	speeds := decoder.Speeds{}
	for rows.Next() {
		var exporter netip.Addr
		var ifIndex uint32
		var speed uint64
		if err := rows.Scan(&exporter, &ifIndex, &speed); err != nil {
			return nil, fmt.Errorf("read the speeds of interfaces: %w", err)
		}
		speeds[decoder.Interface{Exporter: exporter.As16(), IfIndex: ifIndex}] = speed
	}
	return speeds, rows.Err()
}
