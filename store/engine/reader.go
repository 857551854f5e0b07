//go:build linux && (amd64 || arm64)

package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"

	"go.uber.org/zap"

	"github.com/nfstats/nfstats/httpui/connlimit"
)

// readerHouse is what the reader has besides: statements of users.
type readerHouse struct {
	database  string // default
	ceilings  []ceiling
	forbidden map[string]bool // functions
	maxColumn int             // bytes of a column in one block of format Native
	tables    *follower
	closed    string // why every statement is refused; "": none is
	unchecked bool   // neither the text nor the rights of a statement are looked at
}

// Connections that the read-only address has at one time, and those of one client
// address: the others leave ClickHouse file descriptors.
const (
	readOnlyConnections = 256
	readOnlyAddress     = 64
)

// serveUsers adds the servers of the reader: for the web UI at the socket, and
// the read-only address.
func (h *handler) serveUsers(ctx context.Context, s spec, confined string, socket net.Listener,
	servers map[*http.Server]net.Listener) error {
	h.users = &readerHouse{database: s.Database, ceilings: readOnlyCeilings(s.MaxMemory, runtime.NumCPU()),
		maxColumn: int(min(max(s.MaxMemory/64, 8<<20), 64<<20)), unchecked: s.Unchecked}
	debug.SetMemoryLimit(s.MaxMemory / 4) // answers on their way are garbage soon
	servers[newServer(h.box(), ownIdle)] = socket
	if s.Listens {
		users, err := inherited(readOnlyFD)
		if err != nil {
			return err
		}
		server := newServer(h.readOnly(newDoorkeeper(s.AllowedHosts)), readOnlyIdle)
		limited := connlimit.Listen(users, connlimit.Places(readOnlyConnections), readOnlyAddress)
		limited.Watch(server)
		servers[server] = limited
	}
	if confined != "yes" {
		// Without the wall this process would merge parts that the other one holds.
		h.users.closed = "no SQL of users is answered, because this machine cannot confine it (" + confined + ")"
		return nil
	}
	own, err := h.library.open([]string{"--path=" + h.path})
	if err != nil {
		return fmt.Errorf("open the reader's own connection: %w", err)
	}
	return h.follow(ctx, s, own)
}

// follow makes the database on a connection of the reader's own, takes what there
// is and keeps up with it until ctx ends. It fails where the tables' disk can be
// written: ClickHouse would merge their parts.
func (h *handler) follow(ctx context.Context, s spec, own *connection) error {
	functions, err := own.names("SELECT name FROM system.table_functions")
	if err != nil {
		return fmt.Errorf("list ClickHouse's table functions: %w", err)
	}
	h.users.forbidden = forbiddenFunctions(functions)
	if err := detachSystemTables(own); err != nil {
		return err
	}
	readOnly, err := own.names("SELECT is_read_only FROM system.disks WHERE name = '" + liveDisk + "'")
	if err != nil || !slices.Equal(readOnly, []string{"1"}) {
		return fmt.Errorf("ClickHouse does not take its folder for read-only: %v %v", readOnly, err)
	}
	if _, _, err = own.exec("CREATE DATABASE "+quotedName(s.Database)+" ENGINE = Atomic", "Null", nil); err != nil {
		return fmt.Errorf("make the reader's database: %w", err)
	}
	f := &follower{data: s.Data, scratch: s.Path, database: s.Database, conn: own, logger: h.logger,
		endStatements: h.endStatements, told: map[string]string{}}
	h.users.tables = f
	open := f.shut() // until all tables are there
	h.running.Go(func() {
		f.pass()
		open()
		f.run(ctx)
		own.close()
	})
	return nil
}

// detachSystemTables leaves the listed ones.
func detachSystemTables(own *connection) error {
	tables, err := own.names("SELECT name FROM system.tables WHERE database = 'system'")
	if err != nil {
		return fmt.Errorf("list ClickHouse's own tables: %w", err)
	}
	for _, name := range tables {
		if systemTables[name] {
			continue
		}
		if _, _, err := own.exec("DETACH TABLE system."+quotedName(name), "Null", nil); err != nil {
			return fmt.Errorf("keep users from ClickHouse's own tables: %w", err)
		}
	}
	return nil
}

// endStatements cancels those of users.
func (h *handler) endStatements() {
	c, err := h.library.open([]string{"--path=" + h.path})
	if err != nil {
		h.logger.Warn("end statements of users", zap.Error(err))
		return
	}
	defer c.close()
	if _, _, err := c.exec("KILL QUERY WHERE Settings['readonly'] = '1' ASYNC", "Null", nil); err != nil {
		h.logger.Warn("end statements of users", zap.Error(err))
	}
}
