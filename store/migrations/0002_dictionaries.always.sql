-- The dictionaries behind the alias columns of flows. They are made anew at every start, so that they follow a changed password.

CREATE OR REPLACE DICTIONARY as_name (asn UInt64, name String)
PRIMARY KEY asn
SOURCE(CLICKHOUSE({credentials} QUERY 'SELECT asn, name FROM {database}.as_names FINAL'))
LAYOUT(HASHED()) LIFETIME(MIN 3000 MAX 3600);

CREATE OR REPLACE DICTIONARY exporter (exporter_addr IPv6, name String)
PRIMARY KEY exporter_addr
SOURCE(CLICKHOUSE({credentials} QUERY 'SELECT exporter_addr, name FROM {database}.exporters FINAL'))
LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(MIN 30 MAX 60);

CREATE OR REPLACE DICTIONARY interface (exporter_addr IPv6, if_index UInt32, name String)
PRIMARY KEY exporter_addr, if_index
SOURCE(CLICKHOUSE({credentials} QUERY 'SELECT exporter_addr, if_index, name FROM {database}.interfaces FINAL'))
LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(MIN 30 MAX 60);

-- The name of an interface at a time.
CREATE OR REPLACE DICTIONARY interface_at (exporter_addr IPv6, if_index UInt32, valid_from DateTime, valid_to DateTime, name String)
PRIMARY KEY exporter_addr, if_index
SOURCE(CLICKHOUSE({credentials} QUERY '
    SELECT n.exporter_addr, n.if_index, n.valid_from, n.valid_to, if(e.name = \'\', n.if_name, e.name) AS name
    FROM (
        SELECT exporter_addr, if_index, valid_from, if_name,
            leadInFrame(valid_from, 1, toDateTime(4294967295)) OVER (PARTITION BY exporter_addr, if_index ORDER BY valid_from ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) - 1 AS valid_to
        FROM {database}.interface_names FINAL
        UNION ALL
        SELECT exporter_addr, if_index, toDateTime(0) AS valid_from, if_name, toDateTime(4294967294) AS valid_to FROM {database}.interfaces FINAL
        WHERE (exporter_addr, if_index) NOT IN (SELECT exporter_addr, if_index FROM {database}.interface_names)
    ) AS n LEFT JOIN (SELECT exporter_addr, if_key, name FROM {database}.interface_edits FINAL) AS e
    ON n.exporter_addr = e.exporter_addr AND if(n.if_name = \'\', concat(\'#\', toString(n.if_index)), n.if_name) = e.if_key'))
LAYOUT(COMPLEX_KEY_RANGE_HASHED()) RANGE(MIN valid_from MAX valid_to) LIFETIME(MIN 30 MAX 60);
