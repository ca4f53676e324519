//! What bills may rely on, on a clock of the test's own.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const PERIOD: i64 = 15 * MINUTE;
/// 2027-01-15 08:00:00 UTC.
const START: i64 = 1_800_000_000_000;
const HOUR: i64 = 60 * MINUTE;

fn profile() -> LoadProfile {
    LoadProfile::new(Duration::from_secs(900), None)
}

/// A meter whose import counter runs at 4 kWh per hour, and whose other counters rise as well.
fn at(time: i64) -> Reading {
    let wh = (time - START) / 900 + 1_000_000;
    Reading { at: time, counters: [Some(wh), Some(77), Some(wh / 3), Some(5)], moved: [false; 4] }
}

fn feed(profile: &mut LoadProfile, times: impl IntoIterator<Item = i64>) -> Vec<Interval> {
    times.into_iter().flat_map(|time| profile.read(at(START + time))).collect()
}

fn shape(intervals: &[Interval]) -> Vec<(i64, i64, Option<i64>)> {
    let shape = |i: &Interval| ((i.end - START) / MINUTE, i.quality.code(), i.energy[0]);
    intervals.iter().map(shape).collect()
}

#[test]
fn an_undisturbed_interval_is_complete_and_is_the_difference_at_its_boundaries() {
    let ended = feed(&mut profile(), (0..=30).map(|minute| minute * MINUTE + 20));
    assert_eq!(shape(&ended), [(15, 0, Some(1000)), (30, 0, Some(1000))]);
    let Interval { start_offset, end_offset, mean_power, coverage, length, .. } = ended[0];
    assert_eq!((start_offset, end_offset, mean_power, length), (20, 20, Some(4000.0), PERIOD));
    assert_eq!(coverage, 99.996);
}

#[test]
fn a_gap_inside_an_interval_costs_nothing() {
    let ended = feed(&mut profile(), [0, MINUTE, 14 * MINUTE, PERIOD]);
    assert_eq!(shape(&ended), [(15, 0, Some(1000))]);
    assert_eq!(ended[0].coverage, 100.0);
}

#[test]
fn a_missed_boundary_takes_the_nearer_reading_and_labels_both_intervals() {
    // 3 minutes before and 1 minute after the boundary.
    let ended = feed(&mut profile(), [0, 12 * MINUTE, 16 * MINUTE, 2 * PERIOD]);
    assert_eq!(shape(&ended), [(15, 1, Some(1066)), (30, 1, Some(934))]);
    assert_eq!((ended[0].end_offset, ended[1].start_offset), (MINUTE, MINUTE));
    assert_eq!((ended[0].coverage, ended[1].coverage), (93.75, 93.333));
    assert!(ended.iter().all(|interval| (interval.mean_power.unwrap() - 4000.0).abs() < 4.0));
}

#[test]
fn a_long_gap_leaves_empty_intervals_and_one_that_says_how_far_it_reaches() {
    let ended = feed(&mut profile(), [0, 3 * MINUTE, 82 * MINUTE, 90 * MINUTE]);
    let [first, _, whole, .., last] = ended[..] else { panic!("{ended:?}") };
    let expected = [
        (15, 1, Some(200)),
        (30, 3, None),
        (45, 1, Some(5266)),
        (60, 3, None),
        (75, 3, None),
        (90, 1, Some(534)),
    ];
    assert_eq!(shape(&ended), expected);
    assert_eq!((first.coverage, last.coverage), (20.0, 53.333));
    assert_eq!((whole.start_offset, whole.end_offset), (-27 * MINUTE, 37 * MINUTE));
    // The energy of 79 minutes in one interval is no peak of power.
    assert!((whole.mean_power.unwrap() - 4000.0).abs() < 1.0 && whole.coverage < 20.0, "{whole:?}");
    assert_eq!(expected.iter().filter_map(|(.., wh)| *wh).sum::<i64>(), 6000);
}

#[test]
fn a_reset_keeps_what_was_seen_and_leaves_out_what_was_not() {
    let mut profile = profile();
    let mut ended = feed(&mut profile, [0, 5 * MINUTE]);
    let low =
        |time, wh| Reading { at: START + time, counters: [Some(wh), Some(77), Some(2), Some(5)], ..at(0) };
    for reading in [low(6 * MINUTE, 10), low(PERIOD, 610), low(2 * PERIOD, 1610)] {
        ended.extend(profile.read(reading));
    }
    assert_eq!(shape(&ended), [(15, 2, Some(333 + 600)), (30, 0, Some(1000))]);
    assert_eq!(ended[0].coverage, 93.333);
    assert_eq!(ended[0].mean_power, Some(rounded(933.0 * 3600.0 / 840.0)));
}

#[test]
fn a_level_that_was_doubted_before_it_moved_leaves_a_mean_power_of_what_is_known() {
    let mut profile = profile();
    feed(&mut profile, [0, 5 * MINUTE]);
    // At 6 min the counter fell and was held, at 7 min a second reading agrees.
    let held = Reading { at: START + 6 * MINUTE, counters: [None, Some(77), Some(2), Some(5)], ..at(0) };
    let low =
        |time, wh| Reading { at: START + time, counters: [Some(wh), Some(77), Some(2), Some(5)], ..at(0) };
    profile.read(held);
    profile.read(Reading { moved: [true, false, false, false], ..low(7 * MINUTE, 130) });
    let ended = profile.read(low(PERIOD, 130 + 533));
    assert_eq!(shape(&ended), [(15, 2, Some(333 + 533))]);
    // 13 of 15 minutes.
    let mean = ended[0].mean_power.unwrap();
    assert!((mean - 4000.0).abs() < 5.0, "{mean}");
    assert_eq!(ended[0].coverage, 86.667);
}

#[test]
fn another_meter_adds_no_difference_even_when_its_counters_are_higher() {
    let mut profile = profile();
    feed(&mut profile, [0, 5 * MINUTE]);
    profile.began_anew();
    let other =
        |time| Reading { counters: at(START + time).counters.map(|c| c.map(|c| c * 9)), ..at(START + time) };
    let mut ended = profile.read(other(7 * MINUTE));
    ended.extend(profile.read(other(PERIOD)));
    assert_eq!(shape(&ended), [(15, 2, Some(333 + 4806))]);
}

#[test]
fn a_counter_that_the_meter_does_not_give_is_absent_and_one_that_fails_once_is_labeled() {
    let mut profile = profile();
    let without = |time: i64| Reading { counters: [at(time).counters[0], None, None, None], ..at(time) };
    profile.read(without(START));
    let ended = profile.read(without(START + PERIOD));
    assert_eq!((shape(&ended), ended[0].energy[1..].to_vec()), (vec![(15, 0, Some(1000))], vec![None; 3]));
    let mut ended = profile.read(Reading { at: START + 2 * PERIOD, counters: [None; 4], ..at(0) });
    ended.extend(profile.read(without(START + 3 * PERIOD)));
    assert_eq!(shape(&ended), [(30, 1, Some(0)), (45, 1, Some(2000))]);
}

#[test]
fn a_restart_continues_the_interval_and_another_period_writes_no_boundary_twice() {
    let through_the_file = |profile: &LoadProfile| {
        let text = serde_json::to_string(profile.running().unwrap()).unwrap();
        serde_json::from_str::<Running>(&text).unwrap()
    };
    let mut first = profile();
    let mut ended = feed(&mut first, [0, PERIOD, 20 * MINUTE]);
    let mut second = LoadProfile::new(Duration::from_secs(900), Some(through_the_file(&first)));
    ended.extend(feed(&mut second, [2 * PERIOD]));
    assert_eq!(shape(&ended), [(15, 0, Some(1000)), (30, 0, Some(1000))]);
    let mut hourly = LoadProfile::new(Duration::from_secs(3600), Some(through_the_file(&second)));
    assert_eq!(shape(&feed(&mut hourly, [60 * MINUTE])), [(60, 1, Some(2000))]);
    let mut short = LoadProfile::new(Duration::from_secs(300), Some(through_the_file(&second)));
    assert_eq!(shape(&feed(&mut short, [35 * MINUTE])), [(35, 0, Some(333))]);
}

#[test]
fn a_state_file_that_was_garbled_costs_the_interval_and_no_more() {
    for odd in [
        r#"{"from": 9223372036854775807, "start": -9223372036854775808, "last": 5}"#,
        r#"{"from": 0, "start": 0, "last": 0, "counters": [-9223372036854775808, 1, 2, 3]}"#,
    ] {
        let running: Running = serde_json::from_str(odd).unwrap();
        let mut profile = LoadProfile::new(Duration::from_secs(900), Some(running));
        assert_eq!(shape(&feed(&mut profile, [0, PERIOD])), [(15, 0, Some(1000))]);
    }
}

#[test]
fn a_clock_set_forward_skips_intervals_that_never_were() {
    let mut profile = profile();
    feed(&mut profile, [0, 5 * MINUTE]);
    profile.clock_stepped(50 * MINUTE);
    // Five minutes of energy are known; ten more minutes pass until the boundary at 60.
    let reading = |time| Reading { at: START + time, ..at(START + time - 50 * MINUTE) };
    let ended = profile.read(reading(60 * MINUTE));
    assert_eq!(shape(&ended), [(60, 1, Some(666))]);
    assert_eq!((ended[0].start_offset, ended[0].end_offset), (5 * MINUTE, 0));
}

#[test]
fn a_clock_set_back_writes_no_interval_twice_and_loses_no_energy() {
    let mut profile = profile();
    let before = feed(&mut profile, [0, PERIOD]);
    profile.clock_stepped(-10 * MINUTE);
    // The wall clock shows 5 and runs through 15 again.
    let reading = |time| Reading { at: START + time, ..at(START + time + 10 * MINUTE) };
    let mut ended: Vec<_> =
        [PERIOD, 2 * PERIOD].into_iter().flat_map(|time| profile.read(reading(time))).collect();
    assert_eq!(shape(&before), [(15, 0, Some(1000))]);
    assert_eq!(shape(&ended), [(30, 1, Some(1666))]);
    assert_eq!(ended[0].start_offset, -10 * MINUTE);
    // A clock that was a year ahead does not silence the profile for a year.
    let year = 365 * 24 * 60 * MINUTE;
    profile.clock_stepped(-year);
    let reading = |time| Reading { at: START + time - year, ..at(START + time + 10 * MINUTE) };
    ended = profile.read(reading(3 * PERIOD));
    assert_eq!(shape(&ended), [((3 * PERIOD - year) / MINUTE, 0, Some(1000))]);
}

#[test]
fn a_clock_set_back_while_nobody_watched_keeps_the_energy_and_claims_no_power() {
    let mut profile = profile();
    feed(&mut profile, [0, PERIOD, 29 * MINUTE]);
    let ended = profile.read(Reading { at: START + 16 * MINUTE, ..at(START + 40 * MINUTE) });
    assert!(ended.is_empty());
    let ended = profile.read(Reading { at: START + 2 * PERIOD, ..at(START + 54 * MINUTE) });
    assert_eq!((shape(&ended), ended[0].mean_power), (vec![(30, 1, Some(2600))], None));
}

/// The profile after a restart, with the interval under way as the state file keeps it.
fn restarted(profile: &LoadProfile) -> LoadProfile {
    let text = serde_json::to_string(profile.running().unwrap()).unwrap();
    LoadProfile::new(Duration::from_secs(900), Some(serde_json::from_str(&text).unwrap()))
}

#[test]
fn a_clock_that_was_hours_ahead_at_the_start_silences_nothing_for_which_nothing_was_written() {
    for (restart, watched) in [(false, true), (true, true), (true, false)] {
        let mut profile = profile();
        // Eight hours ahead for eleven minutes: no boundary passes.
        feed(&mut profile, [8 * HOUR + MINUTE, 8 * HOUR + 12 * MINUTE]);
        if restart {
            profile = restarted(&profile);
        }
        if watched {
            profile.clock_stepped(-8 * HOUR);
        }
        if restart {
            profile = restarted(&profile);
        }
        let reading = |time| Reading { at: START + time, ..at(START + time + 8 * HOUR) };
        let ended: Vec<_> =
            [PERIOD, 2 * PERIOD].into_iter().flat_map(|time| profile.read(reading(time))).collect();
        let written: Vec<_> = ended.iter().map(|interval| interval.end - START).collect();
        assert_eq!(written, [PERIOD, 2 * PERIOD], "restart {restart}, watched {watched}");
        assert_eq!(ended[1].quality, Quality::Complete);
    }
}

#[test]
fn what_was_written_while_the_clock_was_ahead_is_not_written_again_when_that_time_comes() {
    let mut profile = profile();
    let ahead = feed(&mut profile, [2 * HOUR, 2 * HOUR + PERIOD, 2 * HOUR + 2 * PERIOD]);
    profile.clock_stepped(-2 * HOUR);
    profile = restarted(&profile);
    let reading =
        |quarter| Reading { at: START + quarter * PERIOD, ..at(START + quarter * PERIOD + 2 * HOUR) };
    let ended: Vec<_> = (3..=12).flat_map(|quarter| profile.read(reading(quarter))).collect();
    let quarters = |intervals: &[Interval]| -> Vec<i64> {
        intervals.iter().map(|interval| (interval.end - START) / PERIOD).collect()
    };
    assert_eq!((quarters(&ahead), quarters(&ended)), (vec![9, 10], vec![3, 4, 5, 6, 7, 8, 11, 12]));
    // The energy of the half hour that came again is in the interval after it, and labeled.
    assert_eq!(shape(&ended)[6..], [(165, 1, Some(3000)), (180, 0, Some(1000))]);
}

/// The clock is set by hours, there and back, and the plugin restarts: a boundary that passes has an interval, and no
/// boundary has two.
#[test]
fn wherever_the_clock_is_set_to_a_boundary_that_passes_has_one_interval() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut profile, mut now, mut counter) = (profile(), START + random.random_range(0..PERIOD), 500);
        let mut read = |profile: &mut LoadProfile, now: i64| {
            counter += random.random_range(1..50);
            profile.read(Reading { at: now, counters: [Some(counter), None, None, None], moved: [false; 4] })
        };
        let mut random = StdRng::seed_from_u64(seed + 1000);
        let mut written = BTreeSet::new();
        let mut sets = 0;
        read(&mut profile, now);
        for _ in 0..1500 {
            if sets < 7 && random.random_ratio(1, 150) {
                let by = random.random_range(-12 * HOUR..12 * HOUR);
                (now, sets) = (now + by, sets + 1);
                profile.clock_stepped(by);
            }
            if random.random_ratio(1, 40) {
                profile = restarted(&profile);
            }
            let before = now;
            now += random.random_range(50 * SECOND..70 * SECOND);
            for interval in read(&mut profile, now) {
                assert!(interval.end <= now && written.insert(interval.end), "seed {seed}: {interval:?}");
            }
            let passed = profile.floor(now);
            assert!(passed <= before || written.contains(&passed), "seed {seed}: nothing for {passed}");
        }
    }
}

/// Gaps, jitter, resets, swaps, restarts and clock steps at random: every boundary at most once, and what the intervals
/// hold is what the counters rose, watt-hour by watt-hour.
#[test]
fn whatever_happens_the_intervals_add_up_to_what_the_counters_rose() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let period = [60, 300, 900, 1200, 3600][random.random_range(0..5)];
        let mut profile = LoadProfile::new(Duration::from_secs(period), None);
        let (mut now, mut counters) = (START + random.random_range(0..PERIOD), [500, 0, 90, 7i64]);
        let (mut rose, mut held) = ([0i64; 4], [0i64; 4]);
        let mut written = BTreeSet::new();
        profile.read(Reading { at: now, counters: counters.map(Some), moved: [false; 4] });
        for _ in 0..400 {
            // Mostly a reading a minute, sometimes hours of nothing.
            now += if random.random_ratio(1, 20) {
                random.random_range(MINUTE..5 * PERIOD)
            } else {
                random.random_range(50 * SECOND..70 * SECOND)
            };
            let before = counters;
            counters = counters.map(|counter| counter + random.random_range(0..50));
            let event = random.random_range(0..60);
            match event {
                0 => counters = [0, 0, 0, 0],
                1 => {
                    profile.began_anew();
                    counters = counters.map(|counter| counter + 10_000);
                }
                2 => profile = LoadProfile::new(Duration::from_secs(period), profile.running().cloned()),
                3 => {
                    let step = random.random_range(-20 * MINUTE..20 * MINUTE);
                    now += step;
                    profile.clock_stepped(step);
                }
                _ => {}
            }
            if event != 1 {
                let rises = before.iter().zip(counters).map(|(before, now)| (now - before).max(0));
                rose.iter_mut().zip(rises).for_each(|(rose, rise)| *rose += rise);
            }
            for interval in profile.read(Reading { at: now, counters: counters.map(Some), moved: [false; 4] })
            {
                assert!(interval.end <= now && written.insert(interval.end), "seed {seed}: {interval:?}");
                assert!((0.0..=100.0).contains(&interval.coverage), "seed {seed}: {interval:?}");
                let energy = interval.energy.map(|energy| energy.unwrap_or(0));
                held.iter_mut().zip(energy).for_each(|(held, energy)| *held += energy);
                let known = interval.energy.iter().all(Option::is_some);
                assert_eq!(known, interval.quality != Quality::None, "seed {seed}: {interval:?}");
            }
            let under_way = profile.running().unwrap().sums.map(|sum| sum.unwrap_or(0));
            let total: Vec<i64> = held.iter().zip(under_way).map(|(held, sum)| held + sum).collect();
            assert_eq!(total, rose, "seed {seed}");
        }
    }
}
