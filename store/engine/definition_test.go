package engine

import "testing"

func TestReadDefinition(t *testing.T) {
	const id = "32b34e0c-6d0c-4a3f-9c1a-0123456789ab"
	const live = "storage_policy = 'live', refresh_parts_interval = 1"
	for _, c := range []struct{ name, object, text, want string }{
		{"a table", "flows", "ATTACH TABLE _ UUID '" + id + "'\n(\n    `a` UInt64 COMMENT 'TTL x\\nSETTINGS y = 1',\n    `b` String TTL a + toIntervalDay(1)\n)\n" +
			"ENGINE = ReplacingMergeTree(a)\nPARTITION BY a\nORDER BY (a, b)\nTTL toDateTime(a) + toIntervalDay(10),\n    toDateTime(a) + toIntervalDay(3) RECOMPRESS CODEC(ZSTD(3))\n" +
			"SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000, index_granularity = 4096, index_granularity_bytes = 1\n",
			"ATTACH TABLE `nf`.`flows` UUID '" + id + "'\n(\n    `a` UInt64 COMMENT 'TTL x\\nSETTINGS y = 1',\n    `b` String TTL a + toIntervalDay(1)\n)\n" +
				"ENGINE = ReplacingMergeTree(a)\nPARTITION BY a\nORDER BY (a, b)\nSETTINGS index_granularity = 4096, index_granularity_bytes = 1, " + live},
		{"without settings", "t", "ATTACH TABLE _ UUID '" + id + "'\n(\n    `a` UInt64\n)\nENGINE = MergeTree\nORDER BY a\n",
			"ATTACH TABLE `nf`.`t` UUID '" + id + "'\n(\n    `a` UInt64\n)\nENGINE = MergeTree\nORDER BY a\nSETTINGS " + live},
		{"a setting with a comma in it", "a`b", "ATTACH TABLE _ UUID '" + id + "'\n(\n    `a` UInt64\n)\nENGINE = MergeTree\nORDER BY a\nSETTINGS x = 'a, index_granularity = 1', index_granularity = 2",
			"ATTACH TABLE `nf`.`a\\`b` UUID '" + id + "'\n(\n    `a` UInt64\n)\nENGINE = MergeTree\nORDER BY a\nSETTINGS index_granularity = 2, " + live},
		{"a comment", "t", "ATTACH TABLE _ UUID '" + id + "'\n(\n    `a` UInt64\n)\nENGINE = MergeTree\nORDER BY a\nSETTINGS index_granularity = 2\nCOMMENT 'x'\n",
			"ATTACH TABLE `nf`.`t` UUID '" + id + "'\n(\n    `a` UInt64\n)\nENGINE = MergeTree\nORDER BY a\nSETTINGS index_granularity = 2, " + live + "\nCOMMENT 'x'"},
		{"a view that is refreshed", "m", "ATTACH MATERIALIZED VIEW _ UUID '" + id + "'\nREFRESH EVERY 1 HOUR TO nf.t\n(\n    `a` UInt64\n)\nAS SELECT a\n", "CREATE OR REPLACE VIEW `nf`.`m` AS SELECT * FROM nf.t"},
		{"a view", "v", "ATTACH VIEW _ UUID '" + id + "'\n(\n    `a` UInt64\n)\nAS SELECT a\nFROM nf.t\n", "CREATE OR REPLACE VIEW `nf`.`v`\n(\n    `a` UInt64\n)\nAS SELECT a\nFROM nf.t"},
		{"a materialized view", "m", "ATTACH MATERIALIZED VIEW _ UUID '" + id + "' TO nf.`a b`\n(\n    `a` UInt64\n)\nAS SELECT a\nFROM nf.t\n", "CREATE OR REPLACE VIEW `nf`.`m` AS SELECT * FROM nf.`a b`"},
		{"one with a table of its own", "m", "ATTACH MATERIALIZED VIEW _ UUID '" + id + "' TO INNER UUID 'cdcdd4f7-9908-4ea0-9f85-674d517e0750'\n(\n    `a` UInt64\n)\nENGINE = MergeTree\nORDER BY a\nAS SELECT a\n",
			"CREATE OR REPLACE VIEW `nf`.`m` AS SELECT * FROM `nf`.`.inner_id." + id + "`"},
		{"a dictionary", "d", "CREATE DICTIONARY _ UUID '" + id + "'\n(\n    `a` UInt64\n)\nPRIMARY KEY a\n", "CREATE OR REPLACE DICTIONARY `nf`.`d`\n(\n    `a` UInt64\n)\nPRIMARY KEY a"},
		{"an engine without parts", "t", "ATTACH TABLE _ UUID '" + id + "'\n(\n    `a` UInt64\n)\nENGINE = Memory\n", ""},
		{"parts elsewhere", "t", "ATTACH TABLE _ UUID '" + id + "'\n(\n    `a` UInt64\n)\nENGINE = MergeTree\nORDER BY a\nSETTINGS storage_policy = 'cold'\n", ""},
		{"something else", "t", "CREATE FUNCTION x", ""},
		{"nothing", "t", "", ""},
	} {
		d, err := readDefinition("nf", c.object, c.text)
		if d.sql != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, d.sql, c.want)
		}
	}
}
