// Run it: influx query --org plant --file consumption.flux
// Energy per meter, in kWh, of the last 30 days.
//
// Sums the counter's steps and leaves out the step backwards of a counter reset or rollover. covered_s says how much
// time the energy belongs to.
from(bucket: "power")
  |> range(start: -30d)
  |> filter(fn: (r) => r._measurement == "powermonitor_500_energy" and r._field == "active_import_wh")
  |> group(columns: ["meter"])
  |> sort(columns: ["_time"])
  |> duplicate(column: "_time", as: "read_ns")
  |> map(fn: (r) => ({r with read_ns: int(v: r._time)}))
  |> difference(columns: ["_value", "read_ns"])
  |> filter(fn: (r) => r._value >= 0)
  |> reduce(
      identity: {kwh: 0.0, covered_s: 0.0},
      fn: (r, accumulator) => ({
        kwh: accumulator.kwh + float(v: r._value) / 1000.0,
        covered_s: accumulator.covered_s + float(v: r.read_ns) / 1000000000.0,
      }),
  )
  |> keep(columns: ["meter", "kwh", "covered_s"])
  |> group()
