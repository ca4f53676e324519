//! How a text is meant, whatever shows it.

/// How a cell is meant, which a terminal shows by its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// As any other.
    #[default]
    Plain,
    /// The name of a column, or of what follows.
    Head,
    /// As it should be.
    Good,
    /// Worth a look.
    Doubtful,
    /// Wrong.
    Bad,
    /// Not important.
    Faint,
}
