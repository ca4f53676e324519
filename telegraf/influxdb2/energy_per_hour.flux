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
  |> filter(fn: (r) => r._measurement == "powermonitor_500_energy")
  |> filter(fn: (r) => r._field == "active_import_wh" or r._field == "counting_since_ms")
  |> pivot(rowKey: ["_time", "meter"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.active_import_wh)
  |> group(columns: ["meter"])
  |> sort(columns: ["_time"])
  |> map(fn: (r) => ({
      meter: r.meter,
      _time: r._time,
      step: r.active_import_wh,
      span: int(v: r._time),
      moved: if exists r.counting_since_ms then r.counting_since_ms else 0,
  }))
  |> difference(columns: ["step", "span", "moved"])
  |> filter(fn: (r) => r.moved == 0 and r.step >= -100 and r._time >= first)
  |> reduce(
      identity: {kwh: 0.0, covered_s: 0.0},
      fn: (r, accumulator) => ({
        kwh: accumulator.kwh + float(v: r.step) / 1000.0,
        covered_s: accumulator.covered_s + float(v: r.span) / 1000000000.0,
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
