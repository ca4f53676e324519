// Run it: influx query --org plant --file energy_per_hour.flux
// Energy per hour and meter, in kWh, of the last day.
//
// Sums the counter's steps, so that no energy is lost at the edges of an hour, and leaves out those over which its
// level moved without consumption (counting_since_ms changes: a reset, a rollover, a jump, the return from one,
// another meter). A step back by up to 100 Wh is noise of the meter. covered_s says how much time the energy belongs
// to: 3600 when all is well, less where data is missing or the level moved, more where the steps begin before the hour
// (a gap: its energy comes in the hour in which the data returned, because nobody knows when it was used).
// The plugin reads energy on the full minute; the offset of 1s lets a reading of 11:00:00.02 close the hour.
from(bucket: "power")
  |> range(start: -1d)
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
  |> window(every: 1h, offset: 1s)
  |> reduce(
      identity: {kwh: 0.0, covered_s: 0.0},
      fn: (r, accumulator) => ({
        kwh: accumulator.kwh + float(v: r.step) / 1000.0,
        covered_s: accumulator.covered_s + float(v: r.span) / 1000000000.0,
      }),
  )
  |> duplicate(column: "_start", as: "_time")
  |> keep(columns: ["meter", "_time", "kwh", "covered_s"])
  |> group()
