//! What waits to be published: lines of every device in their order, bounded in bytes.
//!
//! A line that cannot go out yet (the broker is away, its host is offline, its device has no birth) stays here. When there
//! are too many bytes the oldest lines of all go, and are counted.

use std::collections::VecDeque;

use super::device::Reading;

/// A device's place among the others; the node itself is 0.
pub type Slot = usize;

/// What a line costs besides its bytes.
const OVERHEAD: usize = 64;

/// One thing to be published.
#[derive(Debug)]
pub enum Entry {
    /// A line.
    Line(Waiting),
    /// The device's death.
    Death,
    /// The table of this group is not read any more.
    Stale(usize),
}

/// A line that waits.
#[derive(Debug)]
pub struct Waiting {
    /// As it came, without its newline.
    pub bytes: Box<[u8]>,
    /// Group of its measurement.
    pub group: usize,
    /// When it was measured.
    pub at_ms: u64,
    /// Whether it could not go out when it came.
    pub historical: bool,
    /// What it says; parsed again later, when it has to wait.
    pub reading: Option<Reading>,
    /// Whether the file has it, too.
    pub kept: bool,
}

/// What waits, by device.
#[derive(Debug)]
pub struct Store {
    queues: Vec<VecDeque<(u64, Entry)>>,
    next: u64,
    bytes: usize,
    lines: usize,
    limit: usize,
    dropped: u64,
}

impl Store {
    /// An empty store of at most this many bytes.
    pub fn new(limit: usize) -> Store {
        Store { queues: Vec::new(), next: 0, bytes: 0, lines: 0, limit, dropped: 0 }
    }

    /// Puts an entry behind all others.
    pub fn push(&mut self, slot: Slot, entry: Entry) {
        let number = self.next;
        self.next += 1;
        self.count(&entry);
        self.queue(slot).push_back((number, entry));
        self.make_room();
    }

    /// Puts lines back before all others, in their order; they were not delivered, and are late now.
    pub fn put_back(&mut self, slot: Slot, lines: impl DoubleEndedIterator<Item = Waiting>) {
        for line in lines.rev() {
            let entry = Entry::Line(Waiting { historical: true, reading: None, ..line });
            self.count(&entry);
            self.queue(slot).push_front((0, entry));
        }
        self.make_room();
    }

    /// The oldest entry of the devices that are ready.
    pub fn pop(&mut self, ready: impl Fn(Slot) -> bool) -> Option<(Slot, Entry)> {
        let slot = self.oldest(ready)?;
        Some((slot, self.take(slot)?))
    }

    /// The next line of a device, if it is one, and `fits`.
    pub fn pop_line(&mut self, slot: Slot, fits: impl Fn(&Waiting) -> bool) -> Option<Waiting> {
        match self.queues.get(slot)?.front()? {
            (_, Entry::Line(line)) if fits(line) => {}
            _ => return None,
        }
        match self.take(slot)? {
            Entry::Line(line) => Some(line),
            Entry::Death | Entry::Stale(_) => None,
        }
    }

    /// Takes out a device's lines that `matches`, in their order.
    pub fn take_lines(&mut self, slot: Slot, matches: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let Some(queue) = self.queues.get_mut(slot) else { return Vec::new() };
        let mut taken = Vec::new();
        for (number, entry) in std::mem::take(queue) {
            match entry {
                Entry::Line(line) if matches(&line) => taken.push(line),
                other => queue.push_back((number, other)),
            }
        }
        for line in &taken {
            self.bytes -= cost(line);
            self.lines -= 1;
        }
        taken
    }

    /// A device has a birth, or loses its place: what still waits of it is older, and says nothing about its life any
    /// more.
    pub fn age_one(&mut self, slot: Slot) {
        if let Some(queue) = self.queues.get_mut(slot) {
            age(queue);
        }
    }

    /// The session is over: what waits is late, and says nothing about the lives of devices any more.
    pub fn age(&mut self) {
        self.queues.iter_mut().for_each(age);
    }

    /// The lines that the file does not have yet, in the order in which they came; it has them from now on.
    pub fn unkept(&mut self) -> Vec<Box<[u8]>> {
        let lines = self.sorted(|line| !line.kept);
        for queue in &mut self.queues {
            for (_, entry) in queue.iter_mut() {
                if let Entry::Line(line) = entry {
                    line.kept = true;
                }
            }
        }
        lines
    }

    /// All lines, in the order in which they came.
    pub fn all(&self) -> Vec<Box<[u8]>> {
        self.sorted(|_| true)
    }

    /// Lines that wait.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a device that is ready has something to publish.
    pub fn has(&self, ready: impl Fn(Slot) -> bool) -> bool {
        self.oldest(ready).is_some()
    }

    /// Lines dropped since start.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn sorted(&self, wanted: impl Fn(&Waiting) -> bool) -> Vec<Box<[u8]>> {
        let entries = self.queues.iter().flatten();
        let mut lines: Vec<_> = entries
            .filter_map(|(number, entry)| match entry {
                Entry::Line(line) if wanted(line) => Some((*number, line.bytes.clone())),
                _ => None,
            })
            .collect();
        // Stable: what was put back has no number of its own, and keeps its order.
        lines.sort_by_key(|(number, _)| *number);
        lines.into_iter().map(|(_, bytes)| bytes).collect()
    }

    fn oldest(&self, ready: impl Fn(Slot) -> bool) -> Option<Slot> {
        let fronts =
            self.queues.iter().enumerate().filter_map(|(slot, queue)| Some((queue.front()?.0, slot)));
        fronts.filter(|(_, slot)| ready(*slot)).min().map(|(_, slot)| slot)
    }

    fn take(&mut self, slot: Slot) -> Option<Entry> {
        let (_, entry) = self.queues.get_mut(slot)?.pop_front()?;
        if let Entry::Line(line) = &entry {
            self.bytes -= cost(line);
            self.lines -= 1;
        }
        Some(entry)
    }

    fn queue(&mut self, slot: Slot) -> &mut VecDeque<(u64, Entry)> {
        if self.queues.len() <= slot {
            self.queues.resize_with(slot + 1, VecDeque::new);
        }
        &mut self.queues[slot]
    }

    fn count(&mut self, entry: &Entry) {
        if let Entry::Line(line) = entry {
            self.bytes += cost(line);
            self.lines += 1;
        }
    }

    fn make_room(&mut self) {
        while self.bytes > self.limit && self.lines > 1 {
            let first_line = |queue: &VecDeque<(u64, Entry)>| {
                queue.iter().position(|(_, entry)| matches!(entry, Entry::Line(_)))
            };
            let candidates = self.queues.iter().enumerate().filter_map(|(slot, queue)| {
                let place = first_line(queue)?;
                Some((queue.get(place)?.0, slot, place))
            });
            let Some((_, slot, place)) = candidates.min() else { return };
            if let Some((_, Entry::Line(line))) = self.queues[slot].remove(place) {
                self.bytes -= cost(&line);
                self.lines -= 1;
                self.dropped += 1;
            }
        }
    }
}

fn age(queue: &mut VecDeque<(u64, Entry)>) {
    queue.retain(|(_, entry)| matches!(entry, Entry::Line(_)));
    for (_, entry) in queue {
        if let Entry::Line(line) = entry {
            line.historical = true;
            line.reading = None;
        }
    }
}

fn cost(line: &Waiting) -> usize {
    line.bytes.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> Waiting {
        let bytes = name.as_bytes().into();
        Waiting { bytes, group: 0, at_ms: 0, historical: false, reading: None, kept: false }
    }

    fn names(store: &mut Store, ready: impl Fn(Slot) -> bool) -> Vec<String> {
        std::iter::from_fn(|| store.pop(&ready))
            .map(|(slot, entry)| match entry {
                Entry::Line(line) => format!("{slot}{}", String::from_utf8_lossy(&line.bytes)),
                Entry::Death => format!("{slot}death"),
                Entry::Stale(group) => format!("{slot}stale{group}"),
            })
            .collect()
    }

    #[test]
    fn the_oldest_goes_first_and_a_device_that_is_not_ready_delays_no_other() {
        let mut store = Store::new(10_000);
        for (slot, name) in [(1, "a"), (2, "b"), (1, "c"), (2, "d")] {
            store.push(slot, Entry::Line(line(name)));
        }
        store.push(1, Entry::Death);
        assert_eq!(names(&mut store, |slot| slot == 2), ["2b", "2d"]);
        assert_eq!(names(&mut store, |_| true), ["1a", "1c", "1death"]);
        assert_eq!((store.lines(), store.bytes()), (0, 0));
    }

    #[test]
    fn what_does_not_fit_costs_the_oldest_lines_and_they_are_counted() {
        let mut store = Store::new(3 * (OVERHEAD + 1));
        store.push(1, Entry::Death);
        for (slot, name) in [(1, "a"), (2, "b"), (1, "c"), (2, "d"), (1, "e")] {
            store.push(slot, Entry::Line(line(name)));
        }
        assert_eq!((store.dropped(), store.lines()), (2, 3));
        assert_eq!(names(&mut store, |_| true), ["1death", "1c", "2d", "1e"]);
        store.push(1, Entry::Line(line(&"x".repeat(1000))));
        assert_eq!((store.lines(), store.dropped()), (1, 2), "one line is kept however long it is");
    }

    #[test]
    fn what_was_not_delivered_is_first_again_and_late_and_the_file_gets_it_once() {
        let mut store = Store::new(10_000);
        store.push(1, Entry::Line(line("c")));
        store.push(1, Entry::Death);
        store.put_back(1, [line("a"), line("b")].into_iter());
        store.age();
        let texts = |lines: Vec<Box<[u8]>>| {
            lines.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts(store.unkept()), ["a", "b", "c"]);
        assert_eq!(store.unkept().len(), 0);
        assert_eq!(texts(store.all()), ["a", "b", "c"]);
        while let Some((_, entry)) = store.pop(|_| true) {
            assert!(matches!(entry, Entry::Line(Waiting { historical: true, .. })), "{entry:?}");
        }
    }
}
