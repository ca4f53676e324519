// Run it: influx query --org plant --file meters_down.flux
// Meters that are down, by their last status line of the last 5 minutes. A meter without any line is not listed: then
// the plugin or Telegraf is down, which data_age shows.
from(bucket: "power")
  |> range(start: -5m)
  |> filter(fn: (r) => r._measurement == "powermonitor_500_status")
  |> filter(fn: (r) => r._field == "up" or r._field == "result")
  |> last()
  |> pivot(rowKey: ["_time", "meter"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => r.up == 0)
  |> keep(columns: ["_time", "meter", "up", "result"])
  |> group()
