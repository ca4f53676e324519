-- Run it: influxdb3 query --database power --file demand.sql
-- Demand of the last day: mean power of each quarter of an hour, in W, and in percent of a limit. Replace 50000 by your
-- limit in W. The mean is one of samples, so look at "samples" before you trust a quarter with a gap in it;
-- interval_profile has the power that follows from the energy counter.
SELECT
  meter,
  date_bin(INTERVAL '15 minutes', time) AS time,
  avg(active_power_total_w) AS demand_w,
  avg(active_power_total_w) / 50000.0 * 100.0 AS limit_pct,
  count(active_power_total_w) AS samples
FROM powermonitor_500
WHERE time >= now() - INTERVAL '1 day'
GROUP BY 1, 2
ORDER BY 1, 2
