// Run it: influx query --org plant --file gaps.flux
// What was lost in the last 7 days, and why. A gap is written when data returns, with the time of its start: one that
// still lasts is not here yet, but meters_down tells.
from(bucket: "power")
  |> range(start: -7d)
  |> filter(fn: (r) => r._measurement == "powermonitor_500_event" and r.event == "gap")
  |> filter(fn: (r) => r._field == "table" or r._field == "duration_s" or r._field == "reason")
  |> pivot(rowKey: ["_time", "meter"], columnKey: ["_field"], valueColumn: "_value")
  |> keep(columns: ["_time", "meter", "table", "duration_s", "reason"])
  |> group()
  |> sort(columns: ["_time"])
