-- Run it: influxdb3 query --database power --file interval_profile.sql
-- Load profile of the last day, as the plugin computed it at the boundaries of interval_energy: the time is the end of
-- the interval. quality_code 0 is complete, 1 partial (see coverage_pct), 2 a counter reset inside, 3 no data: then the
-- energy is null. Nothing is estimated.
SELECT meter, time, active_import_wh, active_power_avg_w, coverage_pct, quality_code
FROM powermonitor_500_interval
WHERE time >= now() - INTERVAL '1 day'
ORDER BY meter, time
