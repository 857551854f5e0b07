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
