-- Run it: influxdb3 query --database power --file counter_resets.sql
-- Counters whose level moved in the last 30 days: when, which, from where to where, and what it was (event). Energy between
-- the last reading before and the first one after is not known.
SELECT meter, time, event, field, before, after
FROM powermonitor_500_event
WHERE event IN ('counter_reset', 'counter_rollover', 'counter_jumped', 'counter_returned')
  AND time >= now() - INTERVAL '30 days'
ORDER BY time, meter
