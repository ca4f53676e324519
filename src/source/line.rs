//! A line: one way to several meters, with one request at a time, shared fairly: who waits longest is next. It is opened
//! when it is first needed, and closed when the last meter has left.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turns, MutexGuard};

/// What several meters share. Each has one of these, which counts as long as it has not left.
#[derive(Debug)]
pub struct Line<T> {
    shared: Arc<Shared<T>>,
    joined: bool,
}

#[derive(Debug)]
struct Shared<T> {
    turns: Turns<T>,
    meters: AtomicUsize,
    waiting: AtomicUsize,
}

/// A meter's turn; it ends when this is dropped.
#[derive(Debug)]
pub struct Turn<'a, T> {
    way: MutexGuard<'a, T>,
    waiting: &'a AtomicUsize,
}

impl<T> Turn<'_, T> {
    /// Whether another meter waits for its turn.
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

impl<T> Deref for Turn<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.way
    }
}

impl<T> DerefMut for Turn<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.way
    }
}

/// One that waits, also if it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn counted(waiting: &'a AtomicUsize) -> Waiting<'a> {
        waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Line<T> {
    /// A line of its own.
    pub fn new(way: T) -> Line<T> {
        Line {
            shared: Arc::new(Shared {
                turns: Turns::new(way),
                meters: AtomicUsize::new(0),
                waiting: AtomicUsize::new(0),
            }),
            joined: false,
        }
    }

    /// Waits for this meter's turn.
    pub async fn turn(&mut self) -> Turn<'_, T> {
        if !std::mem::replace(&mut self.joined, true) {
            self.shared.meters.fetch_add(1, Ordering::Relaxed);
        }
        let Shared { turns, waiting, .. } = &*self.shared;
        let counted = Waiting::counted(waiting);
        let way = turns.lock().await;
        drop(counted);
        Turn { way, waiting }
    }

    /// This meter's turn, if nobody has one.
    pub fn turn_now(&mut self) -> Option<Turn<'_, T>> {
        let Shared { turns, waiting, .. } = &*self.shared;
        Some(Turn { way: turns.try_lock().ok()?, waiting })
    }

    /// Takes this meter off the line; the last one gets the line, to close it.
    pub async fn leave(&mut self) -> Option<MutexGuard<'_, T>> {
        if !std::mem::take(&mut self.joined) || self.shared.meters.fetch_sub(1, Ordering::Relaxed) > 1 {
            return None;
        }
        Some(self.shared.turns.lock().await)
    }
}

impl<T> Drop for Line<T> {
    fn drop(&mut self) {
        if self.joined {
            self.shared.meters.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The lines of a process, by where they lead to.
#[derive(Debug)]
pub struct Lines<K, T>(Mutex<HashMap<K, Weak<Shared<T>>>>);

impl<K, T> Default for Lines<K, T> {
    fn default() -> Self {
        Lines(Mutex::new(HashMap::new()))
    }
}

impl<K: Eq + Hash, T> Lines<K, T> {
    /// The line that leads there: the one that exists, or a new one.
    pub fn to(&self, there: K, new: impl FnOnce() -> T) -> Line<T> {
        // Nothing panics while it is locked.
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| line.strong_count() > 0);
        let shared = lines.get(&there).and_then(Weak::upgrade).unwrap_or_else(|| {
            let line = Line::new(new()).shared.clone();
            lines.insert(there, Arc::downgrade(&line));
            line
        });
        Line { shared, joined: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn meters_behind_one_address_share_a_line_and_the_last_one_closes_it() {
        let lines: Lines<&str, u32> = Lines::default();
        let (mut one, mut two, mut other) = (lines.to("a", || 0), lines.to("a", || 9), lines.to("b", || 0));
        *one.turn().await += 1;
        *two.turn().await += 1;
        assert_eq!((*one.turn().await, *other.turn().await), (2, 0));
        assert!(one.leave().await.is_none());
        assert_eq!(two.leave().await.as_deref(), Some(&2));
        assert!(two.leave().await.is_none(), "closed once");
    }

    #[tokio::test]
    async fn who_waits_longest_is_next() {
        let lines: Lines<(), Vec<u32>> = Lines::default();
        let mut first = lines.to((), Vec::new);
        let held = first.turn().await;
        let waiting: Vec<_> = (1..=3)
            .map(|number| {
                let mut line = lines.to((), Vec::new);
                tokio::spawn(async move { line.turn().await.push(number) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(held.is_awaited());
        drop(held);
        for each in waiting {
            each.await.unwrap();
        }
        let held = first.turn().await;
        assert_eq!((&held[..], held.is_awaited()), (&[1, 2, 3][..], false));
    }
}
