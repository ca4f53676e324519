//! How a suspicion becomes a verdict, and how a verdict is lifted: never by one reading, and never for ever.

/// Contradicting readings in a row that make a verdict.
pub const STRIKES: u32 = 3;
/// Sound readings in a row that lift it.
pub const SOUND: u32 = 3;

/// Where one suspicion stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Contradicting readings since the last sound one.
    strikes: u32,
    /// Sound readings since the last contradicting one.
    sound: u32,
    contradicted: bool,
    /// The verdict was said and nothing has lifted it since.
    said: bool,
}

/// What a reading changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that must be said.
    None,
    /// The verdict fell.
    Contradicted,
    /// The verdict is lifted.
    Accepted,
}

impl Standing {
    /// A contradicting reading.
    pub fn contradict(&mut self) -> Change {
        (self.strikes, self.sound) = (self.strikes.saturating_add(1), 0);
        self.contradicted |= self.strikes >= STRIKES;
        if self.contradicted && !std::mem::replace(&mut self.said, self.contradicted) {
            return Change::Contradicted;
        }
        Change::None
    }

    /// A sound reading.
    pub fn accept(&mut self) -> Change {
        (self.strikes, self.sound) = (0, self.sound.saturating_add(1));
        self.contradicted &= self.sound < SOUND;
        if !self.contradicted && std::mem::take(&mut self.said) {
            return Change::Accepted;
        }
        Change::None
    }

    /// Another connection: another meter may be behind it, or the same one.
    pub fn reset(&mut self) {
        self.contradicted = false;
    }

    /// Whether the verdict stands.
    pub fn is_contradicted(self) -> bool {
        self.contradicted
    }

    /// Whether the last reading contradicted.
    pub fn is_suspected(self) -> bool {
        self.strikes > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_readings_make_a_verdict_three_lift_it_and_each_is_said_once() {
        let mut standing = Standing::default();
        let none = Change::None;
        assert_eq!([standing.contradict(), standing.contradict()], [none, none]);
        assert_eq!([standing.contradict(), standing.contradict()], [Change::Contradicted, none]);
        assert_eq!([standing.accept(), standing.accept()], [none, none]);
        assert!(standing.is_contradicted() && !standing.is_suspected());
        assert_eq!([standing.accept(), standing.accept()], [Change::Accepted, none]);
        assert!(!standing.is_contradicted());
    }

    #[test]
    fn a_single_odd_reading_condemns_nothing_and_one_sound_reading_lifts_no_verdict() {
        let mut standing = Standing::default();
        for _ in 0..10 {
            assert_eq!([standing.contradict(), standing.contradict(), standing.accept()], [Change::None; 3]);
        }
        (0..3).for_each(|_| _ = standing.contradict());
        for _ in 0..10 {
            assert_eq!([standing.accept(), standing.accept(), standing.contradict()], [Change::None; 3]);
            assert!(standing.is_contradicted());
        }
    }

    #[test]
    fn a_new_connection_begins_anew_and_says_no_verdict_twice() {
        let mut standing = Standing::default();
        (0..3).for_each(|_| _ = standing.contradict());
        standing.reset();
        assert!(!standing.is_contradicted());
        assert_eq!(standing.contradict(), Change::None);
        standing.reset();
        assert_eq!(standing.accept(), Change::Accepted);
    }
}
