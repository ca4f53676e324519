//! The one text table of all commands: columns side by side, folded to the page.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Width, presets,
};

use super::mood::Mood;
use super::page::Page;

/// A table that is being filled.
#[derive(Debug)]
pub struct TextTable {
    table: comfy_table::Table,
}

impl TextTable {
    /// A table with these column heads; none for a table without heads.
    pub fn new<'a>(heads: impl IntoIterator<Item = &'a str>) -> TextTable {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        let heads: Vec<Cell> = heads.into_iter().map(|head| cell(head, Mood::Head)).collect();
        if !heads.is_empty() {
            table.set_header(heads);
        }
        TextTable { table }
    }

    /// Adds a row.
    pub fn row<S: ToString>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.moods(cells.into_iter().map(|text| (text, Mood::Plain)));
    }

    /// Adds a row whose cells say how they are meant.
    pub fn moods<S: ToString>(&mut self, cells: impl IntoIterator<Item = (S, Mood)>) {
        self.table.add_row(cells.into_iter().map(|(text, mood)| cell(&text.to_string(), mood)));
    }

    /// Aligns the cells of a column at their right, as numbers are; the head follows.
    pub fn right(&mut self, column: usize) {
        if let Some(column) = self.table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }

    /// Keeps a column from being folded.
    pub fn whole(&mut self, column: usize) {
        if let Some(column) = self.table.column_mut(column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }

    /// Gives a column at least this many characters when others take its place.
    pub fn at_least(&mut self, column: usize, characters: u16) {
        if let Some(column) = self.table.column_mut(column) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(characters)));
        }
    }

    /// The table's lines, none of which ends in spaces.
    pub fn print(mut self, page: Page) -> String {
        match page.color {
            true => self.table.enforce_styling(),
            false => self.table.force_no_tty(),
        };
        match page.width {
            Some(width) => self.table.set_width(width),
            None => self.table.set_content_arrangement(ContentArrangement::Disabled),
        };
        let last = self.table.column_count().saturating_sub(1);
        for (index, column) in self.table.column_iter_mut().enumerate() {
            // Two spaces between columns, none before the first and after the last.
            column.set_padding((0, if index < last { 2 } else { 0 }));
        }
        let mut text = String::new();
        for line in self.table.lines() {
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

fn cell(text: &str, mood: Mood) -> Cell {
    let cell = Cell::new(text);
    match mood {
        Mood::Plain => cell,
        Mood::Head => cell.add_attribute(Attribute::Bold),
        Mood::Good => cell.fg(Color::DarkGreen),
        Mood::Doubtful => cell.fg(Color::DarkYellow),
        Mood::Bad => cell.fg(Color::DarkRed).add_attribute(Attribute::Bold),
        Mood::Faint => cell.add_attribute(Attribute::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        let mut table = TextTable::new(["METER", "VALUE", "WHAT"]);
        table.row(["press 4", "1.5", "a long sentence about what it is"]);
        table.moods([("oven", Mood::Plain), ("230.1", Mood::Bad), ("", Mood::Plain)]);
        table.right(1);
        table
    }

    #[test]
    fn a_pipe_gets_whole_lines_without_colors_and_without_spaces_at_their_ends() {
        assert_eq!(
            table().print(Page::default()),
            "METER    VALUE  WHAT\n\
             press 4    1.5  a long sentence about what it is\n\
             oven     230.1\n"
        );
    }

    #[test]
    fn numbers_stay_whole_in_a_column_that_is_given_their_length() {
        for width in 20..60 {
            let mut table = TextTable::new(["GROUP", "VERDICT", "READS"]);
            table.row(["active powers", "1 proven, 3 consistent", "21098.5  12507.2  14245.2  47850.8 W"]);
            table.at_least(2, 7);
            let text = table.print(Page { width: Some(width), color: false });
            for number in ["21098.5", "12507.2", "14245.2", "47850.8"] {
                assert!(text.contains(number), "{width}: {text}");
            }
        }
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_and_colors_if_it_wants_them() {
        let text = table().print(Page { width: Some(30), color: false });
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
        assert!(text.contains("press 4") && !text.contains('\u{1b}'), "{text}");
        let text = table().print(Page { width: Some(80), color: true });
        assert!(text.contains("\u{1b}[") && text.contains("230.1"), "{text:?}");
    }
}
