// Run it: influx query --org plant --file data_age.flux
// Age of the newest realtime values at each meter's last status line, and the time of that line. A time that is long ago
// means that the plugin or Telegraf is down.
from(bucket: "power")
  |> range(start: -1d)
  |> filter(fn: (r) => r._measurement == "powermonitor_500_status" and r._field == "realtime_age_ms")
  |> group(columns: ["meter"])
  |> sort(columns: ["_time"])
  |> last()
  |> map(fn: (r) => ({meter: r.meter, _time: r._time, age_s: float(v: r._value) / 1000.0}))
  |> group()
