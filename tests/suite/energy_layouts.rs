//! Assembly 107 solved by what moves and by one value from the display, over every layout, load and duration: right or
//! not proven, never wrong.

use telegraf_pm500::meter::element::{Form, Place};
use telegraf_pm500::verify::energy::motion::{COUNTERS, Settled, Shown, solve};
use telegraf_pm500::verify::energy::quantity::Power;
use telegraf_pm500::verify::energy::stored;
use telegraf_pm500::verify::energy::track::{Recording, Sample};

use crate::common::peer::scratch;
use crate::common::program::run;

/// How a hidden counter is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Write {
    Single,
    /// High half first, or last, in units of the modulus.
    Pair {
        modulus: u32,
        low_first: bool,
    },
    /// All high halves, then all low ones.
    Apart {
        modulus: u32,
    },
}

#[derive(Debug, Clone, Copy)]
struct Layout {
    write: Write,
    /// What a one is worth, in Wh.
    unit: u32,
    /// Which counter stands at each of nine places; 8 is the hours counter.
    order: [usize; 9],
    /// How often the REALs are brought up to date, in seconds.
    update: f64,
    partials_reset: bool,
    no_export: bool,
}

/// Where the simulated installation is at a time: energies since the beginning, in the order of the counters.
struct Load {
    name: &'static str,
    active: fn(f64) -> f64,
    reactive: fn(f64) -> f64,
}

const LOADS: [Load; 5] = [
    Load { name: "1 kW", active: |_| 1000.0, reactive: |_| 310.0 },
    Load { name: "50 kW", active: |_| 50_000.0, reactive: |_| 17_300.0 },
    Load {
        name: "varying",
        active: |t| 30_000.0 + 18_000.0 * (t / 37.0).sin() + 6_000.0 * (t / 211.0).sin(),
        reactive: |t| 9_000.0 + 5_000.0 * (t / 53.0).cos(),
    },
    Load {
        name: "with export",
        active: |t| if (t / 97.0).sin() > -0.2 { 24_000.0 } else { -15_000.0 },
        reactive: |t| 4_000.0 + 3_000.0 * (t / 71.0).sin(),
    },
    Load { name: "night", active: |_| 35.0, reactive: |_| -12.0 },
];

const DOCUMENTED: [usize; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const ORDERS: [[usize; 9]; 6] = [
    DOCUMENTED,
    [4, 5, 6, 7, 0, 1, 2, 3, 8],
    [1, 0, 3, 2, 5, 4, 7, 6, 8],
    [2, 3, 0, 1, 6, 7, 4, 5, 8],
    [0, 4, 1, 5, 2, 6, 3, 7, 8],
    [8, 0, 1, 2, 3, 4, 5, 6, 7],
];

/// What the counters have in the beginning: totals, then partials, as COUNTERS has them.
const BEFORE: [f64; 8] =
    [1_234_567_890.0, 345_678_901.0, 56_789_012.0, 6_789_012.0, 4_567_890.0, 1_678_901.0, 89_012.0, 9_012.0];

fn layouts() -> Vec<Layout> {
    let mut all = Vec::new();
    let writes = [
        Write::Single,
        Write::Pair { modulus: 1_000_000, low_first: false },
        Write::Pair { modulus: 1_000_000, low_first: true },
        Write::Pair { modulus: 10_000, low_first: false },
        Write::Apart { modulus: 1_000_000 },
    ];
    for write in writes {
        for unit in [1, 1_000, 1_000_000] {
            for order in ORDERS {
                for (update, partials_reset, no_export) in
                    [(0.0, false, false), (1.0, true, false), (60.0, false, true), (0.0, true, true)]
                {
                    all.push(Layout { write, unit, order, update, partials_reset, no_export });
                }
            }
        }
    }
    all
}

/// The counters at a time, by integrals in small steps.
fn counters(load: &Load, layout: &Layout, sums: &[f64; 4]) -> [f64; 8] {
    let _ = load;
    let mut now = [0.0; 8];
    for (n, slot) in now.iter_mut().enumerate() {
        // Total: +P, +Q, -P, -Q; the partial counters likewise.
        let exported = n % 4 >= 2;
        let before = match (layout.partials_reset && n >= 4, layout.no_export && exported) {
            (true, _) | (_, true) => 0.0,
            _ => BEFORE[n],
        };
        *slot = (before + sums[n % 4]).floor();
    }
    now
}

fn reals(layout: &Layout, counters: &[f64; 8], hours: f64) -> Vec<f64> {
    let value = |place: usize| match layout.order[place] {
        8 => hours,
        n => counters[n] / f64::from(layout.unit),
    };
    let mut reals = vec![0.0; 18];
    for place in 0..9 {
        match layout.write {
            Write::Single => reals[place] = value(place),
            Write::Pair { modulus, low_first } => {
                let high = (value(place) / f64::from(modulus)).floor();
                let low = value(place) - high * f64::from(modulus);
                let halves = if low_first { [low, high] } else { [high, low] };
                reals[2 * place..2 * place + 2].copy_from_slice(&halves);
            }
            Write::Apart { modulus } => {
                let high = (value(place) / f64::from(modulus)).floor();
                (reals[place], reals[place + 9]) = (high, value(place) - high * f64::from(modulus));
            }
        }
    }
    reals.into_iter().map(|real| f64::from(real as f32)).collect()
}

/// A recording of so many seconds, one reading per second, and what the display shows at its end.
fn recording(load: &Load, layout: &Layout, seconds: usize, every: usize) -> (Recording, [f64; 8]) {
    let mut recording = Recording::default();
    let mut sums = [0.0; 4];
    let mut shown = [0.0; 8];
    let mut stale: Option<(f64, Vec<f64>)> = None;
    for second in 0..=seconds {
        let at = second as f64;
        if second > 0 {
            for part in 0..10 {
                let t = at - 1.0 + (part as f64 + 0.5) / 10.0;
                let (p, q) = ((load.active)(t) / 36_000.0, (load.reactive)(t) / 36_000.0);
                sums[0] += p.max(0.0);
                sums[1] += q.max(0.0);
                sums[2] += (-p).max(0.0);
                sums[3] += (-q).max(0.0);
            }
        }
        shown = counters(load, layout, &sums);
        let fresh = stale.as_ref().is_none_or(|(from, _)| at - from >= layout.update);
        if fresh {
            stale = Some((at, reals(layout, &shown, 4321.0 + (at / 60.0).floor() / 60.0)));
        }
        if second % every == 0 {
            recording.samples.push(Sample { at, reals: stale.clone().unwrap().1 });
            recording.power.push(Power { at, active: (load.active)(at), reactive: (load.reactive)(at) });
        }
    }
    (recording, shown)
}

/// Whether a place reads a counter rightly whatever its value is.
fn truth(layout: &Layout, counter: usize) -> Place {
    let place = layout.order.iter().position(|n| *n == counter).unwrap() as u16;
    let (offset, form) = match layout.write {
        Write::Single => (4 * place, Form::Scaled(layout.unit)),
        Write::Pair { modulus, low_first } => {
            let (high, low_offset) =
                if low_first { (8 * place + 4, 8 * place) } else { (8 * place, 8 * place + 4) };
            (high, Form::Pair { low_offset, modulus, factor: layout.unit })
        }
        Write::Apart { modulus } => {
            (4 * place, Form::Pair { low_offset: 4 * (place + 9), modulus, factor: layout.unit })
        }
    };
    Place { instance: 107, offset, form }
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    right: usize,
    wrong: usize,
    open: usize,
}

fn tally(layout: &Layout, settled: &[Settled], wrong: &mut Vec<String>, what: &str) -> Tally {
    let mut tally = Tally::default();
    for (counter, settled) in settled.iter().enumerate() {
        match settled {
            Settled::Open(_) => tally.open += 1,
            Settled::At(place, _) if counter < 8 && *place == truth(layout, counter) => tally.right += 1,
            Settled::At(place, why) => {
                tally.wrong += 1;
                wrong.push(format!("{what}: {layout:?}: {} at {place:?}: {why}", COUNTERS[counter]));
            }
        }
    }
    tally
}

#[test]
fn a_counter_of_assembly_107_is_solved_rightly_or_not_at_all() {
    let mut wrong = Vec::new();
    println!(
        "{:12} {:>7}  {:28} {:28}",
        "load", "minutes", "without the display", "with active_import_wh from it"
    );
    for load in &LOADS {
        for minutes in [1, 10] {
            let (mut alone, mut with) = (Tally::default(), Tally::default());
            // Every fifth layout has each form, unit, order and state of the counters.
            for layout in layouts().into_iter().step_by(5) {
                let (recording, shown) = recording(load, &layout, minutes * 60, 1);
                let add = |sum: &mut Tally, more: Tally| {
                    *sum = Tally {
                        right: sum.right + more.right,
                        wrong: sum.wrong + more.wrong,
                        open: sum.open + more.open,
                    };
                };
                let what = format!("{}, {minutes} min", load.name);
                add(&mut alone, tally(&layout, &solve(&recording, &[]), &mut wrong, &what));
                // The display shows kWh with one decimal.
                let value = (shown[0] / 100.0).floor() * 100.0;
                let display = Shown { name: COUNTERS[0].to_owned(), value, grain: 100.0 };
                add(
                    &mut with,
                    tally(&layout, &solve(&recording, &[display]), &mut wrong, &format!("{what}, display")),
                );
            }
            let show = |t: Tally| format!("{} right, {} wrong, {} open", t.right, t.wrong, t.open);
            println!("{:12} {minutes:>7}  {:28} {:28}", load.name, show(alone), show(with));
        }
    }
    assert!(wrong.is_empty(), "{} wrong, such as {}", wrong.len(), wrong[..wrong.len().min(6)].join("\n"));
}

/// A recording as a database has it.
fn stored_lines(recording: &Recording) -> String {
    let mut text = String::new();
    for (sample, power) in recording.samples.iter().zip(&recording.power) {
        let at = 1_700_000_000_000_000_000 + (sample.at * 1e9) as i64;
        let fields: Vec<String> =
            sample.reals.iter().enumerate().map(|(n, real)| format!("e{n:02}={real}")).collect();
        text.push_str(&format!("powermonitor_500_raw,meter=m1 {} {at}\n", fields.join(",")));
        let Power { active, reactive, .. } = power;
        text.push_str(&format!(
            "powermonitor_500,host=h,meter=m1 active_power_total_w={active},reactive_power_total_var={reactive} {at}\n"
        ));
    }
    text
}

#[test]
fn an_hour_of_stored_lines_solves_the_same() {
    let layout = Layout {
        write: Write::Single,
        unit: 1000,
        order: DOCUMENTED,
        update: 1.0,
        partials_reset: false,
        no_export: false,
    };
    let load = LOADS.iter().find(|load| load.name == "varying").unwrap();
    let (recording, _) = recording(load, &layout, 3600, 10);
    let text = stored_lines(&recording);
    let read = stored::read(&text, None).unwrap();
    assert_eq!(read.samples.len(), recording.samples.len());
    let settled = solve(&read, &[]);
    for counter in [0, 1, 4, 5] {
        assert!(
            matches!(&settled[counter], Settled::At(place, _) if *place == truth(&layout, counter)),
            "{}: {:?}",
            COUNTERS[counter],
            settled[counter]
        );
    }
    let two = text.replace("meter=m1", "meter=m2") + &text;
    assert!(stored::read(&two, None).unwrap_err().to_string().contains("--meter"));
    assert_eq!(stored::read(&two, Some("m1")).unwrap(), read);
    assert!(stored::read("cpu usage=1 1\n", None).unwrap_err().to_string().contains("raw_energy"));
}

#[test]
fn stored_lines_become_counters_with_the_profile_that_they_solved() {
    let layout = Layout {
        write: Write::Single,
        unit: 1000,
        order: DOCUMENTED,
        update: 0.0,
        partials_reset: false,
        no_export: false,
    };
    let load = LOADS.iter().find(|load| load.name == "varying").unwrap();
    let (recording, last) = recording(load, &layout, 3600, 10);
    let directory = scratch("stored-energy");
    let (stored, profile) = (directory.join("stored.lp"), directory.join("solved.toml"));
    std::fs::write(&stored, stored_lines(&recording)).unwrap();
    let (stored, profile) = (stored.to_str().unwrap(), profile.to_str().unwrap());

    let solved = run(&["verify", "--from", stored, "--write-profile", profile]);
    assert_eq!(solved.code, Some(0), "{solved:?}");
    let counted = run(&["energy", "--from", stored, "--profile", profile]);
    assert_eq!(counted.code, Some(0), "{counted:?}");
    let lines = counted.lines();
    assert_eq!(lines.len(), recording.samples.len());
    for (line, sample) in lines.iter().zip(&recording.samples) {
        assert_eq!(
            (line.measurement.as_str(), line.tags["meter"].as_str()),
            ("powermonitor_500_energy", "m1")
        );
        assert_eq!(line.time, 1_700_000_000_000_000_000 + (sample.at * 1e9) as i64);
    }
    // One REAL of kWh steps by 125 Wh there.
    let line = lines.last().unwrap();
    let counter = line.integer("active_import_wh") as f64;
    assert!((counter - last[0]).abs() <= 125.0, "{counter} is not {}", last[0]);
    let mut names: Vec<&str> = line.fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    let settled = [
        "active_import_wh",
        "counting_since_ms",
        "partial_active_import_wh",
        "partial_reactive_import_varh",
        "reactive_import_varh",
    ];
    assert_eq!(names, settled, "what did not move is not proven");

    // `fields` tells the steps.
    let fields = run(&["fields", "--profile", profile]);
    assert!(fields.out.contains("REAL x 1000, steps of 1 to 1.6e7, 62.5 at 1e9"), "{}", fields.out);
}
