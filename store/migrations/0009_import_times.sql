-- When the flows of an archive came in: they are kept as long from then on as live flows are from their
-- reception, for which it stays 0, as in rows from before this column. A table of one value takes next
-- to no room. In the rollups it is no part of the key: the source is, so that imported and live rows
-- are never added up into one.

ALTER TABLE flows ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER implausible;

ALTER TABLE flows_1m ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1m_in ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1m_out ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_in ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_out ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

ALTER TABLE flows_1h_path ADD COLUMN IF NOT EXISTS time_imported DateTime('UTC') CODEC(ZSTD(1)) AFTER bytes_sq;

-- The TTL is store/ttl.go's: it takes the days from the settings.

ALTER TABLE flows_1h_of_1m MODIFY QUERY
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, out_if, src_as, dst_as, etype, proto, flow_direction, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m
GROUP BY ALL;

ALTER TABLE flows_1m_in_of_1m MODIFY QUERY
SELECT time, exporter_addr, in_if, src_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m
GROUP BY ALL;

ALTER TABLE flows_1m_out_of_1m MODIFY QUERY
SELECT time, exporter_addr, out_if, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m
GROUP BY ALL;

ALTER TABLE flows_1h_in_of_1m MODIFY QUERY
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, src_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m
GROUP BY ALL;

ALTER TABLE flows_1h_out_of_1m MODIFY QUERY
SELECT toStartOfHour(time) AS time, exporter_addr, out_if, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m
GROUP BY ALL;

ALTER TABLE flows_1h_path_of_1m MODIFY QUERY
SELECT toStartOfHour(time) AS time, exporter_addr, in_if, out_if, src_as, dst_as, sampling_rate, collector, source,
    sum(bytes) AS bytes, sum(packets) AS packets, sum(flows) AS flows, sum(bytes_sq) AS bytes_sq, max(time_imported) AS time_imported
FROM flows_1m
GROUP BY ALL;
