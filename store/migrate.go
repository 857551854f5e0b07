package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/zap"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A migration is one numbered file of statements. Each statement is safe to run
// again (IF NOT EXISTS and the like), because ClickHouse has no transactions
// over DDL and several daemons may migrate at once.
type migration struct {
	version    uint32
	name       string
	always     bool // at every start, not only once
	statements []string
}

var migrationName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)(\.always)?\.sql$`)

// migrate brings the tables up to date.
func (s *Store) migrate(ctx context.Context) error {
	migrations, err := readMigrations(migrationFiles)
	if err != nil {
		return err
	}
	const history = `CREATE TABLE IF NOT EXISTS schema_migrations (
		version UInt32, name String, digest String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
	) ENGINE = ReplacingMergeTree ORDER BY version`
	if err := s.apply(ctx, history); err != nil {
		return fmt.Errorf("create table schema_migrations: %w", err)
	}
	applied, newest, err := s.appliedMigrations(ctx)
	if err != nil {
		return err
	}
	if known := migrations[len(migrations)-1].version; newest > known {
		s.logger.Warn("the tables were made by a newer nfstats; this one knows fewer migrations",
			zap.Uint32("tables", newest), zap.Uint32("program", known))
	}
	// By its documentation, ClickHouse 23.8 changes the query of a view only with this; newer ones ignore it.
	migrating := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"allow_experimental_alter_materialized_view_structure": 1}))
	for n, m := range migrations {
		digest, known := applied[m.version]
		if known && !m.always && digest != m.digest() {
			return fmt.Errorf("%w (migration %04d_%s differs)", ErrOtherBuild, m.version, m.name)
		}
		// On a cluster all run again, for nodes that have joined it.
		if known && !m.always && s.cluster == "" {
			continue
		}
		for i, statement := range m.statements {
			if known {
				statement = evolved(statement, appliedStatements(migrations[n+1:], applied))
			}
			if err := s.apply(migrating, statement); err != nil {
				return fmt.Errorf("migration %04d_%s, statement %d: %w", m.version, m.name, i+1, err)
			}
		}
		if known {
			continue
		}
		if err := s.conn.Exec(ctx, "INSERT INTO schema_migrations (version, name, digest) VALUES ($1, $2, $3)", m.version, m.name, m.digest()); err != nil {
			return fmt.Errorf("record migration %04d_%s: %w", m.version, m.name, err)
		}
		s.logger.Info("migrated the tables", zap.Uint32("version", m.version), zap.String("name", m.name))
	}
	return nil
}

// apply executes a statement of the migrations, in its cluster form on a cluster.
func (s *Store) apply(ctx context.Context, statement string) error {
	forms, err := ddl(s.fillIn(statement), s.database, s.cluster)
	if err != nil {
		return err
	}
	for _, form := range forms {
		if err := s.conn.Exec(ctx, form); err != nil {
			return err
		}
	}
	return nil
}

// fillIn replaces what a statement cannot know: the database, and how a
// dictionary reads its table. The embedded engine has no users, and cannot
// resolve the default host name because it may not read /etc/hosts.
func (s *Store) fillIn(statement string) string {
	credentials := "HOST '127.0.0.1'"
	if s.options.DialContext == nil {
		credentials = "USER " + quoted(s.options.Auth.Username) + " PASSWORD " + quoted(s.options.Auth.Password)
	}
	return strings.NewReplacer("{database}", s.database, "{credentials}", credentials).Replace(statement)
}

// quoted returns a ClickHouse string literal.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// appliedMigrations returns the digests of the migrations that are applied, and the
// newest one's number.
func (s *Store) appliedMigrations(ctx context.Context) (applied map[uint32]string, newest uint32, err error) {
	rows, err := s.conn.Query(ctx, "SELECT version, argMax(digest, applied_at) FROM schema_migrations GROUP BY version")
	if refused, ok := errors.AsType[*clickhouse.Exception](err); ok && refused.Code == unknownIdentifier {
		return nil, 0, fmt.Errorf("%w (migrations have no digests there)", ErrOtherBuild)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read schema_migrations: %w", err)
	}
	defer rows.Close()
	applied = map[uint32]string{}
	for rows.Next() {
		var version uint32
		var digest string
		if err := rows.Scan(&version, &digest); err != nil {
			return nil, 0, fmt.Errorf("read schema_migrations: %w", err)
		}
		applied[version] = digest
		newest = max(newest, version)
	}
	return applied, newest, rows.Err()
}

// unknownIdentifier is ClickHouse's code of an error about a column that is not there.
const unknownIdentifier = 47

// digest tells the statements of a migration from others.
func (m *migration) digest() string {
	sum := sha256.Sum256([]byte(strings.Join(m.statements, ";\n")))
	return hex.EncodeToString(sum[:8])
}

// readMigrations returns the migrations in order. Statements end with a
// semicolon at the end of a line.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var migrations []migration
	last := uint32(0)            // number; one may be left out, none comes twice
	for _, path := range names { // sorted by name, so by number
		match := migrationName.FindStringSubmatch(strings.TrimPrefix(path, "migrations/"))
		if match == nil {
			return nil, fmt.Errorf("%s is not named like 0001_what.sql", path)
		}
		version, err := strconv.ParseUint(match[1], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("number of %s: %w", path, err)
		}
		if wanted := last + 1; uint32(version) < wanted || last == 0 && version > 1 {
			return nil, fmt.Errorf("%s: want number %04d", path, wanted)
		}
		last = uint32(version)
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		m := migration{version: uint32(version), name: match[2], always: match[3] != ""}
		for statement := range strings.SplitSeq(string(text), ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				m.statements = append(m.statements, statement)
			}
		}
		migrations = append(migrations, m)
	}
	return migrations, nil
}
