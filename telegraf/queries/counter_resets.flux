// Run it: influx query --org plant --file counter_resets.flux
// Counters whose level moved in the last 30 days: when, which, from where to where, and what it was (event). Energy between
// the last reading before and the first one after is not known.
from(bucket: "power")
  |> range(start: -30d)
  |> filter(fn: (r) => r._measurement == "powermonitor_500_event")
  |> filter(fn: (r) => r.event =~ /^counter_(reset|rollover|jumped|returned)$/)
  |> filter(fn: (r) => r._field == "field" or r._field == "before" or r._field == "after")
  |> pivot(rowKey: ["_time", "meter", "event"], columnKey: ["_field"], valueColumn: "_value")
  |> keep(columns: ["_time", "meter", "event", "field", "before", "after"])
  |> group()
  |> sort(columns: ["_time"])
