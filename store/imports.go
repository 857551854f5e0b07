package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// The states of an import.
const (
	ImportRunning   = "running"   // begun; after a crash it stays so
	ImportDone      = "done"      // all of the file is in
	ImportDamaged   = "damaged"   // all is in that could be read
	ImportForgotten = "forgotten" // it was in and was removed
)

// ErrNoImport is returned for an ID that is not, or no longer, of an import.
var ErrNoImport = errors.New("there is no import")

// Import is an archive file that was imported.
type Import struct {
	ID      string // digest of the file's content; column source of its flows
	Attempt uint32 // from 1; counts up each time the file's flows are removed
	Path    string
	Format  string // flow-tools or nfdump
	State   string
	Error   string // of a damaged file

	Flows, Packets, Bytes uint64 // rows of flows, and the sums of their counters
	FirstFlow, LastFlow   time.Time
	UpdatedAt             time.Time
}

const importColumns = "id, attempt, path, format, toString(state), error, flows, packets, bytes, first_flow, last_flow, updated_at"

func (i *Import) destinations() []any {
	return []any{&i.ID, &i.Attempt, &i.Path, &i.Format, &i.State, &i.Error, &i.Flows, &i.Packets, &i.Bytes, &i.FirstFlow, &i.LastFlow, &i.UpdatedAt}
}

// ImportTotals are of the imports that are in.
type ImportTotals struct {
	Files, Flows, Packets, Bytes uint64
}

// ImportTotals returns the totals of all imports but forgotten ones.
func (s *Store) ImportTotals(ctx context.Context) (t ImportTotals, err error) {
	row := s.conn.QueryRow(ctx, "SELECT count(), sum(flows), sum(packets), sum(bytes) FROM imports FINAL WHERE state != 'forgotten'")
	if err := row.Scan(&t.Files, &t.Flows, &t.Packets, &t.Bytes); err != nil {
		return t, fmt.Errorf("add up imports: %w", err)
	}
	return t, nil
}

// Imports returns the newest imports, the newest first; limit 0 is all.
func (s *Store) Imports(ctx context.Context, limit int) ([]Import, error) {
	statement := "SELECT " + importColumns + " FROM imports FINAL ORDER BY updated_at DESC, id"
	if limit > 0 {
		statement += fmt.Sprintf(" LIMIT %d", limit)
	}
	rows, err := s.conn.Query(ctx, statement)
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	defer rows.Close()
	all := []Import{}
	for rows.Next() {
		var i Import
		if err := rows.Scan(i.destinations()...); err != nil {
			return nil, fmt.Errorf("list imports: %w", err)
		}
		all = append(all, i)
	}
	return all, rows.Err()
}

// FindImport returns the import of an id; one that never was has Attempt 0.
func (s *Store) FindImport(ctx context.Context, id string) (Import, error) {
	var i Import
	err := s.conn.QueryRow(ctx, "SELECT "+importColumns+" FROM imports FINAL WHERE id = $1", id).Scan(i.destinations()...)
	if errors.Is(err, sql.ErrNoRows) {
		return Import{}, nil
	}
	if err != nil {
		return Import{}, fmt.Errorf("look up import %s: %w", id, err)
	}
	return i, nil
}

// SaveImport records an import in its present state.
func (s *Store) SaveImport(ctx context.Context, i Import) error {
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO imports (id, attempt, path, format, state, error, flows, packets, bytes, first_flow, last_flow)")
	if err == nil {
		defer batch.Close()
		err = batch.Append(i.ID, i.Attempt, i.Path, i.Format, i.State, i.Error, i.Flows, i.Packets, i.Bytes, i.FirstFlow, i.LastFlow)
	}
	if err == nil {
		err = batch.Send()
	}
	if err != nil {
		return fmt.Errorf("record import %s: %w", i.ID, err)
	}
	return nil
}

// ForgetImport removes the flows of an import from all tables and returns what
// it was. The file can then be imported again. After an error it can be
// repeated.
func (s *Store) ForgetImport(ctx context.Context, id string) (Import, error) {
	i, err := s.FindImport(ctx, id)
	if err != nil {
		return Import{}, err
	}
	if i.Attempt == 0 || i.State == ImportForgotten {
		return Import{}, fmt.Errorf("%w %s (nfstats import list shows them)", ErrNoImport, id)
	}
	if err := s.removeSource(ctx, id); err != nil {
		return Import{}, err
	}
	forgotten := i
	forgotten.State, forgotten.Attempt = ImportForgotten, i.Attempt+1
	return i, s.SaveImport(ctx, forgotten)
}

// RestartImport removes what an import has left and returns the number of the
// next attempt.
func (s *Store) RestartImport(ctx context.Context, i Import) (attempt uint32, err error) {
	if err := s.removeSource(ctx, i.ID); err != nil {
		return 0, err
	}
	return i.Attempt + 1, nil
}

// removeSource deletes all rows of an imported source. It returns when they are
// gone.
func (s *Store) removeSource(ctx context.Context, source string) error {
	if source == "" {
		return errors.New("remove a source: it has no name")
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 2}))
	for _, table := range importedTables {
		if err := s.apply(ctx, removal(table, source)); err != nil {
			return fmt.Errorf("remove %s from %s: %w", source, table, err)
		}
	}
	for _, table := range importedTables { // on a cluster, some nodes may still be at it
		if err := s.awaitRemoval(ctx, table, source); err != nil {
			return fmt.Errorf("remove %s from %s: %w", source, table, err)
		}
	}
	return nil
}

// importedTables hold the rows of a source.
var importedTables = slices.Concat([]string{"flows"}, withNarrow("flows_1m"), withNarrow("flows_1h"))

// removal returns the statement that deletes the rows of a source, for apply.
func removal(table, source string) string {
	return "ALTER TABLE " + table + " DELETE WHERE source = " + quoted(source)
}

func (s *Store) awaitRemoval(ctx context.Context, table, source string) error {
	for {
		var rows uint64
		if err := s.conn.QueryRow(ctx, "SELECT count() FROM "+table+" WHERE source = $1", source).Scan(&rows); err != nil || rows == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
