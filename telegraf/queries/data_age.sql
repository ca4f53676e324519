-- Run it: influxdb3 query --database power --file data_age.sql
-- Age of the newest realtime values at each meter's last status line, and the time of that line. A time that is long ago
-- means that the plugin or Telegraf is down.
SELECT
  meter,
  max(time) AS time,
  last_value(realtime_age_ms ORDER BY time) / 1000.0 AS age_s
FROM powermonitor_500_status
WHERE time >= now() - INTERVAL '1 day' AND realtime_age_ms IS NOT NULL
GROUP BY meter
ORDER BY meter
