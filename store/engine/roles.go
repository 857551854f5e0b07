package engine

import (
	"fmt"
	"slices"
	"strings"
)

// Roles of the reader: what statements of users may read.
const (
	// ViewerRole reads what a viewer of the web UI may see. Whoever reaches the
	// read-only address has it.
	ViewerRole = "viewer"
	// AdminRole reads all tables of the database.
	AdminRole = "admin"
)

// adminTables are the tables that only admins may read: they name files of the
// machine.
var adminTables = []string{"imports"}

// systemTables are the tables of ClickHouse's own that the reader has: those that
// clients need to list tables, columns and functions, those that documents of
// NFStats ask, and processes, by which ClickHouse cancels statements. The reader
// detaches all others, since libchdb lets everybody read them, whatever is
// granted: some start programs (models) or show what is none of a user's business.
var systemTables = setOf(strings.Fields(`
	aggregate_function_combinators build_options collations columns contributors current_roles data_skipping_indices
	data_type_families databases dictionaries disks enabled_roles formats functions keywords licenses numbers numbers_mt
	one parts parts_columns primes processes settings storage_policies table_engines table_functions tables time_zones
	zeros zeros_mt`))

// A userRole is a name with what it may do.
type userRole struct {
	name   string
	grants []string // statements
}

// ownerRole may do everything.
var ownerRole = userRole{"owner", []string{"GRANT ALL ON *.*"}}

// userRoles returns the roles that there are: the daemon's own, and those of users.
func userRoles(database string) []userRole {
	name := quotedName(database)
	admin := []string{"GRANT SHOW ON *.*", "GRANT SELECT, dictGet ON " + name + ".*",
		"GRANT SELECT ON INFORMATION_SCHEMA.*", "GRANT SELECT ON information_schema.*"}
	viewer := slices.Clone(admin)
	for _, table := range adminTables {
		viewer = append(viewer, "REVOKE SELECT ON "+name+"."+table)
	}
	return []userRole{ownerRole, {ViewerRole, viewer}, {AdminRole, admin}}
}

// usersConfig is ClickHouse's file of users with libchdb's one user, default. Its
// rights come from roles alone, of which a new connection has all: choosing one
// gives up the rest.
func usersConfig(roles []userRole) string {
	var definitions, granted strings.Builder
	for _, r := range roles {
		fmt.Fprintf(&definitions, "    <%s><grants>\n", r.name)
		for _, grant := range r.grants {
			fmt.Fprintf(&definitions, "      <query>%s</query>\n", grant)
		}
		fmt.Fprintf(&definitions, "    </grants></%s>\n", r.name)
		fmt.Fprintf(&granted, "<query>GRANT %s</query>", r.name)
	}
	return `<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <roles>
` + definitions.String() + `  </roles>
  <users>
    <default>
      <password></password>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>` + granted.String() + `</grants>
    </default>
  </users>
</clickhouse>
`
}
