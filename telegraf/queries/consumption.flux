// Run it: influx query --org plant --file consumption.flux
// Energy per meter, in kWh, of the last 30 days.
//
// Sums the counter's steps and leaves out those over which its level moved without consumption (counting_since_ms
// changes: a reset, a rollover, a jump, the return from one, another meter). A step back by up to 100 Wh is noise of
// the meter. covered_s says how much time the energy belongs to.
from(bucket: "power")
  |> range(start: -30d)
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
  |> filter(fn: (r) => r.moved == 0 and r.step >= -100)
  |> reduce(
      identity: {kwh: 0.0, covered_s: 0.0},
      fn: (r, accumulator) => ({
        kwh: accumulator.kwh + float(v: r.step) / 1000.0,
        covered_s: accumulator.covered_s + float(v: r.span) / 1000000000.0,
      }),
  )
  |> keep(columns: ["meter", "kwh", "covered_s"])
  |> group()
