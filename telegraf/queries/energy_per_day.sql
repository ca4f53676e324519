-- Run it: influxdb3 query --database power --file energy_per_day.sql
-- Energy per day and meter, in kWh, of the last 30 days.
--
-- Sums the counter's steps, so that no energy is lost at the edges of a day, and leaves out those over which its level
-- moved without consumption (counting_since_ms changes: a reset, a rollover, a jump, the return from one, another
-- meter). A step back by up to 100 Wh is noise of the meter. covered_s says how much time the energy belongs to: 86400
-- when all is well, less where data is missing or the level moved, more where the steps begin before the day (a gap:
-- its energy comes in the day in which the data returned, because nobody knows when it was used).
-- Days are UTC.
-- The plugin reads energy on the full minute; the second that is taken off lets a reading of 00:00:00.02 close the
-- day.
SELECT
  meter,
  date_bin(INTERVAL '1 day', time - INTERVAL '1 second') AS time,
  sum(step) / 1000.0 AS kwh,
  sum(span_s) AS covered_s
FROM (
  SELECT
    meter,
    time,
    active_import_wh - lag(active_import_wh) OVER reading AS step,
    coalesce(counting_since_ms, 0) - coalesce(lag(counting_since_ms) OVER reading, 0) AS moved,
    (CAST(time AS BIGINT) - CAST(lag(time) OVER reading AS BIGINT)) / 1e9 AS span_s
  FROM powermonitor_500_energy
  WHERE time >= now() - INTERVAL '30 days' AND active_import_wh IS NOT NULL
  WINDOW reading AS (PARTITION BY meter ORDER BY time)
) AS steps
WHERE moved = 0 AND step >= -100
GROUP BY 1, 2
ORDER BY 1, 2
