// Run it: influx query --org plant --file unbalance.flux
// Unbalance of the last day, per quarter of an hour, in percent: the largest deviation of a phase from the average of
// the three (NEMA MG 1), of the mean values. Quarters whose average current is 1 A or less are left out: without a load
// it means nothing.
abs = (x) => if x < 0.0 then 0.0 - x else x
larger = (a, b) => if a > b then a else b
largest = (a, b, c, of) => larger(a: larger(a: abs(x: a - of), b: abs(x: b - of)), b: abs(x: c - of)) / of * 100.0

from(bucket: "power")
  |> range(start: -1d)
  |> filter(fn: (r) => r._measurement == "powermonitor_500")
  |> filter(fn: (r) => r._field =~ /^(voltage_l[123]_n_v|current_l[123]_a)$/)
  |> group(columns: ["meter", "_field"])
  |> window(every: 15m)
  |> mean()
  |> group(columns: ["meter"])
  |> pivot(rowKey: ["_start"], columnKey: ["_field"], valueColumn: "_value")
  |> map(fn: (r) => ({r with
      v: (r.voltage_l1_n_v + r.voltage_l2_n_v + r.voltage_l3_n_v) / 3.0,
      i: (r.current_l1_a + r.current_l2_a + r.current_l3_a) / 3.0,
  }))
  |> filter(fn: (r) => r.i > 1.0)
  |> map(fn: (r) => ({
      meter: r.meter,
      _time: r._start,
      voltage_pct: largest(a: r.voltage_l1_n_v, b: r.voltage_l2_n_v, c: r.voltage_l3_n_v, of: r.v),
      current_pct: largest(a: r.current_l1_a, b: r.current_l2_a, c: r.current_l3_a, of: r.i),
  }))
  |> group()
