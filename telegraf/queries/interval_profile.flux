// Run it: influx query --org plant --file interval_profile.flux
// Load profile of the last day, as the plugin computed it at the boundaries of interval_energy: the time is the end of
// the interval. quality_code 0 is complete, 1 partial (see coverage_pct), 2 a counter reset inside, 3 no data: then the
// energy is empty. Nothing is estimated.
from(bucket: "power")
  |> range(start: -1d)
  |> filter(fn: (r) => r._measurement == "powermonitor_500_interval")
  |> filter(fn: (r) => r._field == "active_import_wh" or r._field == "active_power_avg_w"
      or r._field == "coverage_pct" or r._field == "quality_code")
  |> pivot(rowKey: ["_time", "meter"], columnKey: ["_field"], valueColumn: "_value")
  |> keep(columns: ["_time", "meter", "active_import_wh", "active_power_avg_w", "coverage_pct", "quality_code"])
  |> group()
  |> sort(columns: ["meter", "_time"])
