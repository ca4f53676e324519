-- Run it: influxdb3 query --database power --file unbalance.sql
-- Unbalance of the last day, per quarter of an hour, in percent: the largest deviation of a phase from the average of
-- the three (NEMA MG 1), of the mean values. Quarters whose average current is 1 A or less are left out: without a load
-- it means nothing.
SELECT
  meter,
  time,
  greatest(abs(v1 - v), abs(v2 - v), abs(v3 - v)) / v * 100.0 AS voltage_pct,
  greatest(abs(i1 - i), abs(i2 - i), abs(i3 - i)) / i * 100.0 AS current_pct
FROM (
  SELECT *, (v1 + v2 + v3) / 3.0 AS v, (i1 + i2 + i3) / 3.0 AS i
  FROM (
    SELECT
      meter,
      date_bin(INTERVAL '15 minutes', time) AS time,
      avg(voltage_l1_n_v) AS v1, avg(voltage_l2_n_v) AS v2, avg(voltage_l3_n_v) AS v3,
      avg(current_l1_a) AS i1, avg(current_l2_a) AS i2, avg(current_l3_a) AS i3
    FROM powermonitor_500
    WHERE time >= now() - INTERVAL '1 day'
    GROUP BY 1, 2
  ) AS means
) AS averages
WHERE i > 1.0
ORDER BY meter, time
