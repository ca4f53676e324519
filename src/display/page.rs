//! Where a text goes: a terminal of some width, or a pipe that somebody else reads.

use std::io::IsTerminal as _;

use crossterm::style::Stylize as _;

use super::mood::Mood;

/// How a text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// Columns of the terminal; none for a pipe or a file, whose reader folds lines or does not.
    pub width: Option<u16>,
    /// Whether colors are shown.
    pub color: bool,
}

impl Page {
    /// Standard output as it is now. Colors are for terminals only, and for nobody who set `NO_COLOR`.
    pub fn of_stdout() -> Page {
        if !std::io::stdout().is_terminal() {
            return Page::default();
        }
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let capable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let size = crossterm::terminal::size().ok();
        Page {
            width: size.map(|(columns, _)| columns).filter(|columns| *columns > 0),
            color: wanted && capable,
        }
    }

    /// A text that is meant like this.
    pub fn mood(self, text: &str, mood: Mood) -> String {
        let style = match mood {
            Mood::Plain => return text.to_owned(),
            _ if !self.color => return text.to_owned(),
            Mood::Head => text.bold(),
            Mood::Good => text.dark_green(),
            Mood::Doubtful => text.dark_yellow(),
            Mood::Bad => text.dark_red().bold(),
            Mood::Faint => text.dim(),
        };
        style.to_string()
    }

    /// A paragraph folded at spaces; its first line begins with `first`, further ones with `indent`.
    pub fn fold(self, first: &str, text: &str, indent: &str) -> String {
        let Some(width) = self.width.map(usize::from) else { return format!("{first}{text}") };
        let mut folded = first.to_owned();
        let mut column = first.chars().count();
        for (index, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if index > 0 && column + 1 + length > width {
                folded.push('\n');
                folded.push_str(indent);
                column = indent.chars().count();
            } else if index > 0 {
                folded.push(' ');
                column += 1;
            }
            folded.push_str(word);
            column += length;
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_folded_on_a_terminal_and_left_alone_in_a_pipe() {
        let page = Page { width: Some(20), color: false };
        let folded = page.fold("", "one two three four five six", "  ");
        assert_eq!(folded, "one two three four\n  five six");
        // The indent of the first line takes its place, too.
        let folded = page.fold("  ", "one two three four five six", "    ");
        assert_eq!(folded, "  one two three four\n    five six");
        assert_eq!(Page::default().fold("  ", "one two three", "  "), "  one two three");
        // A word that is longer than the page stays whole.
        assert_eq!(page.fold("", "a 0123456789012345678901234 b", ""), "a\n0123456789012345678901234\nb");
    }
}
