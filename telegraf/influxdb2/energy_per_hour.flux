// Task: keeps the energy of each hour and meter, in kWh, in the bucket "power_long", as powermonitor_500_energy_per_hour
// with the start of the hour. The same sums as queries/energy_per_hour.flux: covered_s says how much time they belong to.
//   influx task create --file energy_per_hour.flux
import "date"

option task = {name: "PowerMonitor 500: energy per hour", every: 1h, offset: 5m}

hour = date.sub(d: 1h, from: date.truncate(t: now(), unit: 1h))
// The plugin reads energy on the full minute; a reading of 11:00:00.02 closes the hour.
first = date.add(d: 1s, to: hour)

from(bucket: "power")
  // A day more, for the last reading before the hour.
  |> range(start: date.sub(d: 1d, from: first), stop: date.add(d: 1h, to: first))
  |> filter(fn: (r) => r._measurement == "powermonitor_500_energy" and r._field == "active_import_wh")
  |> group(columns: ["meter"])
  |> sort(columns: ["_time"])
  |> duplicate(column: "_time", as: "read_ns")
  |> map(fn: (r) => ({r with read_ns: int(v: r._time)}))
  |> difference(columns: ["_value", "read_ns"])
  |> filter(fn: (r) => r._value >= 0 and r._time >= first)
  |> reduce(
      identity: {kwh: 0.0, covered_s: 0.0},
      fn: (r, accumulator) => ({
        kwh: accumulator.kwh + float(v: r._value) / 1000.0,
        covered_s: accumulator.covered_s + float(v: r.read_ns) / 1000000000.0,
      }),
  )
  |> map(fn: (r) => ({
      meter: r.meter,
      _time: hour,
      _measurement: "powermonitor_500_energy_per_hour",
      kwh: r.kwh,
      covered_s: r.covered_s,
  }))
  |> to(bucket: "power_long", tagColumns: ["meter"], fieldFn: (r) => ({kwh: r.kwh, covered_s: r.covered_s}))
