-- Records with counters that no network can have carried are marked as they come in (decoder.Plausibility).
-- Rows from before, and those that others insert, are judged by their own counters alone: 2^53 octets or
-- packets, multiplied by the sampling rate, are too many.
--
-- What is multiplied becomes Float64: sums of UInt64 wrap at 2^64. Each number up to 2^53 is exact in it.

ALTER TABLE flows ADD COLUMN IF NOT EXISTS implausible UInt8 DEFAULT greatest(bytes, packets) > intDiv(9007199254740992, greatest(sampling_rate, 1)) CODEC(ZSTD(1)) AFTER mpls_labels,
    MODIFY COLUMN bytes_scaled Float64 ALIAS if(implausible, 0, toFloat64(bytes) * sampling_rate),
    MODIFY COLUMN packets_scaled Float64 ALIAS if(implausible, 0, toFloat64(packets) * sampling_rate);

ALTER TABLE flows_1m MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1m_in MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1m_out MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_in MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_out MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;

ALTER TABLE flows_1h_path MODIFY COLUMN bytes_scaled Float64 ALIAS toFloat64(bytes) * sampling_rate,
    MODIFY COLUMN packets_scaled Float64 ALIAS toFloat64(packets) * sampling_rate;
