-- Run it: influxdb3 query --database power --file consumption.sql
-- Energy per meter, in kWh, of the last 30 days.
--
-- Sums the counter's steps and leaves out those over which its level moved without consumption (counting_since_ms
-- changes: a reset, a rollover, a jump, the return from one, another meter). A step back by up to 100 Wh is noise of
-- the meter. covered_s says how much time the energy belongs to, resets how many steps were left out.
SELECT
  meter,
  sum(CASE WHEN moved = 0 AND step >= -100 THEN step END) / 1000.0 AS kwh,
  sum(CASE WHEN moved = 0 AND step >= -100 THEN span_s END) AS covered_s,
  sum(CASE WHEN moved <> 0 OR step < -100 THEN 1 ELSE 0 END) AS resets
FROM (
  SELECT
    meter,
    active_import_wh - lag(active_import_wh) OVER reading AS step,
    coalesce(counting_since_ms, 0) - coalesce(lag(counting_since_ms) OVER reading, 0) AS moved,
    (CAST(time AS BIGINT) - CAST(lag(time) OVER reading AS BIGINT)) / 1e9 AS span_s
  FROM powermonitor_500_energy
  WHERE time >= now() - INTERVAL '30 days' AND active_import_wh IS NOT NULL
  WINDOW reading AS (PARTITION BY meter ORDER BY time)
) AS steps
GROUP BY meter
ORDER BY meter
