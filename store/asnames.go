package store

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/store/asnames"
)

// loadASNames fills table as_names from the names that ship with the program,
// where it holds another edition of them.
func (s *Store) loadASNames(ctx context.Context) error {
	var present uint64
	if err := s.conn.QueryRow(ctx, "SELECT count() FROM as_names WHERE version = $1", asnames.Version()).Scan(&present); err != nil {
		return fmt.Errorf("read as_names: %w", err)
	}
	numbers, names, err := asnames.All()
	if err != nil {
		return err
	}
	if present >= uint64(len(numbers)) {
		return nil
	}
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO as_names (asn, name, version)")
	if err != nil {
		return fmt.Errorf("insert AS names: %w", err)
	}
	defer batch.Close()
	for i, column := range []any{numbers, names, repeated(asnames.Version(), len(numbers))} {
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
	s.logger.Info("loaded the names of autonomous systems", zap.Int("names", len(numbers)))
	return nil
}
