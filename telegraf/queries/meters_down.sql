-- Run it: influxdb3 query --database power --file meters_down.sql
-- Meters that are down, by their last status line of the last 5 minutes. A meter without any line is not listed: then
-- the plugin or Telegraf is down, which data_age shows.
SELECT meter, time, up, result
FROM (
  SELECT meter, time, up, result, row_number() OVER (PARTITION BY meter ORDER BY time DESC) AS place
  FROM powermonitor_500_status
  WHERE time >= now() - INTERVAL '5 minutes'
) AS status
WHERE place = 1 AND up = 0
ORDER BY meter
