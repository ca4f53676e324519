//! The live view → one screen, of whatever size the terminal has.

use std::time::SystemTime;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Borders, Cell, Clear, Paragraph, Row, Table, TableState, Wrap};

use super::super::figures::figure;
use super::super::latest::Latest;
use super::super::mood::Mood;
use super::super::page::Page;
use super::super::sections::{self, Section, sections};
use super::super::show::{of_map, of_outcome};
use super::{View, Watch, Watched, phasor, trend};
use crate::meter::Table as Values;
use crate::meter::names::{ACTIVE, CURRENT, FREQUENCY, STAR};

/// From this width on a list and a meter stand side by side, and so do values and pictures.
const WIDE: u16 = 110;
/// Width of the list beside a meter.
const LIST: u16 = 46;
/// Width of the pictures beside values.
const PICTURES: u16 = 34;
/// Width of the names of rows, at most.
const NAME: u16 = 18;
/// Lines that a picture needs.
const PICTURE: u16 = 8;

const HELP: &str = "\
n  Tab  Down   next meter
b       Up     meter before
Enter          one meter alone, or with the list
p  Space       pause the view; reading goes on
h  ?           this help
q  Esc         quit

Voltages are drawn 120° apart; the angles of currents
follow from active and reactive power.";

/// Draws everything.
pub fn draw(watch: &Watch, frame: &mut Frame<'_>, now: SystemTime) {
    let [main, foot] = Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    match (watch.view, watch.current()) {
        (View::Both, Some(current)) if main.width >= WIDE => {
            let [left, right] =
                Layout::horizontal([Constraint::Length(LIST), Constraint::Min(1)]).areas(main);
            list(watch, frame, left, Borders::RIGHT);
            meter(watch, current, frame, right, now);
        }
        (View::Both, Some(current)) => {
            let rows = u16::try_from(watch.meters.len()).unwrap_or(u16::MAX).saturating_add(3);
            let height = rows.min(main.height / 3).max(4);
            let [above, below] =
                Layout::vertical([Constraint::Length(height), Constraint::Min(1)]).areas(main);
            list(watch, frame, above, Borders::BOTTOM);
            meter(watch, current, frame, below, now);
        }
        (View::One, Some(current)) => meter(watch, current, frame, main, now),
        (_, None) => frame.render_widget(Paragraph::new("No meter is configured."), main),
    }
    footer(watch, frame, foot);
    if watch.help {
        let lines = HELP.lines().count() as u16 + 2;
        let area = middle(frame.area(), 58, lines);
        frame.render_widget(Clear, area);
        frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" Keys ")), area);
    }
}

fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

fn footer(watch: &Watch, frame: &mut Frame<'_>, area: Rect) {
    let up = watch.meters.iter().filter(|meter| of_outcome(meter.latest.outcome) != Mood::Bad).count();
    let state = if watch.paused { " PAUSED " } else { "" };
    let keys = if watch.meters.len() > 1 {
        "n next  Enter one/list  p pause  h help  q quit"
    } else {
        "p pause  h help  q quit"
    };
    let count = watch.meters.len();
    let counted = format!("{up} of {count} {} up", if count == 1 { "meter" } else { "meters" });
    let line = Line::from(vec![
        Span::styled(state, Style::new().add_modifier(Modifier::REVERSED)),
        Span::raw(format!("{}{keys}", if watch.paused { " " } else { "" })),
    ]);
    frame.render_widget(Paragraph::new(line), area);
    let room = u16::try_from(counted.chars().count()).unwrap_or(0);
    if area.width > 60 + room {
        frame.render_widget(Paragraph::new(counted).alignment(Alignment::Right), area);
    }
}

/// All meters, a line each.
fn list(watch: &Watch, frame: &mut Frame<'_>, area: Rect, border: Borders) {
    let wide = area.width >= 70;
    let row = |meter: &Watched| {
        let latest = &meter.latest;
        let number = |name: &str, unit: &str| {
            latest.number(Values::Realtime, name).map_or("-".to_owned(), |value| figure(value, unit))
        };
        let result =
            Cell::from(latest.outcome.code().1).style(style(of_outcome(latest.outcome), watch.color));
        let mut cells = vec![Cell::from(latest.config.name.clone()), result, right(number(ACTIVE[3], "W"))];
        if wide {
            cells.push(right(number(STAR[3], "V")));
            cells.push(right(number(CURRENT[0], "A")));
            cells.push(right(number(FREQUENCY, "Hz")));
        }
        Row::new(cells)
    };
    let mut heads = vec![Cell::from("METER"), Cell::from("RESULT"), right("POWER".to_owned())];
    let mut widths = vec![Constraint::Fill(1), Constraint::Length(17), Constraint::Length(11)];
    if wide {
        heads.extend(["VOLTAGE", "CURRENT", "FREQUENCY"].map(|head| right(head.to_owned())));
        widths.extend([Constraint::Length(9), Constraint::Length(9), Constraint::Length(9)]);
    }
    let table = Table::new(watch.meters.iter().map(row), widths)
        .header(Row::new(heads).style(Style::new().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(Block::new().borders(border));
    let mut state = TableState::new().with_selected(Some(watch.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

/// One meter: head, values, pictures, what is wrong.
fn meter(watch: &Watch, meter: &Watched, frame: &mut Frame<'_>, area: Rect, now: SystemTime) {
    let latest = &meter.latest;
    let failures = failures(latest, watch.color);
    let wrong = match failures.lines.len() {
        0 => 0,
        // A sentence may take some lines; the values come first.
        lines => (lines as u16 * (1 + 120 / area.width.max(40))).min(area.height / 3),
    };
    let who = title(latest, watch.color, area.width);
    let heights = [
        Constraint::Length(u16::try_from(who.lines.len()).unwrap_or(3).max(3)),
        Constraint::Min(1),
        Constraint::Length(wrong),
    ];
    let [head, body, below] = Layout::vertical(heights).areas(area);
    frame.render_widget(who, head);
    frame.render_widget(Paragraph::new(failures).wrap(Wrap { trim: true }), below);
    if latest.tables().next().is_none() {
        let waiting = if latest.at.is_none() { "Waiting for the first values …" } else { "No values." };
        frame.render_widget(Paragraph::new(waiting), body);
        return;
    }
    let beside = area.width >= 66 + PICTURES;
    let (values, pictures) = match beside {
        true => {
            let [left, right] =
                Layout::horizontal([Constraint::Min(1), Constraint::Length(PICTURES)]).spacing(1).areas(body);
            (left, right)
        }
        false => {
            let lines: u16 = sections(latest, now).iter().map(height).sum();
            let [above, below] =
                Layout::vertical([Constraint::Length(lines), Constraint::Min(0)]).areas(body);
            (above, below)
        }
    };
    tables(latest, frame, values, (now, watch.color));
    draw_pictures(watch, meter, frame, pictures, beside);
}

/// Trend and phasors, below each other or side by side; what has no room is left out.
fn draw_pictures(watch: &Watch, meter: &Watched, frame: &mut Frame<'_>, area: Rect, upright: bool) {
    if area.height < PICTURE || area.width < 30 {
        return;
    }
    let halves = [Constraint::Fill(1), Constraint::Fill(1)];
    let [first, second] = match (upright, area.height >= 2 * PICTURE, area.width >= 60) {
        (true, true, _) => Layout::vertical(halves).areas(area),
        (false, _, true) => Layout::horizontal(halves).areas(area),
        _ => [area, Rect::ZERO],
    };
    let title = |text: &'static str| Block::new().borders(Borders::TOP).title(text);
    if let Some(reach) = trend::reach(&meter.trend) {
        let stretches = trend::stretches(&meter.trend);
        let chart = trend::chart(&stretches, reach, meter.trend.len(), watch.color);
        frame.render_widget(chart.block(title(" Active power ")), first);
    }
    if second.height >= PICTURE {
        // A cell of a terminal is about twice as high as wide.
        let square = middle(second, second.height.saturating_sub(1) * 2 + 8, second.height);
        let canvas = phasor::canvas(&meter.latest, watch.color);
        frame.render_widget(canvas.block(title(" Phasors ")), square);
    }
}

/// Who it is and how it is doing, on one line or on two, and what device it is.
fn title(latest: &Latest, color: bool, width: u16) -> Text<'static> {
    let space = || Span::raw("  ");
    let who = vec![
        Span::styled(latest.config.name.clone(), Style::new().add_modifier(Modifier::BOLD)),
        space(),
        Span::raw(latest.address.clone()),
    ];
    let how = vec![
        Span::raw(latest.link.code().1),
        space(),
        Span::styled(latest.outcome.code().1, style(of_outcome(latest.outcome), color)),
        space(),
        Span::styled(format!("map {}", latest.verdict()), style(of_map(latest.map), color)),
    ];
    let one = Line::from([who.clone(), vec![space()], how.clone()].concat());
    let mut lines =
        if one.width() <= usize::from(width) { vec![one] } else { vec![Line::from(who), Line::from(how)] };
    let device = latest.device.as_deref().unwrap_or_default();
    let folded = Page { width: Some(width), color }.fold("", device, "");
    lines.extend(folded.split('\n').map(|line| Line::styled(line.to_owned(), style(Mood::Faint, color))));
    Text::from(lines)
}

fn failures(latest: &Latest, color: bool) -> Text<'static> {
    let lines = latest.failures().into_iter().map(|text| Line::styled(text, style(Mood::Bad, color)));
    Text::from(lines.collect::<Vec<_>>())
}

/// Lines of a section: title, heads, rows, and an empty one.
fn height(section: &Section) -> u16 {
    let heads = u16::from(!section.heads.is_empty());
    2 + heads + u16::try_from(section.rows.len()).unwrap_or(u16::MAX)
}

fn tables(latest: &Latest, frame: &mut Frame<'_>, area: Rect, (now, color): (SystemTime, bool)) {
    let mut rest = area;
    for section in sections(latest, now) {
        if rest.height < 3 {
            return;
        }
        let lines = height(&section).min(rest.height);
        let here = Rect { height: lines, ..rest };
        rest = Rect { y: rest.y + lines, height: rest.height - lines, ..rest };
        // What was not read in the last gather is not fresh.
        let age = latest.age(section.table, now).unwrap_or_default();
        let old = age
            > 2.0 * latest.config.period(section.table).as_secs_f64()
                + latest.config.gather_timeout.as_secs_f64();
        let mood = if old { Mood::Bad } else { Mood::Head };
        let [title, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(here);
        frame.render_widget(Paragraph::new(Line::styled(section.title.clone(), style(mood, color))), title);
        let cell = |(text, mood): &(String, Mood)| {
            let mood = if old { Mood::Faint } else { *mood };
            right(text.clone()).style(style(mood, color))
        };
        let section = fitting(section, body.width);
        let (columns, width) = columns(&section, body.width);
        let widths =
            std::iter::once(Constraint::Length(names(&section)))
                .chain(vec![Constraint::Length(width); columns]);
        let rows = section.rows.iter().map(|row| {
            let cells = row.cells.iter().take(columns).map(cell);
            Row::new(std::iter::once(Cell::from(row.name.clone())).chain(cells))
        });
        let table = Table::new(rows, widths).column_spacing(1);
        let heads = section.heads.iter().take(columns).map(|head| right((*head).to_owned()));
        let table = match section.heads.is_empty() {
            true => table,
            false => {
                let heads = Row::new(std::iter::once(Cell::from("")).chain(heads));
                table.header(heads.style(style(Mood::Faint, color)))
            }
        };
        frame.render_widget(table, body);
    }
}

/// The section as it is, or squeezed where not every column but the last (unbalance) has room.
fn fitting(section: Section, room: u16) -> Section {
    let wanted = section.heads.len().min(4);
    if columns(&section, room).0 >= wanted {
        return section;
    }
    let squeezed = |text: String| match text.contains(|c: char| c.is_ascii_digit()) {
        true => text.replace(' ', ""),
        false => text,
    };
    let rows = section.rows.into_iter().map(|row| sections::Row {
        name: row.name.replace("L12/23/31", "L-L"),
        cells: row.cells.into_iter().map(|(text, mood)| (squeezed(text), mood)).collect(),
    });
    Section { rows: rows.collect(), ..section }
}

/// Width of the names of rows.
fn names(section: &Section) -> u16 {
    let longest = section.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    u16::try_from(longest).unwrap_or(u16::MAX).min(NAME)
}

/// How many columns of values have room, and how wide they are. Columns that do not fit are left out, the last ones
/// first: half a number would be another number.
fn columns(section: &Section, room: u16) -> (usize, u16) {
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let cells =
        widest(&mut section.rows.iter().flat_map(|row| &row.cells).map(|(text, _)| text.chars().count()));
    let heads = widest(&mut section.heads.iter().map(|head| head.chars().count()));
    // Unbalance has the longest head; where it has no room its head needs none either.
    let heads = if section.heads.len() > 4 { heads.min(cells.max(6)) } else { heads };
    let need = u16::try_from(cells.max(heads)).unwrap_or(u16::MAX);
    let all = u16::try_from(section.heads.len().max(1)).unwrap_or(1);
    let room = room.saturating_sub(names(section));
    let columns = (room / need.saturating_add(1).max(1)).clamp(1, all);
    (usize::from(columns), (room / columns).saturating_sub(1).clamp(need.min(room), need + 2))
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Text::from(text).alignment(Alignment::Right))
}

fn style(mood: Mood, color: bool) -> Style {
    let plain = Style::new();
    match mood {
        Mood::Plain => plain,
        Mood::Head => plain.add_modifier(Modifier::BOLD),
        Mood::Bad if !color => plain.add_modifier(Modifier::BOLD),
        _ if !color => plain,
        Mood::Good => plain.fg(Color::Green),
        Mood::Doubtful => plain.fg(Color::Yellow),
        Mood::Bad => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
        Mood::Faint => plain.fg(Color::DarkGray),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossterm::event::{KeyCode, KeyEvent};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::Wish;
    use super::*;
    use crate::config::{self, Options};

    fn watch(meters: &[&str]) -> Watch {
        let named: Vec<_> = meters.iter().map(|meter| meter.parse().unwrap()).collect();
        let config = config::by_hand(&named, Options::default()).unwrap();
        Watch::new(config.meters.into_iter().map(Arc::new), false)
    }

    fn screen(watch: &Watch, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(watch, frame, SystemTime::UNIX_EPOCH)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn every_size_of_a_terminal_can_be_drawn() {
        let mut watch = watch(&["a=10.0.0.1", "b=modbus://10.0.0.2"]);
        for help in [false, true] {
            watch.help = help;
            for (width, height) in [(1, 1), (2, 40), (20, 5), (60, 24), (80, 24), (120, 40), (300, 3)] {
                screen(&watch, width, height);
            }
        }
    }

    #[test]
    fn keys_do_what_help_says() {
        let mut watch = watch(&["a=10.0.0.1", "b=10.0.0.2"]);
        let mut press = |code| watch.key(KeyEvent::from(code));
        assert_eq!(press(KeyCode::Char('n')), Wish::Stay);
        assert_eq!(press(KeyCode::Enter), Wish::Stay);
        assert_eq!(press(KeyCode::Char('p')), Wish::Stay);
        assert_eq!((watch.selected, watch.view, watch.paused), (1, View::One, true));
        assert!(screen(&watch, 80, 24).contains("PAUSED"));
        let mut press = |code| watch.key(KeyEvent::from(code));
        assert_eq!(press(KeyCode::Esc), Wish::Stay, "back to the list");
        assert_eq!(press(KeyCode::Char('h')), Wish::Stay);
        assert_eq!(press(KeyCode::Esc), Wish::Stay, "only the help goes");
        assert_eq!(press(KeyCode::Char('q')), Wish::Quit);
    }

    #[test]
    fn a_number_is_shown_whole_or_not_at_all() {
        let rows = vec![super::super::super::sections::Row {
            name: "Reactive power".to_owned(),
            cells: vec![("-1.883 kvar".to_owned(), Mood::Plain); 4],
        }];
        let title = String::new();
        let section =
            Section { table: Values::Realtime, title, heads: vec!["L1", "L2", "L3", "SYSTEM"], rows };
        for room in 30..120 {
            let (columns, width) = columns(&section, room);
            assert!(columns == 1 || width >= 11, "{room}: {columns} of {width}");
            let name = names(&section);
            assert!(
                name + columns as u16 * (width + 1) <= room.max(name + 12),
                "{room}: {columns} of {width}"
            );
        }
    }
}
