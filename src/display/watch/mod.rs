//! The live view: what it knows, and what keys do. Drawing is [`draw`](mod@draw)'s; reading and the terminal are the
//! command's.

use std::collections::VecDeque;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::latest::Latest;
use crate::collector::report::Report;
use crate::config::MeterConfig;
use crate::meter::Table;
use crate::meter::names::ACTIVE;

pub mod draw;
pub mod phasor;
pub mod trend;

/// Readings that a trend holds.
const TREND: usize = 240;

/// What is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The list of meters, and one of them.
    Both,
    /// One meter alone.
    One,
}

/// One meter of the view.
#[derive(Debug)]
pub struct Watched {
    /// The newest that is known.
    pub latest: Latest,
    /// Total active power in watts, the newest last; a gather without one leaves a hole.
    pub trend: VecDeque<Option<f64>>,
}

/// The live view.
#[derive(Debug)]
pub struct Watch {
    /// The meters, in the order in which they were named.
    pub meters: Vec<Watched>,
    /// Which of them is shown in detail.
    pub selected: usize,
    /// What is on the screen.
    pub view: View,
    /// Whether help stands over it.
    pub help: bool,
    /// Whether it stands still; the meters are read all the same.
    pub paused: bool,
    /// Whether colors are shown.
    pub color: bool,
    /// What came in while it stood still, meter by meter.
    held: Vec<(usize, Report)>,
}

/// What a key asks the command for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing that is not done.
    Stay,
    /// An end.
    Quit,
}

/// Reports that are held while the view stands still; older ones are dropped.
const HELD: usize = 1024;

impl Watch {
    /// A view of these meters, of which nothing is known yet.
    pub fn new(configs: impl IntoIterator<Item = Arc<MeterConfig>>, color: bool) -> Watch {
        let watched = |config| Watched { latest: Latest::new(config), trend: VecDeque::new() };
        let meters: Vec<Watched> = configs.into_iter().map(watched).collect();
        let view = if meters.len() > 1 { View::Both } else { View::One };
        Watch { meters, selected: 0, view, help: false, paused: false, color, held: Vec::new() }
    }

    /// Takes in what a gather of a meter found.
    pub fn take(&mut self, index: usize, report: Report) {
        if self.paused {
            self.held.push((index, report));
            let over = self.held.len().saturating_sub(HELD);
            self.held.drain(..over);
            return;
        }
        let Some(meter) = self.meters.get_mut(index) else { return };
        meter.latest.take(&report);
        let due = report.due.contains(Table::Realtime);
        if !due {
            return;
        }
        let read = report.read.contains(Table::Realtime);
        meter.trend.push_back(meter.latest.number(Table::Realtime, ACTIVE[3]).filter(|_| read));
        let over = meter.trend.len().saturating_sub(TREND);
        meter.trend.drain(..over);
    }

    /// The meter that is shown in detail.
    pub fn current(&self) -> Option<&Watched> {
        self.meters.get(self.selected)
    }

    /// Does what a key says.
    pub fn key(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Stay;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let count = self.meters.len().max(1);
        match key.code {
            KeyCode::Char('c') if control => return Wish::Quit,
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Esc if self.view == View::One && self.meters.len() > 1 => self.view = View::Both,
            KeyCode::Esc => return Wish::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.help = !self.help,
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Down | KeyCode::Tab | KeyCode::Right | KeyCode::Char('n' | 'j') => {
                self.selected = (self.selected + 1) % count;
            }
            KeyCode::Up | KeyCode::BackTab | KeyCode::Left | KeyCode::Char('b' | 'k') => {
                self.selected = (self.selected + count - 1) % count;
            }
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = count - 1,
            KeyCode::Enter if self.meters.len() > 1 => {
                self.view = if self.view == View::Both { View::One } else { View::Both };
            }
            _ => {}
        }
        Wish::Stay
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
        if !self.paused {
            for (index, report) in std::mem::take(&mut self.held) {
                self.take(index, report);
            }
        }
    }
}
