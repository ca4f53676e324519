// Run it: influx query --org plant --file demand.flux
// Demand of the last day: mean power of each quarter of an hour, in W, and in percent of a limit. Replace 50000 by your
// limit in W. The mean is one of samples, so look at "samples" before you trust a quarter with a gap in it;
// interval_profile has the power that follows from the energy counter.
from(bucket: "power")
  |> range(start: -1d)
  |> filter(fn: (r) => r._measurement == "powermonitor_500" and r._field == "active_power_total_w")
  |> group(columns: ["meter"])
  |> window(every: 15m)
  |> reduce(
      identity: {sum: 0.0, samples: 0.0},
      fn: (r, accumulator) => ({sum: accumulator.sum + r._value, samples: accumulator.samples + 1.0}),
  )
  |> map(fn: (r) => ({
      meter: r.meter,
      _time: r._start,
      demand_w: r.sum / r.samples,
      limit_pct: r.sum / r.samples / 50000.0 * 100.0,
      samples: r.samples,
  }))
  |> group()
