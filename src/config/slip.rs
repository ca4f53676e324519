//! Slips of writing: a line that is no TOML → what was probably meant.
//!
//! The parser says where a line stops being TOML; people write quotes, comments and assignments as they do in
//! other files, and want to be told what to write here.

/// A slip, as the sentence that mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Slip {
    /// Quotes of a word processor.
    #[error("the quote {0} is a typographic one, write the plain \" of programs")]
    CurlyQuote(char),
    /// A character that nobody sees.
    #[error("an invisible character U+{:04X} stands in this line, write the line again", u32::from(*.0))]
    Invisible(char),
    /// A comment of another language.
    #[error("a comment begins with #, not with {0}")]
    Comment(&'static str),
    /// `key: value`.
    #[error("write {0} = and then the value, with an equals sign instead of the colon")]
    Colon(String),
    /// `{ name: value }`.
    #[error("{0}: inside the braces write name = value, with an equals sign instead of the colon")]
    ColonInBraces(String),
    /// A line of words.
    #[error("this line is no option, which has the form name = value")]
    NoOption,
    /// `key value`.
    #[error("an equals sign is missing, write {0} = and then the value")]
    NoEquals(String),
    /// `==`, `:=`, `=>`.
    #[error("write one equals sign instead of {1}: {0} = and then the value")]
    OtherEquals(String, &'static str),
    /// `key =`.
    #[error("{0} has no value, write one after the equals sign or take the line out")]
    NoValue(String),
    /// A text whose quotes are not a pair.
    #[error("{0}: the quotes are not a pair, a text begins and ends with \"")]
    OpenQuote(String),
    /// A text without quotes.
    #[error("{0}: put the value in quotes, unless it is a number, true or false")]
    Unquoted(String),
    /// `True`, `yes`, `on`.
    #[error("{0}: write true or false, in small letters and without quotes, instead of {1}")]
    Boolean(String, String),
    /// A list without its quotes and brackets.
    #[error("{0}: write a list, such as [\"realtime\", \"alarm\"]")]
    List(String),
    /// A backslash that is not one.
    #[error(
        "{0}: a backslash in \" must be written twice; in single quotes ' it stands for itself, and a path takes / on Windows, too"
    )]
    Backslash(String),
    /// A comma or semicolon at the end.
    #[error("{0}: nothing follows a value, take the {1} at the end of the line out")]
    Trailing(String, char),
    /// Something else behind the value.
    #[error("{0}: nothing but a comment with # can follow the value")]
    AfterValue(String),
    /// Two values side by side in a list.
    #[error("{0}: values in a list are separated by commas")]
    NoComma(String),
    /// A bracket or brace that is not closed.
    #[error("{0}: the {1} has no closing {2}")]
    Open(String, char, char),
    /// A header whose brackets are not pairs.
    #[error("the brackets of this header are not pairs, as in [[inputs.powermonitor_500]]")]
    Header,
    /// A file of another kind.
    #[error("this is {0}, and a configuration is TOML: \"telegraf-pm500 --sample-config\" prints one")]
    OtherFormat(&'static str),
}

/// The options that are lists.
const LISTS: [&str; 5] = ["tables", "modbus_tables", "listen_tables", "fieldinclude", "fieldexclude"];

/// What is wrong with a line that the parser refused.
pub(super) fn find(text: &str, line: &str) -> Option<Slip> {
    let written = line.trim();
    other_format(text)
        .or_else(|| characters(line))
        .or_else(|| comment(written))
        .or_else(|| header(written))
        .or_else(|| assignment(written))
}

/// Another format, as the first line that says anything shows.
fn other_format(text: &str) -> Option<Slip> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    match first.chars().next()? {
        '{' => Some(Slip::OtherFormat("JSON")),
        '<' => Some(Slip::OtherFormat("XML")),
        _ if first == "---" || (first.ends_with(':') && !first.contains([' ', '='])) => {
            Some(Slip::OtherFormat("YAML"))
        }
        _ => None,
    }
}

/// Characters that look like others, outside of texts that are well quoted.
fn characters(line: &str) -> Option<Slip> {
    let mut within = None;
    for c in line.chars() {
        match (within, c) {
            (Some(open), c) if c == open => within = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => within = Some(c),
            (None, '#') => return None,
            (
                None,
                '“' | '”' | '„' | '‟' | '‘' | '’' | '‚' | '‛' | '«' | '»' | '‹' | '›' | '″' | '＂' | '`'
                | '´',
            ) => {
                return Some(Slip::CurlyQuote(c));
            }
            (None, c) if super::names::is_invisible(c) && c != '\t' => return Some(Slip::Invisible(c)),
            (None, _) => {}
        }
    }
    None
}

fn comment(line: &str) -> Option<Slip> {
    const OTHERS: [&str; 6] = ["//", "--", "/*", ";", "%", "!"];
    OTHERS.into_iter().find(|begin| line.starts_with(begin)).map(Slip::Comment)
}

fn header(line: &str) -> Option<Slip> {
    if !line.starts_with('[') {
        return None;
    }
    let line = before_comment(line);
    let opened = line.chars().take_while(|c| *c == '[').count();
    let closed = line.chars().rev().take_while(|c| *c == ']').count();
    (opened != closed || opened > 2).then_some(Slip::Header)
}

fn assignment(line: &str) -> Option<Slip> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    if key.is_empty() {
        return None;
    }
    let name = || key.to_owned();
    type Named = fn(String) -> Slip;
    let others: [(&str, Named); 4] = [
        (":=", |key| Slip::OtherEquals(key, ":=")),
        ("==", |key| Slip::OtherEquals(key, "==")),
        ("=>", |key| Slip::OtherEquals(key, "=>")),
        (":", Slip::Colon),
    ];
    if let Some((_, slip)) = others.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Some(slip(name()));
    }
    match rest.strip_prefix('=') {
        Some(value) => value_slip(key, value.trim()),
        None if rest.starts_with(['"', '\'', '[', '{']) || rest.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(Slip::NoEquals(name()))
        }
        None => Some(Slip::NoOption),
    }
}

/// What is wrong with the value of an assignment.
fn value_slip(key: &str, value: &str) -> Option<Slip> {
    let name = || key.to_owned();
    let bare = before_comment(value);
    match value.chars().next() {
        None | Some('#') => Some(Slip::NoValue(name())),
        Some(quote @ ('"' | '\'')) => {
            let Some(end) = end_of_text(value, quote) else {
                // A backslash before the last quote takes it in: "C:\meters\".
                return Some(match value.contains('\\') && value.trim_end().ends_with(quote) {
                    true => Slip::Backslash(name()),
                    false => Slip::OpenQuote(name()),
                });
            };
            let after = value[end..].trim_start();
            match after.chars().next() {
                None | Some('#') if value[..end].contains('\\') => Some(Slip::Backslash(name())),
                None | Some('#') => None,
                _ => Some(behind(key, after)),
            }
        }
        Some(open @ ('[' | '{')) => within(key, bare, open),
        Some(_) => Some(word(key, bare)),
    }
}

/// What stands behind a value.
fn behind(key: &str, after: &str) -> Slip {
    match (comment(after), after) {
        (_, "," | ";") => Slip::Trailing(key.to_owned(), after.chars().next().unwrap_or(',')),
        (Some(comment), _) => comment,
        _ => Slip::AfterValue(key.to_owned()),
    }
}

/// What is wrong in a list or a table in braces.
fn within(key: &str, value: &str, open: char) -> Option<Slip> {
    let close = if open == '[' { ']' } else { '}' };
    let mut depth = 0_i32;
    let mut rest = value;
    let mut text_before = false;
    while let Some(c) = rest.chars().next() {
        match c {
            '"' | '\'' => {
                if text_before {
                    return Some(Slip::NoComma(key.to_owned()));
                }
                let Some(end) = end_of_text(rest, c) else { return Some(Slip::OpenQuote(key.to_owned())) };
                text_before = true;
                rest = &rest[end..];
                continue;
            }
            ':' if open == '{' => return Some(Slip::ColonInBraces(key.to_owned())),
            c if c == open => depth += 1,
            c if c == close => {
                depth -= 1;
                let after = rest[1..].trim_start();
                if depth == 0 && !after.is_empty() && !after.starts_with('#') {
                    return Some(behind(key, after));
                }
            }
            c if c.is_alphabetic() && open == '[' => return Some(Slip::List(key.to_owned())),
            _ => {}
        }
        text_before &= c.is_whitespace();
        rest = &rest[c.len_utf8()..];
    }
    (depth > 0).then(|| Slip::Open(key.to_owned(), open, close))
}

/// What a value without quotes was meant to be.
fn word(key: &str, value: &str) -> Slip {
    let first = value.split([' ', '\t', ',', ';']).next().unwrap_or_default();
    let is_word = |words: &[&str]| words.iter().any(|word| first.eq_ignore_ascii_case(word));
    if LISTS.contains(&key) {
        return Slip::List(key.to_owned());
    }
    if is_word(&["true", "false", "yes", "no", "on", "off"]) && first == value {
        return Slip::Boolean(key.to_owned(), first.to_owned());
    }
    let number = first.parse::<f64>().is_ok() || first == "true" || first == "false";
    if number && first.len() < value.len() {
        return behind(key, value[first.len()..].trim_start());
    }
    if value.ends_with('"') || value.ends_with('\'') {
        return Slip::OpenQuote(key.to_owned());
    }
    Slip::Unquoted(key.to_owned())
}

/// Where a quoted text at the beginning ends, its last quote included.
fn end_of_text(value: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// The line without a comment at its end, quotes respected.
fn before_comment(line: &str) -> &str {
    let mut within = None;
    for (at, c) in line.char_indices() {
        match (within, c) {
            (Some(open), c) if c == open => within = None,
            (None, '"' | '\'') => within = Some(c),
            (None, '#') => return line[..at].trim_end(),
            _ => {}
        }
    }
    line.trim_end()
}
