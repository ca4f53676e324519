//! A state's life at random, on a clock of the test's own: gathers, saves, notes in the journal, kills at any moment between
//! them, torn and damaged lines, and a meter that begins anew or jumps while the program runs or is dead.
//!
//! What is promised, and judged here from what the meter counted and what was handed to the disk:
//!
//! - after a kill nothing is known that was not read, and nothing is forgotten that had reached the disk;
//! - what the intervals hold is never more than what was consumed, and all of it where no level moved; where one did,
//!   all but what was consumed since the last save before it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::tests::scratch;
use super::*;
use crate::collector::history::History;
use crate::config::{Config, MeterConfig, Overrides};
use crate::meter::names::ACTIVE_IMPORT;
use crate::meter::{Profile, Readings, Table, TableSet, Value};

const METER: &str = "press-4";
/// 2023-11-14 22:13:20 UTC: in the past, or it would be ahead of the clock.
const START: i64 = 1_700_000_000_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
/// A counter below this is soon where it was before it began anew.
const VISIBLE: i64 = 40_000;
/// A step back by so much is noise.
const NOISE: i64 = 100;

/// One process.
struct Process {
    memory: Memory,
    journal: Journal,
    history: History,
}

impl Process {
    fn start(path: &Path) -> Process {
        let memory = Memory::new();
        let troubles = memory.open(path, &[METER.to_owned()]);
        assert!(troubles.is_empty(), "{troubles:?}");
        let record = memory.lock().meters.get(METER).cloned();
        let period = Some(Duration::from_secs(900));
        let journal = memory.journal().unwrap();
        Process { memory, journal, history: History::new(record, TableSet::from(Table::Energy), period) }
    }

    fn believed(&self) -> Option<i64> {
        self.history.record().counters.get(ACTIVE_IMPORT).copied()
    }
}

/// What one reading left, in its order: when it was, and what was believed then.
type Remembered = Vec<(i64, i64)>;

struct Life {
    path: PathBuf,
    config: MeterConfig,
    profile: Arc<Profile>,
    process: Process,
    now: i64,
    /// The energy of each interval by its end; a later one takes the place of an earlier one.
    written: BTreeMap<i64, i64>,
    remembered: Remembered,
    /// How many of those have reached the disk, and how many the state file.
    durable: usize,
    saved: usize,
}

impl Life {
    fn new(name: &str) -> Life {
        let meter = "address = \"192.0.2.1\"\nconnection = \"modbus\"\ntables = [\"energy\"]\n";
        let text = format!("[[inputs.powermonitor_500]]\n[[inputs.powermonitor_500.meter]]\n{meter}");
        let config = Config::parse(&text, &Overrides::default()).unwrap().meters.remove(0);
        let path = scratch(name);
        let process = Process::start(&path);
        let (written, remembered) = (BTreeMap::new(), Vec::new());
        Life {
            path,
            config,
            profile: Profile::built_in(),
            process,
            now: START,
            written,
            remembered,
            durable: 0,
            saved: 0,
        }
    }

    fn readings(&self, import: i64) -> Readings {
        let mut readings = Readings::new(self.profile.elements.len());
        readings.arrived(Table::Energy, UNIX_EPOCH + Duration::from_millis(self.now.unsigned_abs()));
        for (index, element) in self.profile.elements_of(Table::Energy) {
            let value = if element.name == ACTIVE_IMPORT { import } else { 7 };
            readings.set(index, Some(Value::Integer(value)));
        }
        readings
    }

    /// A gather, with a second look where the first one is a puzzle.
    fn gather(&mut self, import: i64) {
        let mut readings = self.readings(import);
        let history = &mut self.process.history;
        let looks = if history.is_puzzled(&self.profile, &readings) { 2 } else { 1 };
        let counted = history.count(&self.profile, &vec![&readings; looks]);
        counted.held.iter().for_each(|index| readings.set(*index, None));
        let at = UNIX_EPOCH + Duration::from_millis(self.now.unsigned_abs());
        history.read(Table::Energy, at, None);
        for interval in history.intervals(&self.config, &readings, counted.moved) {
            self.written.insert(interval.end, interval.energy[0].unwrap_or(0));
        }
        self.process.memory.remember(METER, history.record());
        self.remembered.push((self.now, self.process.believed().unwrap()));
    }

    /// The saver's thread appends to the journal.
    fn note(&mut self) {
        let noted = self.process.memory.take_read();
        if !noted.is_empty() {
            assert!(self.process.journal.append(&noted).unwrap());
        }
        self.durable = self.remembered.len();
    }

    /// It saves; `whole` is that it is not killed before the journal is emptied.
    fn save(&mut self, whole: bool) {
        self.process.memory.save().unwrap();
        (self.durable, self.saved) = (self.remembered.len(), self.remembered.len());
        if whole {
            self.process.journal.clear().unwrap();
        }
    }

    /// The process is killed, perhaps while it appends to the journal, and another one comes.
    fn kill(&mut self, random: &mut StdRng) {
        let file = file::beside(&self.path, ".log");
        if random.random_ratio(1, 2) {
            let before = std::fs::metadata(&file).map_or(0, |file| file.len());
            let durable = self.durable;
            self.note();
            let after = std::fs::metadata(&file).map_or(0, |file| file.len());
            if after > before {
                let torn = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
                torn.set_len(random.random_range(before..after)).unwrap();
                self.durable = durable;
            }
        }
        if random.random_ratio(1, 3) {
            let mut text = std::fs::read(&file).unwrap_or_default();
            text.extend(b"\n\x00\xFF{\"counters\":{\"press-4\":{\"counters\":7}}}\n{\"press-4\":[]}\n");
            std::fs::write(&file, text).unwrap();
        }
        // Two of them do not live at once.
        self.process.memory = Memory::new();
        self.process = Process::start(&self.path);
        self.judge_known();
    }

    /// Nothing is known that was not read, and nothing is forgotten that had reached the disk.
    fn judge_known(&self) {
        let record = self.process.history.record();
        let from = self.durable.saturating_sub(1);
        let may = &self.remembered[from..];
        let at = record.last_read_ms.get("energy").copied().unwrap_or(0);
        assert!(may.iter().any(|(read, _)| *read == at), "read at {at}, and not at one of {may:?}");
        let believed = self.process.believed().unwrap();
        assert!(may.iter().any(|(_, value)| *value == believed), "{believed} is none of {may:?}");
    }

    fn held(&self) -> i64 {
        let running = serde_json::to_value(&self.process.history.record().interval).unwrap();
        self.written.values().sum::<i64>() + running["sums"][0].as_i64().unwrap_or(0)
    }
}

#[test]
fn wherever_a_process_is_killed_the_next_one_knows_what_was_read_and_no_energy_is_made_up() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let moves = seed % 2 == 0;
        let mut life = Life::new("life");
        let (mut used, mut level): (i64, i64) = (0, random.random_range(1_000_000..900_000_000));
        life.gather(used + level);
        life.save(true);
        let (mut unknown, mut jumped, mut odd) = (0, false, false);
        // What was consumed when the state file was saved last, and when the last reading was taken.
        let mut at_save = 0;
        for _ in 0..120 {
            let killed = random.random_ratio(1, 12);
            let away = if killed { random.random_range(0..40 * MINUTE) } else { 0 };
            let passed = random.random_range(10 * SECOND..70 * SECOND) + away;
            life.now += passed;
            used += random.random_range(0..=passed / 120);
            let lowest =
                life.remembered[life.durable.saturating_sub(1)..].iter().map(|(_, value)| *value).min();
            let event = if moves { random.random_range(0..20) } else { 99 };
            match event {
                // One that was killed in the middle of it knows the level before, and one move at a time.
                _ if odd => {}
                0 if lowest > Some(VISIBLE) => (level, odd) = (random.random_range(0..50) - used, true),
                1 if !jumped => (level, jumped, odd) = (9_000_000_000_000 - used, true, true),
                _ => {}
            }
            if killed {
                life.kill(&mut random);
            }
            life.gather(used + level);
            if odd {
                unknown += used - at_save + NOISE;
            }
            match random.random_range(0..8) {
                0 => {
                    life.save(random.random_ratio(4, 5));
                    (at_save, odd) = (used, false);
                }
                1..=4 => life.note(),
                _ => {}
            }
            let held = life.held();
            assert!(held <= used, "seed {seed}: {held} of {used}");
            assert!(
                held >= used - unknown,
                "seed {seed}: {held} of {used}, of which {unknown} may be unknown"
            );
            assert!(moves || held == used, "seed {seed}: {held} of {used}");
        }
    }
}
