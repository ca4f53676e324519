-- Run it: influxdb3 query --database power --file consumption.sql
-- Energy per meter, in kWh, of the last 30 days.
--
-- Sums the counter's steps and leaves out the step backwards of a counter reset or rollover. covered_s says how much
-- time the energy belongs to, resets how many steps were left out.
SELECT
  meter,
  sum(CASE WHEN step >= 0 THEN step END) / 1000.0 AS kwh,
  sum(CASE WHEN step >= 0 THEN span_s END) AS covered_s,
  sum(CASE WHEN step < 0 THEN 1 ELSE 0 END) AS resets
FROM (
  SELECT
    meter,
    active_import_wh - lag(active_import_wh) OVER reading AS step,
    (CAST(time AS BIGINT) - CAST(lag(time) OVER reading AS BIGINT)) / 1e9 AS span_s
  FROM powermonitor_500_energy
  WHERE time >= now() - INTERVAL '30 days'
  WINDOW reading AS (PARTITION BY meter ORDER BY time)
) AS steps
GROUP BY meter
ORDER BY meter
