// Run it: influx query --org plant --file energy_per_hour.flux
// Energy per hour and meter, in kWh, of the last day.
//
// Sums the counter's steps, so that no energy is lost at the edges of an hour, and leaves out the step backwards of a
// counter reset or rollover. covered_s says how much time the energy belongs to: 3600 when all is well, less where
// data is missing or the counter was reset, more where the steps begin before the hour (a gap: its energy comes in
// the hour in which the data returned, because nobody knows when it was used).
// The plugin reads energy on the full minute; the offset of 1s lets a reading of 11:00:00.02 close the hour.
from(bucket: "power")
  |> range(start: -1d)
  |> filter(fn: (r) => r._measurement == "powermonitor_500_energy" and r._field == "active_import_wh")
  |> group(columns: ["meter"])
  |> sort(columns: ["_time"])
  |> duplicate(column: "_time", as: "read_ns")
  |> map(fn: (r) => ({r with read_ns: int(v: r._time)}))
  |> difference(columns: ["_value", "read_ns"])
  |> filter(fn: (r) => r._value >= 0)
  |> window(every: 1h, offset: 1s)
  |> reduce(
      identity: {kwh: 0.0, covered_s: 0.0},
      fn: (r, accumulator) => ({
        kwh: accumulator.kwh + float(v: r._value) / 1000.0,
        covered_s: accumulator.covered_s + float(v: r.read_ns) / 1000000000.0,
      }),
  )
  |> duplicate(column: "_start", as: "_time")
  |> keep(columns: ["meter", "_time", "kwh", "covered_s"])
  |> group()
