package engine

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a request of a user may use, unless it asks for less.
const (
	readOnlySeconds    = 60
	readOnlyResultRows = 10_000_000
	readOnlyStatement  = 256 << 10 // bytes of SQL, before and after decompression, as ClickHouse's max_query_size
	readOnlyStatements = 8         // at one time, of the read-only address
	readOnlyEach       = 6         // of one client among them
	readOnlyWaiting    = 64        // that wait for their turn
	boxStatements      = 4         // at one time, of the web UI
	readOnlyPatience   = 20 * time.Second
	readOnlyBlockRows  = 65_409
	readOnlyBlockBytes = 1_000_000 // about: of what is read at a time
)

// A ceiling is the highest value of a setting that is a limit. 0, which means
// no limit to ClickHouse, is above it.
type ceiling struct {
	name  string
	value int64
}

// readOnlyCeilings returns the limits of statements of users, given the memory
// of the reader in bytes. Two may fill it, at which ClickHouse ends the largest.
func readOnlyCeilings(memory int64, cpus int) []ceiling {
	return []ceiling{
		{"max_execution_time", readOnlySeconds},
		{"max_memory_usage", memory / 2},
		{"max_threads", int64(max(1, cpus/2))}, // the other half is for receiving
		{"max_result_rows", readOnlyResultRows},
		{"max_temporary_data_on_disk_size_for_query", 2 * memory},
		{"max_block_size", readOnlyBlockRows},
		{"preferred_block_size_bytes", readOnlyBlockBytes},
	}
}

// shapingSettings are those that change what a query returns or lower its
// limits, and nothing else: none of them names a file or a server, or makes
// buffers larger. A test names those that a new version of ClickHouse brings.
var shapingSettings = setOf(strings.Fields(`
	aggregate_functions_null_for_empty asterisk_include_alias_columns asterisk_include_materialized_columns
	bool_false_representation bool_true_representation cast_keep_nullable count_distinct_implementation
	date_time_input_format date_time_output_format distinct_overflow_mode empty_result_for_aggregation_by_empty_set
	enable_named_columns_in_function_tuple extremes final format_csv_delimiter format_csv_null_representation
	format_custom_escaping_rule format_custom_field_delimiter format_custom_result_after_delimiter
	format_custom_result_before_delimiter format_custom_row_after_delimiter format_custom_row_before_delimiter
	format_custom_row_between_delimiter format_tsv_null_representation formatdatetime_e_with_space_padding
	formatdatetime_f_prints_scale_number_of_digits formatdatetime_f_prints_single_zero
	formatdatetime_format_without_leading_zeros formatdatetime_parsedatetime_m_is_month_name group_by_overflow_mode
	group_by_use_nulls interval_output_format join_algorithm join_default_strictness join_use_nulls limit
	low_cardinality_allow_in_native_format max_bytes_to_read max_bytes_to_sort max_columns_to_read max_result_bytes
	max_rows_in_distinct max_rows_in_join max_rows_to_group_by max_rows_to_read max_rows_to_sort offset
	output_format_always_write_decimal_point_in_float_and_decimal output_format_arrow_compression_method
	output_format_arrow_date_as_uint16 output_format_arrow_fixed_string_as_fixed_byte_array
	output_format_arrow_low_cardinality_as_dictionary output_format_arrow_string_as_string
	output_format_arrow_unsupported_types_as_binary output_format_arrow_use_64_bit_indexes_for_dictionary
	output_format_arrow_use_native_writer output_format_arrow_use_signed_indexes_for_dictionary
	output_format_arrow_uuid_as_fixed_byte_array output_format_arrow_variant_as_string output_format_avro_codec
	output_format_binary_encode_types_in_binary_format output_format_binary_write_json_as_string
	output_format_bson_string_as_string output_format_csv_crlf_end_of_line
	output_format_csv_header_serialize_tuple_into_separate_columns
	output_format_csv_serialize_tuple_into_separate_columns output_format_decimal_trailing_zeros
	output_format_float_precision output_format_json_array_of_rows output_format_json_escape_forward_slashes
	output_format_json_map_as_array_of_tuples output_format_json_named_tuples_as_objects
	output_format_json_pretty_print output_format_json_quote_64bit_floats output_format_json_quote_64bit_integers
	output_format_json_quote_decimals output_format_json_quote_denormals
	output_format_json_skip_null_value_in_named_tuples output_format_json_validate_utf8
	output_format_markdown_escape_special_characters output_format_msgpack_uuid_representation
	output_format_native_encode_types_in_binary_format
	output_format_native_use_flattened_dynamic_and_json_serialization output_format_native_write_json_as_string
	output_format_orc_compression_method output_format_orc_string_as_string
	output_format_parquet_compliant_nested_types output_format_parquet_compression_method
	output_format_parquet_date_as_uint16 output_format_parquet_datetime_as_uint32
	output_format_parquet_enum_as_byte_array output_format_parquet_fixed_string_as_fixed_byte_array
	output_format_parquet_geometadata output_format_parquet_string_as_string
	output_format_parquet_unsupported_types_as_binary output_format_parquet_use_custom_encoder
	output_format_parquet_version output_format_parquet_write_checksums output_format_pretty_color
	output_format_pretty_display_footer_column_names output_format_pretty_display_footer_column_names_min_rows
	output_format_pretty_fallback_to_vertical output_format_pretty_fallback_to_vertical_max_rows_per_chunk
	output_format_pretty_fallback_to_vertical_min_columns output_format_pretty_fallback_to_vertical_min_table_width
	output_format_pretty_glue_chunks output_format_pretty_grid_charset output_format_pretty_highlight_digit_groups
	output_format_pretty_highlight_trailing_spaces output_format_pretty_max_column_name_width_cut_to
	output_format_pretty_max_column_name_width_min_chars_to_cut output_format_pretty_max_column_pad_width
	output_format_pretty_max_rows output_format_pretty_max_value_width
	output_format_pretty_max_value_width_apply_for_single_value output_format_pretty_multiline_fields
	output_format_pretty_named_tuples_as_json output_format_pretty_row_numbers
	output_format_pretty_squash_consecutive_ms output_format_pretty_squash_max_wait_ms
	output_format_pretty_use_nbsp_for_padding output_format_protobuf_nullables_with_google_wrappers
	output_format_sql_insert_include_column_names output_format_sql_insert_quote_names
	output_format_sql_insert_table_name output_format_sql_insert_use_replace output_format_trim_fixed_string
	output_format_tsv_crlf_end_of_line output_format_values_escape_quote_with_quote output_format_write_statistics
	prefer_column_name_to_alias read_overflow_mode result_overflow_mode session_timezone
	short_circuit_function_evaluation sort_overflow_mode timeout_overflow_mode totals_mode transform_null_in
`))

func setOf(names []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// ignoredSettings are those that clients send of their own accord and that mean
// nothing here. So are the ones with a prefix of ignoredPrefixes.
var (
	ignoredSettings = []string{
		"add_http_cors_header", "async_insert", "cancel_http_readonly_queries_on_client_close", "connect_timeout",
		"connect_timeout_with_failover_ms", "idle_connection_timeout", "log_comment", "log_queries", "max_insert_block_size",
		"max_insert_threads", "max_query_size", "network_compression_method", "network_zstd_compression_level", "output_format_parallel_formatting",
		"poll_interval", "priority", "readonly",
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
		case shapingSettings[name]:
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
