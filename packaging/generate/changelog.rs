//! `packaging/CHANGELOG.md` → the package's changelog in Debian's form.

use anyhow::{Context, bail};
use jiff::civil::Date;

/// Width of Debian's changelogs.
const WIDTH: usize = 79;

/// The text of the file, by whoever maintains the package.
pub(crate) fn text(changes: &str, maintainer: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    for section in changes.split("\n## ").skip(1) {
        let (heading, body) = section.split_once('\n').context("A section of the changelog is empty")?;
        let (version, date) = heading
            .split_once(" - ")
            .with_context(|| format!("\"## {heading}\" in the changelog is not \"## VERSION - DATE\""))?;
        let date: Date =
            date.trim().parse().with_context(|| format!("\"{date}\" in the changelog is no date"))?;
        text.push_str(&format!("telegraf-pm500 ({version}) unstable; urgency=medium\n\n"));
        for item in items(body)? {
            text.push_str(&wrapped(&item));
        }
        let date = date.strftime("%a, %d %b %Y");
        // Debian's form wants an address, and takes an empty one.
        let signed =
            if maintainer.contains('<') { maintainer.to_owned() } else { format!("{maintainer} <>") };
        text.push_str(&format!("\n -- {signed}  {date} 00:00:00 +0000\n\n"));
    }
    if text.is_empty() {
        bail!("The changelog has no section");
    }
    text.truncate(text.trim_end().len() + 1);
    Ok(text)
}

/// The items of a section, each on one line.
fn items(body: &str) -> anyhow::Result<Vec<String>> {
    let mut items: Vec<String> = Vec::new();
    for line in body.lines().filter(|line| !line.trim().is_empty()) {
        match (line.strip_prefix("- "), line.strip_prefix("  ")) {
            (Some(first), _) => items.push(first.to_owned()),
            (None, Some(more)) => {
                let item = items.last_mut().context("A section of the changelog begins without \"- \"")?;
                item.push(' ');
                item.push_str(more);
            }
            _ => bail!("\"{line}\" in the changelog is neither an item nor goes on with one"),
        }
    }
    Ok(items)
}

fn wrapped(item: &str) -> String {
    let (mut text, mut line) = (String::new(), "  *".to_owned());
    for word in item.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = "   ".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_becomes_an_entry_and_an_item_of_two_lines_one_item() {
        let changes = "# Changelog\n\nText.\n\n## 1.2.0 - 2026-11-26\n\n- One\n  thing.\n- Another.\n\n## 1.1.0 - 2026-11-24\n\n- First.\n";
        let wanted = "telegraf-pm500 (1.2.0) unstable; urgency=medium\n\n  * One thing.\n  * Another.\n\n -- A B <a@b.c>  Thu, 26 Nov 2026 00:00:00 +0000\n\n\
                      telegraf-pm500 (1.1.0) unstable; urgency=medium\n\n  * First.\n\n -- A B <a@b.c>  Tue, 24 Nov 2026 00:00:00 +0000\n";
        assert_eq!(text(changes, "A B <a@b.c>").unwrap(), wanted);
        assert!(text("# Changelog\n", "A B").is_err());
    }

    #[test]
    fn the_shipped_changelog_has_that_form() {
        let text = text(include_str!("../CHANGELOG.md"), "A B").unwrap();
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.contains(" -- A B <>  "), "{text}");
    }
}
