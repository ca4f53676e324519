-- Run it: influxdb3 query --database power --file gaps.sql
-- What was lost in the last 7 days, and why. A gap is written when data returns, with the time of its start: one that
-- still lasts is not here yet, but meters_down tells.
SELECT meter, time, "table", duration_s, reason
FROM powermonitor_500_event
WHERE event = 'gap' AND time >= now() - INTERVAL '7 days'
ORDER BY time, meter
