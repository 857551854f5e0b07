package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/zap"
)

// Interface is what is known of an interface of an exporter.
type Interface struct {
	Exporter    netip.Addr
	IfIndex     uint32
	Name        string // the operator's, else IfName
	Description string // the operator's, else IfAlias

	IfName      string // ifName
	IfAlias     string
	Type        uint32 // ifType, IANA
	Speed       uint64 // bits/s, 0 if not known
	AdminStatus uint8
	OperStatus  uint8 // 1 up, 0 not known
	OperSince   int64 // Unix seconds, since when; 0 not known

	gone bool // it has another ifIndex now

	Edit InterfaceEdit
}

// InterfaceEdit is what an operator says of an interface.
type InterfaceEdit struct {
	Name         string
	Description  string
	Role         string // uplink, peer, customer, internal or ""
	Overhead     int32  // octets of layer 2 a packet, -1 for what the type suggests
	Sampled      int8   // 1 or 0, -1 for what flows suggest
	SamplingRate uint32 // wins over the announced one; 0 for none
	Force        bool   // calibrate whatever the coverage is
}

// Unedited is the edit of an interface of which nobody has said anything.
var Unedited = InterfaceEdit{Overhead: -1, Sampled: -1}

// key returns what edits of the interface are found by.
func (i *Interface) key() string {
	if i.IfName != "" {
		return i.IfName
	}
	return "#" + strconv.FormatUint(uint64(i.IfIndex), 10)
}

// settle makes what is shown of what was found and what was edited.
func (i *Interface) settle() {
	i.Name, i.Description = i.IfName, i.IfAlias
	if i.Edit.Name != "" {
		i.Name = i.Edit.Name
	}
	if i.Edit.Description != "" {
		i.Description = i.Edit.Description
	}
}

const (
	maxInterfaces = 200_000
	// operSlack is by how many seconds two readings of one time may differ.
	operSlack = 30
)

// Interfaces returns the interfaces of an exporter, or of all for the zero
// address, by exporter and ifIndex.
func (s *Store) Interfaces(ctx context.Context, exporter netip.Addr) ([]Interface, error) {
	all, err := s.allInterfaces(ctx, exporter)
	return slices.DeleteFunc(all, func(i Interface) bool { return i.gone }), err
}

// allInterfaces returns those, too, that have another ifIndex now.
func (s *Store) allInterfaces(ctx context.Context, exporter netip.Addr) ([]Interface, error) {
	where, parameters := "", clickhouse.Parameters{}
	if exporter.IsValid() {
		where, parameters = "WHERE exporter_addr = toIPv6({exporter:String})", clickhouse.Parameters{"exporter": netip.AddrFrom16(exporter.As16()).String()}
	}
	rows, err := s.conn.Query(clickhouse.Context(limited(ctx), clickhouse.WithParameters(parameters)), `
SELECT i.exporter_addr, i.if_index, i.if_name, i.if_alias, i.if_type, i.speed, i.admin_status, i.oper_status, toInt64(toUnixTimestamp(i.oper_since)),
    e.name, e.description, e.role, if(e.if_key = '', toInt32(-1), e.overhead), if(e.if_key = '', toInt8(-1), e.sampled), e.sampling_rate, e.force, toUInt8((i.exporter_addr, i.if_index) IN (`+leftIfIndexes+`))
FROM (SELECT *, if(if_name = '', concat('#', toString(if_index)), if_name) AS if_key FROM interfaces FINAL `+where+`) AS i
LEFT JOIN (SELECT * FROM interface_edits FINAL `+where+`) AS e ON i.exporter_addr = e.exporter_addr AND i.if_key = e.if_key
ORDER BY i.exporter_addr, i.if_index LIMIT `+strconv.Itoa(maxInterfaces))
	if err != nil {
		return nil, fmt.Errorf("read interfaces: %w", err)
	}
	defer rows.Close()
	all := []Interface{}
	for rows.Next() {
		var i Interface
		var force, gone uint8
		if err := rows.Scan(&i.Exporter, &i.IfIndex, &i.IfName, &i.IfAlias, &i.Type, &i.Speed, &i.AdminStatus, &i.OperStatus, &i.OperSince,
			&i.Edit.Name, &i.Edit.Description, &i.Edit.Role, &i.Edit.Overhead, &i.Edit.Sampled, &i.Edit.SamplingRate, &force, &gone); err != nil {
			return nil, fmt.Errorf("read interfaces: %w", err)
		}
		i.Exporter = i.Exporter.Unmap()
		i.Edit.Force, i.gone = force == 1, gone == 1
		i.settle()
		all = append(all, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read interfaces: %w", err)
	}
	return all, nil
}

// leftIfIndexes is a query of the ifIndexes that were an interface's which has
// another one now, and are nobody's since.
const leftIfIndexes = `SELECT exporter_addr, if_index FROM interface_names FINAL GROUP BY exporter_addr, if_index HAVING argMax(if_name, valid_from) = ''`

// SaveInterfaces keeps what was found of interfaces of an exporter. An ifIndex
// that has become another interface since a time keeps its old name for the time
// before; to the minute, as the rollups are, of which a device that restarts has no
// flows before.
func (s *Store) SaveInterfaces(ctx context.Context, exporter netip.Addr, found []Interface, since time.Time) error {
	known, err := s.allInterfaces(ctx, exporter)
	if err != nil {
		return err
	}
	before := map[uint32]Interface{}
	edits := map[string]InterfaceEdit{}
	for _, i := range known {
		before[i.IfIndex], edits[i.key()] = i, i.Edit
	}
	var changed, renamed []Interface
	indexes, names := map[uint32]bool{}, map[string]bool{}
	for _, i := range found {
		indexes[i.IfIndex], names[i.IfName] = true, true
		old, existed := before[i.IfIndex]
		i.Exporter, i.Edit = exporter.Unmap(), Unedited
		if edit, ok := edits[i.key()]; ok {
			i.Edit = edit
		}
		i.settle()
		if late := i.OperSince - old.OperSince; -operSlack < late && late < operSlack { // as far as the agent's clock tells
			i.OperSince = old.OperSince
		}
		if !existed || old != i {
			changed = append(changed, i)
		}
		if i.IfName != "" && (old.IfName != i.IfName || old.gone) {
			renamed = append(renamed, i)
		}
	}
	for _, old := range known {
		if old.IfName != "" && !old.gone && !indexes[old.IfIndex] && names[old.IfName] { // it has another ifIndex now
			renamed = append(renamed, Interface{Exporter: exporter.Unmap(), IfIndex: old.IfIndex})
		}
	}
	if err := s.insertNames(ctx, before, renamed, since); err != nil {
		return err
	}
	if err := s.insertInterfaces(ctx, changed); err != nil || len(renamed) == 0 {
		return err
	}
	s.reloadNames(ctx)
	return nil
}

// insertNames notes from when on ifIndexes are the interfaces of these names ("":
// nobody's). The first name that is known holds for all time before, too, and so
// does the first that SNMP tells, whatever options data had called the interface.
func (s *Store) insertNames(ctx context.Context, before map[uint32]Interface, renamed []Interface, since time.Time) error {
	if len(renamed) == 0 {
		return nil
	}
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO interface_names (exporter_addr, if_index, valid_from, if_name)")
	if err != nil {
		return fmt.Errorf("insert names of interfaces: %w", err)
	}
	for _, i := range renamed {
		from := since.Truncate(time.Minute)
		if old := before[i.IfIndex]; old.IfName == "" || old.Type == 0 && i.Type != 0 {
			from = time.Unix(0, 0)
		}
		if err := batch.Append(netip.AddrFrom16(i.Exporter.As16()), i.IfIndex, from.UTC(), i.IfName); err != nil {
			return fmt.Errorf("insert names of interfaces: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d names of interfaces: %w", len(renamed), err)
	}
	return nil
}

func (s *Store) insertInterfaces(ctx context.Context, changed []Interface) error {
	if len(changed) == 0 {
		return nil
	}
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO interfaces (exporter_addr, if_index, name, description, if_name, if_alias, if_type, speed, admin_status, oper_status, oper_since)")
	if err != nil {
		return fmt.Errorf("insert interfaces: %w", err)
	}
	for _, i := range changed {
		if err := batch.Append(netip.AddrFrom16(i.Exporter.As16()), i.IfIndex, i.Name, i.Description, i.IfName, i.IfAlias, i.Type, i.Speed, i.AdminStatus, i.OperStatus, time.Unix(i.OperSince, 0).UTC()); err != nil {
			return fmt.Errorf("insert interfaces: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d interfaces: %w", len(changed), err)
	}
	return nil
}

// EditInterface keeps what an operator says of an interface, whose Edit it is.
func (s *Store) EditInterface(ctx context.Context, i Interface) error {
	var force uint8
	if i.Edit.Force {
		force = 1
	}
	const query = "INSERT INTO interface_edits (exporter_addr, if_key, name, description, role, overhead, sampled, sampling_rate, force) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	address := netip.AddrFrom16(i.Exporter.As16()).String()
	if err := s.conn.Exec(ctx, query, address, i.key(), i.Edit.Name, i.Edit.Description, i.Edit.Role, i.Edit.Overhead, i.Edit.Sampled, i.Edit.SamplingRate, force); err != nil {
		return fmt.Errorf("edit interface %d of %s: %w", i.IfIndex, i.Exporter, err)
	}
	i.settle()
	if err := s.insertInterfaces(ctx, []Interface{i}); err != nil {
		return err
	}
	s.reloadNames(ctx)
	return nil
}

// reloadNames lets an edited name show at once. Without it, or the right to do
// it, the name shows within a minute.
func (s *Store) reloadNames(ctx context.Context) {
	for _, dictionary := range []string{"interface", "interface_at", "exporter"} {
		if err := s.conn.Exec(ctx, "SYSTEM RELOAD DICTIONARY "+s.database+"."+dictionary); err != nil {
			s.logger.Debug("names show within a minute", zap.String("dictionary", dictionary), zap.Error(err))
			return
		}
	}
}
