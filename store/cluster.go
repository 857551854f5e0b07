package store

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// On a cluster, the tables of flows are spread over its shards: a local table on
// each, whose replicas are its shard's, and over them a Distributed table with the
// name that everybody uses. All other tables are small, and joined and looked up
// all the time: they have a replica on every node, so that each answers from its
// own. The migrations are written for one server; ddl makes the cluster's form.

// shardingKeys of the tables that are spread. A row that is inserted again must
// meet the shard that may have it, for there its deduplication token is known:
// keys hold no column that a second decoding could fill otherwise (AS numbers).
var shardingKeys = map[string]string{
	"flows":    "cityHash64(exporter_addr, src_addr, dst_addr)",
	"flows_1m": "cityHash64(exporter_addr, in_if, out_if)",
	"flows_1h": "cityHash64(exporter_addr, in_if, out_if)",

	"flows_1m_in": "cityHash64(exporter_addr, in_if)", "flows_1m_out": "cityHash64(exporter_addr, out_if)",
	"flows_1h_in": "cityHash64(exporter_addr, in_if)", "flows_1h_out": "cityHash64(exporter_addr, out_if)", "flows_1h_path": "cityHash64(exporter_addr, in_if, out_if)",
}

// clusterSettings go with every statement on a cluster.
var clusterSettings = clickhouse.Settings{
	// An insert is done when the rows are on their shards, not in a queue.
	"insert_distributed_sync": 1,
	// Inserts and queries take the same replica of a shard, the first in the
	// cluster's definition that answers: what is stored is seen at once.
	"load_balancing":           "in_order",
	"prefer_localhost_replica": 0,
	"distributed_product_mode": "global",
	// A node that is down gets its tables when it is back.
	"distributed_ddl_task_timeout": 30,
	"distributed_ddl_output_mode":  "null_status_on_timeout",
}

const localSuffix = "_local"

var (
	createTable      = regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS (\w+) \(`)
	createView       = regexp.MustCompile(`(?m)^CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+) AS$`)
	createDictionary = regexp.MustCompile(`(?m)^CREATE OR REPLACE DICTIONARY (\w+) `)
	alterTable       = regexp.MustCompile(`(?m)^ALTER TABLE (\w+) `)
	tableEngine      = regexp.MustCompile(`ENGINE = (\w*MergeTree)(?:\((\([^()]*\)|[^()]*)\))?`)
	fromTable        = regexp.MustCompile(`\bFROM (\w+)\b`)
)

// ddl returns the statements that do what a statement of the migrations says:
// itself on one server, its cluster form where cluster is not "".
func ddl(statement, database, cluster string) ([]string, error) {
	if cluster == "" {
		return []string{statement}, nil
	}
	on := " ON CLUSTER " + quoted(cluster)
	if m := createTable.FindStringSubmatch(statement); m != nil {
		return clusterTable(statement, m[1], database, cluster)
	}
	if m := createView.FindStringSubmatch(statement); m != nil {
		statement = strings.Replace(statement, m[1]+" TO "+m[2], m[1]+on+" TO "+localName(m[2]), 1)
		return []string{fromLocal(statement)}, nil
	}
	if m := createDictionary.FindStringSubmatch(statement); m != nil {
		return []string{strings.Replace(statement, "DICTIONARY "+m[1], "DICTIONARY "+m[1]+on, 1)}, nil
	}
	if m := alterTable.FindStringSubmatch(statement); m != nil {
		local := strings.Replace(statement, "ALTER TABLE "+m[1], "ALTER TABLE "+localName(m[1])+on, 1)
		if strings.Contains(statement, "MODIFY QUERY") { // of a view
			return []string{fromLocal(local)}, nil
		}
		if shardingKeys[m[1]] == "" || !strings.Contains(statement, "COLUMN") {
			return []string{local}, nil
		}
		return []string{local, strings.Replace(statement, "ALTER TABLE "+m[1], "ALTER TABLE "+m[1]+on, 1)}, nil
	}
	return nil, fmt.Errorf("no cluster form is known of %.60q", statement)
}

// fromLocal returns the query of a view with the parts on each node for the tables
// that it reads.
func fromLocal(query string) string {
	return fromTable.ReplaceAllStringFunc(query, func(from string) string {
		return "FROM " + localName(strings.TrimPrefix(from, "FROM "))
	})
}

// localName returns the name of a table's part on each node.
func localName(table string) string {
	if shardingKeys[table] != "" {
		return table + localSuffix
	}
	return table
}

// clusterTable makes a table replicated, and where it is spread, Distributed.
//
// Paths in Keeper are told in full, without {uuid}: a node that joins later finds
// the data of its shard, or of the whole cluster, there.
func clusterTable(statement, table, database, cluster string) ([]string, error) {
	engine := tableEngine.FindStringSubmatch(statement)
	if engine == nil {
		return nil, fmt.Errorf("table %s has no engine that can be replicated", table)
	}
	shard, replica := "all", "{shard}-{replica}"
	if shardingKeys[table] != "" {
		shard, replica = "{shard}", "{replica}"
	}
	arguments := fmt.Sprintf("'/clickhouse/tables/%s/%s/%s', '%s'", shard, database, localName(table), replica)
	if engine[2] != "" {
		arguments += ", " + engine[2]
	}
	on := " ON CLUSTER " + quoted(cluster)
	statement = strings.Replace(statement, engine[0], "ENGINE = Replicated"+engine[1]+"("+arguments+")", 1)
	statement = strings.Replace(statement, "IF NOT EXISTS "+table+" (", "IF NOT EXISTS "+localName(table)+on+" (", 1)
	// A week: so long a journal may wait for the answer to an insert.
	statement = strings.Replace(statement, "non_replicated_deduplication_window = ", "replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = ", 1)
	if shardingKeys[table] == "" {
		return []string{statement}, nil
	}
	return []string{statement, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s ENGINE = Distributed(%s, %s, %s, %s)",
		table, on, localName(table), quoted(cluster), quoted(database), quoted(localName(table)), shardingKeys[table])}, nil
}
