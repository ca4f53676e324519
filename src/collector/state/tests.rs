//! What an operator may rely on when the program, the host or the disk fails.

use super::*;
use crate::collector::history::counters::track::Track;

/// A day in ms.
const DAY: i64 = 24 * 3_600_000;

pub(super) fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("pm500-state-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("state.json")
}

fn now() -> i64 {
    crate::meter::reading::milliseconds(SystemTime::now())
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

/// The state of a process that reads these meters, and what was said about it.
fn open(path: &Path, meters: &[&str]) -> (State, String) {
    let (state, troubles) = State::open(path, &names(meters));
    (state, troubles.iter().map(|trouble| format!("{trouble}\n")).collect())
}

fn read_at(at: i64) -> Record {
    Record { last_read_ms: BTreeMap::from([("realtime".to_owned(), at)]), ..Record::default() }
}

/// Writes a file with these meters.
fn write(path: &Path, meters: &[(&str, Record)]) {
    let (state, said) = open(path, &[]);
    assert_eq!(said, "");
    meters.iter().for_each(|(meter, record)| state.remember(meter, record));
    assert!(state.finish(Duration::from_secs(60)).is_none());
}

#[test]
fn what_is_remembered_is_there_after_a_restart() {
    let path = scratch("restart");
    let (state, said) = open(&path, &["a"]);
    assert_eq!((said.as_str(), state.record("a")), ("", None));
    let counters = BTreeMap::from([("active_import_wh".to_owned(), 9_999_999_999_999)]);
    // A number that JSON readers without enough digits take for its neighbor: a change that never was.
    let settings = BTreeMap::from([("ct_ratio".to_owned(), f64::from(0.009_009_23_f32))]);
    let record = Record {
        counters,
        settings,
        cip_serial_number: 940_000_123,
        proven_map: Some(u64::MAX),
        ..read_at(now())
    };
    state.remember("a", &record);
    state.save().unwrap();
    let originator = state.originator();
    drop(state);
    let (again, said) = open(&path, &["a"]);
    assert_eq!((said.as_str(), again.record("a"), again.originator()), ("", Some(record), originator));
}

#[test]
fn what_cannot_be_used_is_kept_under_another_name_and_said() {
    for (text, aside, reason) in [
        ("{\"format\": 1, \"mete", "state.json.unreadable", "EOF while parsing"),
        (
            "{\"format\": 7, \"nodes\": []}",
            "state.json.format-7",
            "it has format 7, and this program knows format 1",
        ),
    ] {
        let path = scratch("aside");
        std::fs::write(&path, text).unwrap();
        let times = [("a".to_owned(), [("realtime".to_owned(), now())].into())].into();
        Journal::beside(&path).append(&Noted { times, ..Noted::default() }).unwrap();
        let (state, said) = open(&path, &["a"]);
        assert_eq!(state.record("a"), None, "the journal goes on from what was set aside");
        assert!(said.contains(reason) && said.contains(aside) && said.lines().count() == 1, "{said}");
        state.remember("a", &read_at(now()));
        state.save().unwrap();
        assert_eq!(std::fs::read_to_string(path.with_file_name(aside)).unwrap(), text);
        drop(state);
        assert_eq!(open(&path, &["a"]).1, "");
    }
}

#[test]
fn one_bad_record_costs_that_record_only() {
    let path = scratch("record");
    write(&path, &[("a", read_at(now())), ("b", read_at(now())), ("c", read_at(now()))]);
    let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    file["meters"]["b"]["counters"] = "many".into();
    std::fs::write(&path, file.to_string()).unwrap();
    let (state, said) = open(&path, &["a", "b", "c"]);
    let known = ["a", "b", "c"].map(|meter| state.record(meter).is_some());
    assert_eq!(known, [true, false, true]);
    assert!(said.contains("meter \"b\"") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_second_process_says_so_and_keeps_its_own_file_whoever_comes_first_the_next_time() {
    let path = scratch("second");
    let (first, said) = open(&path, &["a"]);
    assert_eq!(said, "");
    let (second, said) = open(&path, &["b 1", "c"]);
    let own = path.with_file_name("state-b_1.json");
    assert!(
        said.contains(&format!("this one uses {}", own.display())) && said.lines().count() == 1,
        "{said}"
    );
    assert_ne!(first.originator(), second.originator(), "they would close each other's connections");
    let (third, said) = open(&path, &["b 1"]);
    assert!(said.contains("keeps nothing") && said.lines().count() == 1, "{said}");
    third.remember("b 1", &read_at(1));
    third.save().unwrap();
    first.remember("a", &read_at(now()));
    second.remember("b 1", &read_at(now()));
    second.remember("c", &read_at(now()));
    for state in [&first, &second] {
        state.save().unwrap();
    }
    drop((first, second, third));
    let (second, said) = open(&path, &["b 1", "c"]);
    assert!(said.is_empty() && second.record("b 1").is_some() && second.record("c").is_some(), "{said}");
    let (first, said) = open(&path, &["a"]);
    assert!(said.contains("state-a.json") && first.record("a").is_some(), "{said}");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_in_a_sentence_and_stays_as_it_is() {
    use std::os::unix::fs::FileTypeExt as _;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let path = scratch("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let (state, said) = open(&path, &["a"]);
    assert!(said.contains("it is a FIFO, and not a regular file; nothing before is known"), "{said}");
    state.remember("a", &read_at(now()));
    state.save().unwrap();
    assert!(std::fs::symlink_metadata(&path).unwrap().file_type().is_fifo(), "replaced");
}

#[test]
fn times_ahead_of_now_do_not_count_and_a_meter_that_is_gone_is_forgotten_in_time() {
    let path = scratch("times");
    let (soon, later) = (now() + 50_000, now() + 8 * 3_600_000);
    let meters = [
        ("ahead", read_at(later)),
        ("near", read_at(soon)),
        ("kept", read_at(now() - 400 * DAY)),
        ("gone", read_at(now() - 91 * DAY)),
        ("recent", read_at(now() - 89 * DAY)),
    ];
    // Written by a process that had all of them.
    let known = meters.each_ref().map(|(meter, _)| *meter);
    let (state, _) = open(&path, &known);
    meters.iter().for_each(|(meter, record)| state.remember(meter, record));
    state.save().unwrap();
    drop(state);
    let (state, said) = open(&path, &["ahead", "near", "kept"]);
    let times = |meter: &str| state.record(meter).map(|record| record.last_read_ms.len());
    assert_eq!(known.map(times), [Some(0), Some(1), Some(1), None, Some(1)]);
    assert!(said.contains("meter \"ahead\"") && said.lines().count() == 1, "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_delays_the_start_no_longer_than_it_may() {
    let path = scratch("frozen");
    write(&path, &[("a", read_at(7)), ("b", read_at(now()))]);
    // The name is taken as long as this is held: the opening waits, as it would for a disk.
    let held = file::beside(&path, ".lock");
    let lock = crate::host::file::Lock::take(&held).unwrap();
    let within = Duration::from_millis(1);
    let (state, troubles) = State::open_within(path.clone(), names(&["a", "b"]), within).await;
    assert!(matches!(troubles[..], [Trouble::Late { .. }]), "{troubles:?}");
    assert_eq!(state.record("a"), None);
    let newer = read_at(now());
    state.remember("a", &newer);
    let originator = state.originator();
    drop(lock);
    // It has answered after all; what was read meanwhile is newer than what it knew.
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while state.record("b").is_none() {
        assert!(std::time::Instant::now() < until, "never read");
        std::thread::yield_now();
    }
    assert_eq!((state.record("a"), state.originator()), (Some(newer), originator));
    state.save().unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains(&originator.to_string()));
}

#[test]
fn after_a_kill_what_was_read_last_is_known_and_a_torn_line_costs_nothing_else() {
    let path = scratch("journal");
    let (state, _) = open(&path, &["a", "b"]);
    let (first, second, third) = (now() - 30_000, now() - 20_000, now() - 10_000);
    state.remember("a", &read_at(first));
    assert!(state.finish(Duration::from_secs(60)).is_none());
    state.remember("a", &read_at(second));
    state.remember("b", &read_at(third));
    let journal = file::beside(&path, ".log");
    let holds = |text: &str| std::fs::read_to_string(&journal).is_ok_and(|lines| lines.contains(text));
    let wait_for = |text: &str| {
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while !holds(text) {
            assert!(std::time::Instant::now() < until, "never in the journal: {text}");
            std::thread::yield_now();
        }
    };
    wait_for(&third.to_string());
    // Whoever is killed saves nothing; another process comes, twice, and the first time in the middle of a line.
    drop(state);
    let torn = std::fs::read_to_string(&journal).unwrap() + "{\"a\":{\"realtime\":18000000";
    std::fs::write(&journal, torn).unwrap();
    for at in [second, third] {
        let (state, said) = open(&path, &["a", "b"]);
        let last = |meter: &str| state.record(meter).map(|record| record.last_read_ms["realtime"]);
        assert_eq!((said.as_str(), last("a"), last("b")), ("", Some(at), Some(third)));
        state.remember("a", &read_at(third));
        wait_for(&format!("\"a\":{{\"realtime\":{third}"));
    }
    let (state, _) = open(&path, &["a", "b"]);
    state.remember("a", &read_at(now()));
    assert!(state.finish(Duration::from_secs(60)).is_none());
    assert_eq!(std::fs::metadata(&journal).unwrap().len(), 0, "the state file knows all of it");
}

/// A meter whose counters stand here since this time; `since` is when their level moved last.
fn counted(at: i64, since: i64, counters: &[(&str, i64)]) -> Record {
    let tracks = counters.iter().map(|(name, value)| ((*name).to_owned(), Track::begin(*value, at)));
    Record {
        last_read_ms: BTreeMap::from([("energy".to_owned(), at)]),
        counters: counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        counter_tracks: tracks.collect(),
        counting_since_ms: since,
        ..Record::default()
    }
}

#[test]
fn after_a_kill_the_next_process_compares_with_the_counters_that_were_read_last() {
    let path = scratch("counters");
    let begin = now() - 50_000;
    write(
        &path,
        &[
            ("a", counted(begin, 0, &[("import", 1000), ("export", 5)])),
            ("b", counted(begin, 9, &[("import", 7)])),
        ],
    );
    let (state, _) = open(&path, &["a", "b", "c"]);
    let journal = file::beside(&path, ".log");
    let steps = [
        ("a", counted(begin + 10_000, 0, &[("import", 1300), ("export", 5)])),
        ("a", counted(begin + 20_000, 0, &[("import", 1600), ("export", 5)])),
        // This one began anew, and the first is known to nobody.
        ("b", counted(begin + 20_000, begin + 20_000, &[("import", 3)])),
        ("c", counted(begin + 20_000, 0, &[("import", 0), ("export", 17)])),
    ];
    for (meter, record) in &steps {
        state.remember(meter, record);
        let until = std::time::Instant::now() + Duration::from_secs(60);
        let at = record.last_read_ms["energy"].to_string();
        let noted = |text: String| {
            text.lines().any(|line| line.contains(&at) && line.contains(&format!("\"{meter}\"")))
        };
        while !std::fs::read_to_string(&journal).is_ok_and(noted) {
            assert!(std::time::Instant::now() < until, "never in the journal: {record:?}");
            std::thread::yield_now();
        }
    }
    drop(state);
    let lines = std::fs::read_to_string(&journal).unwrap();
    assert!(!lines.contains("export\":[5"), "what did not change is not written: {lines}");
    // What a version before this one wrote; what a disk has made of a line; the last one is torn.
    let old = format!("{{\"a\":{{\"energy\":{}}}}}", begin + 21_000);
    let damaged =
        "{\"counters\":{\"a\":{\"counters\":{\"import\":[12,\"x\"]}}}}\n{\"counters\":{\"a\":7}}\n\0\0\u{1}";
    let torn = "{\"counters\":{\"a\":{\"counters\":{\"import\":[99";
    std::fs::write(&journal, format!("{lines}{old}\n{damaged}\n{torn}")).unwrap();
    let (state, said) = open(&path, &["a", "b", "c"]);
    assert_eq!(said, "");
    let counter =
        |meter: &str, name: &str| state.record(meter).and_then(|record| record.counters.get(name).copied());
    assert_eq!((counter("a", "import"), counter("a", "export")), (Some(1600), Some(5)));
    assert_eq!((counter("c", "import"), counter("c", "export")), (Some(0), Some(17)));
    let [a, b] = ["a", "b"].map(|meter| state.record(meter).unwrap());
    assert_eq!((a.last_read_ms["energy"], a.counter_tracks["import"].at()), (begin + 21_000, begin + 20_000));
    assert_eq!((b.counters["import"], b.counting_since_ms), (3, begin + 20_000));
}

#[test]
fn a_journal_that_was_not_emptied_in_time_brings_no_counter_back_to_an_earlier_value() {
    let path = scratch("stale");
    let begin = now() - 50_000;
    let later = counted(begin + 20_000, begin + 15_000, &[("import", 3)]);
    write(&path, &[("a", later.clone()), ("b", counted(begin + 20_000, 0, &[("import", 2000)]))]);
    let mut noted = Noted::default();
    for meter in ["a", "b"] {
        let before = counted(begin, 0, &[("import", 1000)]);
        assert!(noted.take(meter, &before, &counted(begin + 10_000, 0, &[("import", 1500)])));
    }
    Journal::beside(&path).append(&noted).unwrap();
    let (state, _) = open(&path, &["a", "b"]);
    assert_eq!(state.record("a"), Some(later));
    assert_eq!(state.record("b").unwrap().counters["import"], 2000);
}

#[test]
fn a_disk_that_does_not_answer_at_the_end_delays_that_no_longer_than_it_may_and_is_said() {
    let path = scratch("hung");
    let (state, _) = open(&path, &["a"]);
    let (thaw, frozen) = std::sync::mpsc::channel::<()>();
    // Its first step takes as long as the disk does not answer.
    let hung = Saver::start(state.memory.clone(), move || _ = frozen.recv()).unwrap();
    let state = State { memory: state.memory.clone(), saver: Some(Arc::new(hung)) };
    state.remember("a", &read_at(now()));
    let said = state.finish(Duration::from_millis(1)).map(|trouble| trouble.to_string());
    assert!(said.as_ref().is_some_and(|said| said.contains("its disk does not answer")), "{said:?}");
    drop(thaw);
    assert!(state.finish(Duration::from_secs(60)).is_none());
    assert!(open(&path, &["a"]).0.record("a").is_some(), "healed");
}

#[test]
fn a_disk_that_hangs_while_meters_are_read_is_told_once_and_one_that_answers_is_not() {
    let (thaw, frozen) = std::sync::mpsc::channel::<()>();
    let start = Instant::now();
    let saver = Saver::start(Memory::new(), move || _ = frozen.recv()).unwrap();
    let after = |seconds| saver.note(start + Duration::from_secs(seconds));
    assert_eq!(after(9), None);
    assert!(after(11).is_some_and(|lasts| (10..=11).contains(&lasts.as_secs())));
    assert_eq!(after(1000), None, "told before");
    drop(thaw);
    assert!(saver.finish(Duration::from_secs(60)));
    assert_eq!(after(2000), None, "it waits for work, not for a disk");
}
