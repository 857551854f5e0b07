package engine

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What a request of the read-only listener may use, unless it asks for less.
const (
	readOnlySeconds    = 60
	readOnlyResultRows = 10_000_000
	readOnlyStatement  = 1 << 20 // bytes of SQL
	readOnlyStatements = 8       // at one time
)

// A ceiling is the highest value of a setting that is a limit. 0, which means
// no limit to ClickHouse, is above it.
type ceiling struct {
	name  string
	value int64
}

// readOnlyCeilings returns the limits of statements of the read-only listener.
// Together they may fill the memory limit twice over, at which ClickHouse ends
// the largest of them: nfstats's own inserts are small.
func readOnlyCeilings(maxMemory int64, cpus int) []ceiling {
	return []ceiling{
		{"max_execution_time", readOnlySeconds},
		{"max_memory_usage", maxMemory / 4},
		{"max_threads", int64(max(1, cpus/2))}, // the other half is for receiving
		{"max_result_rows", readOnlyResultRows},
		{"max_temporary_data_on_disk_size_for_query", maxMemory},
	}
}

// shapingSettings are those that change what a query returns or lower its
// limits, and nothing else. So are the ones with a prefix of shapingPrefixes.
var (
	shapingSettings = []string{
		"aggregate_functions_null_for_empty", "asterisk_include_alias_columns",
		"asterisk_include_materialized_columns", "bool_false_representation", "bool_true_representation", "cast_keep_nullable",
		"count_distinct_implementation", "date_time_input_format", "date_time_output_format", "distinct_overflow_mode",
		"empty_result_for_aggregation_by_empty_set", "enable_named_columns_in_function_tuple", "extremes", "final",
		"format_csv_delimiter", "format_csv_null_representation", "format_tsv_null_representation", "group_by_overflow_mode",
		"group_by_use_nulls", "interval_output_format", "join_algorithm", "join_default_strictness", "join_use_nulls", "limit",
		"low_cardinality_allow_in_native_format", "max_block_size", "max_bytes_to_read", "max_bytes_to_sort", "max_columns_to_read",
		"max_result_bytes", "max_rows_in_distinct", "max_rows_in_join", "max_rows_to_group_by", "max_rows_to_read", "max_rows_to_sort",
		"offset", "prefer_column_name_to_alias", "read_overflow_mode", "result_overflow_mode", "session_timezone",
		"short_circuit_function_evaluation", "sort_overflow_mode", "timeout_overflow_mode", "totals_mode", "transform_null_in",
	}
	shapingPrefixes = []string{"output_format_", "format_custom_", "formatdatetime_"}

	// reachingSettings have such a prefix, but name a file to write or a server.
	reachingSettings = []string{"output_format_schema", "output_format_avro_confluent_subject"}
)

// ignoredSettings are those that clients send of their own accord and that mean
// nothing here. So are the ones with a prefix of ignoredPrefixes.
var (
	ignoredSettings = []string{
		"add_http_cors_header", "async_insert", "cancel_http_readonly_queries_on_client_close", "connect_timeout",
		"connect_timeout_with_failover_ms", "idle_connection_timeout", "log_comment", "log_queries", "max_insert_block_size",
		"max_insert_threads", "max_query_size", "network_compression_method", "network_zstd_compression_level", "poll_interval", "priority", "readonly",
		"receive_timeout", "send_logs_level", "send_timeout", "stream_like_engine_allow_direct_select", "use_client_time_zone",
		"use_query_cache", "wait_for_async_insert",
	}
	ignoredPrefixes = []string{"allow_experimental_", "enable_json_type", "http_", "input_format_", "insert_", "query_cache_"}
)

// readOnlySettings returns the settings, of those that a request asks for, that
// apply on the read-only listener, together with its limits.
func readOnlySettings(asked map[string]string, ceilings []ceiling) (map[string]string, error) {
	granted := map[string]string{}
	for _, c := range ceilings {
		granted[c.name] = strconv.FormatInt(c.value, 10)
	}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		value := asked[name]
		if _, limited := granted[name]; limited {
			wanted, err := strconv.ParseFloat(value, 64)
			if err != nil || math.IsNaN(wanted) {
				return nil, newException(codeBadArguments, "setting %s is no number: %q. (BAD_ARGUMENTS)", name, value)
			}
			i := slices.IndexFunc(ceilings, func(c ceiling) bool { return c.name == name })
			if wanted >= 1 && wanted < float64(ceilings[i].value) {
				granted[name] = strconv.FormatInt(int64(wanted), 10)
			}
			continue
		}
		switch {
		case listed(name, shapingSettings, shapingPrefixes) && !listed(name, reachingSettings, nil):
			granted[name] = value
		case !listed(name, ignoredSettings, ignoredPrefixes):
			return nil, newException(codeReadOnly, "Cannot modify '%s' setting in readonly mode. (READONLY)", name)
		}
	}
	return granted, nil
}

func listed(name string, names, prefixes []string) bool {
	return slices.Contains(names, name) || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// settingName keeps what is no setting's name out of connection arguments.
var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
