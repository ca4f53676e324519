// Task: keeps the mean of each realtime value, quarter of an hour and meter in the bucket "power_long", as
// powermonitor_500_mean_per_quarter with the start of the quarter. Names of fields stay.
//   influx task create --file mean_per_quarter.flux
import "date"

option task = {name: "PowerMonitor 500: mean per quarter", every: 15m, offset: 1m}

quarter = date.sub(d: 15m, from: date.truncate(t: now(), unit: 15m))

from(bucket: "power")
  |> range(start: quarter, stop: date.add(d: 15m, to: quarter))
  |> filter(fn: (r) => r._measurement == "powermonitor_500")
  |> group(columns: ["meter", "_field"])
  |> mean()
  |> map(fn: (r) => ({r with _time: quarter, _measurement: "powermonitor_500_mean_per_quarter"}))
  |> to(bucket: "power_long", tagColumns: ["meter"])
