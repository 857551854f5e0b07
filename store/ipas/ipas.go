// Package ipas tells which autonomous system an address belongs to, from a
// database in MaxMind's format, and completes the AS columns of flows with that
// before they are inserted.
//
// A Database belongs to the daemon and is read anew when its file changes. Each
// goroutine that completes flows has a Lookup of its own, with a cache by
// network. Flows that are inserted a second time, from the journal after a crash
// or from a block set aside, may meet another edition of the database than the
// first time. Nothing comes of it: their deduplication token is the same, by
// which ClickHouse drops the second insert whatever its rows are.
package ipas

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
	"go.uber.org/zap"
)

// Source says whose AS numbers count.
type Source string

// The sources.
const (
	Exporter       Source = "exporter"        // the exporter's, whatever they are
	PreferExporter Source = "prefer-exporter" // the database's where the exporter tells 0
	DatabaseFirst  Source = "database"        // the exporter's where the database has none
)

// lookInterval is the time between two looks at the database's file.
const lookInterval = 10 * time.Second

// maxFile bounds the size of a database, which is held in memory. Those of AS
// numbers take 10 to 100 MB.
const maxFile = 2 << 30

// Database is a file that tells the AS numbers of networks.
type Database struct {
	source Source
	path   string
	logger *zap.Logger
	reader atomic.Pointer[maxminddb.Reader] // nil: none could be read yet
	read   stamp                            // the file behind reader, or the last one that was no good
	failed atomic.Pointer[string]           // why the file could not be read when last tried
}

// stamp tells an edition of a file from others.
type stamp struct {
	modified time.Time
	size     int64
}

// New makes a database over a file, which Open and Run read. With an empty path
// it completes nothing.
func New(source Source, path string, logger *zap.Logger) (*Database, error) {
	switch source {
	case Exporter, PreferExporter, DatabaseFirst:
	default:
		return nil, fmt.Errorf("source of AS numbers %q is not exporter, database or prefer-exporter", source)
	}
	if source == DatabaseFirst && path == "" {
		return nil, errors.New("AS numbers are to come from a database, but none is named")
	}
	if source == Exporter {
		path = ""
	}
	return &Database{source: source, path: path, logger: logger}, nil
}

// Open reads the file. A file that cannot be read costs no flows, but their AS
// numbers: Problem tells, and Run tries again.
func (d *Database) Open() {
	if d.path == "" {
		return
	}
	info, err := os.Stat(d.path)
	if err != nil {
		d.problem(err)
		return
	}
	now := stamp{info.ModTime(), info.Size()}
	if now == d.read {
		return
	}
	// The file is held in memory, not mapped: a tool that writes it in place
	// would pull mapped pages away from under a lookup.
	reader, err := open(d.path, now.size)
	if err != nil {
		d.problem(err)
		d.read = now
		return
	}
	d.reader.Store(reader)
	d.read = now
	d.failed.Store(nil)
	d.logger.Info("read the database of AS numbers", zap.String("file", d.path), zap.String("type", reader.Metadata.DatabaseType),
		zap.Time("built", reader.Metadata.BuildTime()))
}

// problem notes why the file cannot be used; an earlier edition stays in use.
func (d *Database) problem(err error) {
	text := "the database of AS numbers cannot be used: " + err.Error()
	if last := d.failed.Swap(&text); last == nil || *last != text {
		d.logger.Warn(text)
	}
}

// Problem returns what is wrong with the file, or "".
func (d *Database) Problem() string {
	if text := d.failed.Load(); text != nil {
		return *text
	}
	return ""
}

// Run reads the file whenever it has changed, until ctx ends.
func (d *Database) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			d.Open()
		}
	}
}

// open reads a database and refuses one that has no AS numbers.
func open(path string, size int64) (*maxminddb.Reader, error) {
	if size > maxFile {
		return nil, fmt.Errorf("%s has %d octets, more than %d", path, size, int64(maxFile))
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	reader, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	const enough = 1000 // networks without a number, to be sure
	tried := 0
	for result := range reader.Networks() {
		if number, err := numberOf(result); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		} else if number != 0 {
			return reader, nil
		}
		if tried++; tried == enough {
			break
		}
	}
	return nil, fmt.Errorf("%s, of type %q, has no AS numbers", path, reader.Metadata.DatabaseType)
}
