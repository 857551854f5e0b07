package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.uber.org/zap"
)

// Config says which ClickHouse to use. Either URL or Dial is set.
type Config struct {
	URL      string // of the user's server or servers, as clickhouse-go's DSN
	Cluster  string // over whose nodes the tables are spread; "": one server has them
	Database string
	ASNames  string // CSV file of names of autonomous systems; "": those that ship with the program

	PasswordFile string // holds the password of the user in URL; "": URL has it
	TLS          TLS

	// Dial connects to the embedded engine, which Key opens.
	Dial func(ctx context.Context) (net.Conn, error)
	Key  string
}

// Store is a pool of connections to ClickHouse.
type Store struct {
	database   string
	asNames    string
	cluster    string
	options    clickhouse.Options // with no database
	conn       driver.Conn
	logger     *zap.Logger
	extents    extentsCache
	waiting    waitingCache
	rolling    sync.RWMutex // held for writing while Rollups change what charts read
	rolledHere string       // the collector of these Rollups

	identities identitiesCache
}

// minVersion is the oldest ClickHouse whose functions the schema and the
// queries may rely on.
var minVersion = [2]uint64{23, 8}

// ErrTooOld reports a server older than 23.8. Retrying does not help.
var ErrTooOld = errors.New("ClickHouse is older than 23.8: upgrade it, or leave store.clickhouse empty for the embedded one")

// unknownDatabase is ClickHouse's error code UNKNOWN_DATABASE.
const unknownDatabase = 81

// New makes a store; it connects at first use.
func New(cfg Config, logger *zap.Logger) (*Store, error) {
	options := clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{"embedded:80"}}
	if cfg.Dial != nil {
		options.Auth = clickhouse.Auth{Username: "nfstats", Password: cfg.Key}
		options.DialContext = func(ctx context.Context, _ string) (net.Conn, error) { return cfg.Dial(ctx) }
	} else {
		parsed, err := serverOptions(cfg)
		if err != nil {
			return nil, err
		}
		options = *parsed
	}
	setLimits(&options, cfg.Cluster)

	withDatabase := options
	withDatabase.Auth.Database = cfg.Database
	conn, err := clickhouse.Open(&withDatabase)
	if err != nil {
		return nil, fmt.Errorf("configure the ClickHouse client: %w", err)
	}
	return &Store{database: cfg.Database, asNames: cfg.ASNames, cluster: cfg.Cluster, options: options, conn: conn, logger: logger}, nil
}

// Conn returns the connections, whose default database is the configured one.
func (s *Store) Conn() driver.Conn { return s.conn }

// Database returns the name of the database that holds the tables.
func (s *Store) Database() string { return s.database }

// Close ends all connections.
func (s *Store) Close() error { return s.conn.Close() }

// Ping reports whether ClickHouse answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.conn.Ping(ctx); err != nil {
		return fmt.Errorf("reach ClickHouse: %w", err)
	}
	return nil
}

// ErrOtherBuild reports tables that this program's migrations did not make: questions
// would fail one by one. Retrying does not help.
var ErrOtherBuild = errors.New("the tables were made by a development build of nfstats: name another data_dir or database, or run the build that made them")

// Prepare waits until ClickHouse answers, makes the database where it is
// missing and migrates the tables. It retries until ctx ends, and returns at
// once with ErrTooOld or ErrOtherBuild.
func (s *Store) Prepare(ctx context.Context) error {
	wait := 100 * time.Millisecond
	for {
		err := s.prepare(ctx)
		switch {
		case err == nil, errors.Is(err, ErrTooOld), errors.Is(err, ErrOtherBuild):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		s.logger.Warn("ClickHouse is not ready, trying again", zap.Error(err), zap.Duration("in", wait))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, 10*time.Second)
	}
}

func (s *Store) prepare(ctx context.Context) error {
	if err := s.createDatabase(ctx); err != nil {
		return err
	}
	version, err := s.conn.ServerVersion()
	if err != nil {
		return fmt.Errorf("ask ClickHouse for its version: %w", err)
	}
	v := version.Version
	if tooOld(v.Major, v.Minor) {
		return fmt.Errorf("%w (it is %d.%d)", ErrTooOld, v.Major, v.Minor)
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if err := s.mendTTL(ctx); err != nil {
		return err
	}
	return s.loadASNames(ctx)
}

func tooOld(major, minor uint64) bool {
	return major < minVersion[0] || major == minVersion[0] && minor < minVersion[1]
}

// createDatabase makes the database where it is missing. It first tries to use
// it, so that a user without the right to create one can have it made.
func (s *Store) createDatabase(ctx context.Context) error {
	err := s.Ping(ctx)
	if exception := (*clickhouse.Exception)(nil); !errors.As(err, &exception) || exception.Code != unknownDatabase {
		return err
	}
	admin, err := clickhouse.Open(&s.options)
	if err != nil {
		return fmt.Errorf("configure the ClickHouse client: %w", err)
	}
	defer admin.Close()
	statement := "CREATE DATABASE IF NOT EXISTS " + s.database
	if s.cluster != "" {
		statement += " ON CLUSTER " + quoted(s.cluster)
	}
	if err := admin.Exec(ctx, statement); err != nil {
		return fmt.Errorf("create database %s: %w", s.database, err)
	}
	return nil
}
