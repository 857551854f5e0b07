package store

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/store/asnames"
)

// loadASNames fills table as_names from Config.ASNames, or from the names that
// ship with the program, where it holds another edition. What it held goes.
func (s *Store) loadASNames(ctx context.Context) error {
	table, err := s.wantedASNames()
	if err != nil {
		return err
	}
	var present, others uint64
	if err := s.conn.QueryRow(ctx, "SELECT countIf(version = $1), countIf(version != $1) FROM as_names FINAL", table.Version).Scan(&present, &others); err != nil {
		return fmt.Errorf("read as_names: %w", err)
	}
	if present > 0 && others == 0 {
		return nil
	}
	if others > 0 {
		if err := s.conn.Exec(ctx, "TRUNCATE TABLE as_names"); err != nil {
			return fmt.Errorf("empty as_names: %w", err)
		}
	}
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO as_names (asn, name, version)")
	if err != nil {
		return fmt.Errorf("insert AS names: %w", err)
	}
	defer batch.Close()
	for i, column := range []any{table.Numbers, table.Names, repeated(table.Version, len(table.Numbers))} {
		if err := batch.Column(i).Append(column); err != nil {
			return fmt.Errorf("insert AS names: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert AS names: %w", err)
	}
	if err := s.conn.Exec(ctx, "SYSTEM RELOAD DICTIONARY "+s.database+".as_name"); err != nil {
		s.logger.Info("AS names appear within the hour: the user may not reload dictionaries", zap.Error(err))
	}
	s.logger.Info("loaded the names of autonomous systems", zap.Int("names", len(table.Numbers)))
	return nil
}

// wantedASNames reads the names that the configuration asks for. A file that is
// no good costs its names, not the start of the daemon.
func (s *Store) wantedASNames() (asnames.Table, error) {
	if s.asNames == "" {
		return asnames.Shipped()
	}
	table, err := asnames.Read(s.asNames)
	if err != nil {
		s.logger.Error("the AS names that ship with nfstats are used", zap.Error(err))
		return asnames.Shipped()
	}
	return table, nil
}
