//! The last replies and frames that were refused or could not be decoded, so that a bug report carries its
//! evidence. Bounded per meter: the newest of each kind, a few kinds, the first bytes of each.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::source::Exhibit;

/// Kinds that are kept; the one that came last longest ago makes room.
const MOST: usize = 8;
/// Bytes that are kept of each; no reply to a read has more than a few hundred.
const MOST_BYTES: usize = 256;

#[derive(Debug)]
struct Kept {
    what: String,
    bytes: Vec<u8>,
    /// Of the whole.
    length: usize,
    times: u64,
}

/// What one meter sent that could not be used.
#[derive(Debug, Default)]
pub struct Exhibits {
    kept: VecDeque<Kept>,
}

impl Exhibits {
    /// Keeps it. Returns it in words if its kind is not among those that are kept.
    pub fn keep(&mut self, exhibit: Exhibit) -> Option<String> {
        let Exhibit { what, mut bytes } = exhibit;
        let length = bytes.len();
        bytes.truncate(MOST_BYTES);
        bytes.shrink_to_fit();
        let known = self.kept.iter().position(|kept| kept.what == what);
        let before = known.and_then(|at| self.kept.remove(at)).map_or(0, |kept| kept.times);
        if self.kept.len() == MOST {
            self.kept.pop_front();
        }
        let kept = Kept { what, bytes, length, times: before + 1 };
        let new = (before == 0).then(|| kept.sentence());
        self.kept.push_back(kept);
        new
    }

    /// What is kept, in sentences with the bytes in hex, the newest last.
    pub fn sentences(&self) -> Vec<String> {
        self.kept.iter().map(Kept::sentence).collect()
    }
}

impl Kept {
    fn sentence(&self) -> String {
        let mut text = self.what.clone();
        let _ = match self.times {
            1 => write!(text, "; {} bytes", self.length),
            times => write!(text, "; {times} times, last {} bytes", self.length),
        };
        if self.length > self.bytes.len() {
            let _ = write!(text, ", the first {}", self.bytes.len());
        }
        text.push_str(": ");
        for byte in &self.bytes {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exhibit(what: &str, length: usize) -> Exhibit {
        Exhibit { what: what.to_owned(), bytes: vec![0xAB; length] }
    }

    #[test]
    fn each_kind_is_told_once_with_its_bytes_and_kept_with_its_newest() {
        let mut exhibits = Exhibits::default();
        assert_eq!(exhibits.keep(exhibit("refused", 2)).unwrap(), "refused; 2 bytes: abab");
        assert_eq!(exhibits.keep(exhibit("refused", 3)), None);
        assert_eq!(exhibits.sentences(), ["refused; 2 times, last 3 bytes: ababab"]);
    }

    #[test]
    fn whatever_a_meter_sends_memory_and_log_lines_stay_small() {
        let mut exhibits = Exhibits::default();
        for n in 0..10_000 {
            exhibits.keep(exhibit(&n.to_string(), n));
        }
        let sentences = exhibits.sentences();
        assert_eq!(sentences.len(), MOST);
        assert!(sentences.iter().all(|sentence| sentence.len() < 1024), "{sentences:?}");
        assert!(sentences[MOST - 1].starts_with("9999; 9999 bytes, the first 256: abab"), "{sentences:?}");
        let bytes: usize = exhibits.kept.iter().map(|kept| kept.bytes.capacity()).sum();
        assert!(bytes <= MOST * MOST_BYTES);
    }
}
