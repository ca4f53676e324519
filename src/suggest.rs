//! "Did you mean …?" for names a person typed.

/// The known name nearest to `word`, if one is near enough to be a slip.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // One letter is near to every other one.
    let allowed = if length > 1 { (length / 3).clamp(1, 3) } else { 0 };
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .min()
        .filter(|(distance, _)| *distance <= allowed)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let names = ["interval", "precision", "tables"];
        assert_eq!(nearest("intervall", names), Some("interval"));
        assert_eq!(nearest("tabels", names), Some("tables"));
        assert_eq!(nearest("banana", names), None);
        assert_eq!(nearest("Q", ["N", "E", "O"]), None);
    }
}
