-- Run it: influxdb3 query --database power --file counter_resets.sql
-- Counters that fell in the last 30 days: when, which, from where to where. Energy between the last reading before and
-- the first one after is not known.
SELECT meter, time, field, before, after
FROM powermonitor_500_event
WHERE event IN ('counter_reset', 'counter_rollover') AND time >= now() - INTERVAL '30 days'
ORDER BY time, meter
