//! README.md and the folder telegraf/ → the documents of a package.
//!
//! Where the folder is called otherwise, and whatever else of the repository is not beside it: links between these documents
//! are turned to where their targets are in the package, and of a link that leads out of it the words stay.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;

/// What a package has of the repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// What the folder telegraf/ is called.
    folder: &'static str,
    /// What stands beside README.md as it does here.
    beside: &'static [&'static str],
}

/// Debian's package: documents have a place of their own, and so has a license.
pub(crate) const DEBIAN: Layout = Layout { folder: "examples", beside: &[] };
/// The zip for Windows.
pub(crate) const ZIP: Layout = Layout { folder: "telegraf", beside: &["LICENSE.md"] };

/// Writes the documents into a directory.
pub(crate) fn write(into: &Path, layout: Layout) -> anyhow::Result<()> {
    let mut files = vec![PathBuf::from("README.md")];
    find(Path::new("telegraf"), &mut |file| files.push(file))?;
    for file in files {
        let to = into.join(in_package(&file, layout).unwrap_or_else(|| file.clone()));
        let folder = to.parent().unwrap_or(into);
        fs::create_dir_all(folder).with_context(|| format!("Cannot make {}", folder.display()))?;
        if file.extension().is_some_and(|extension| extension == "md") {
            let text =
                fs::read_to_string(&file).with_context(|| format!("Cannot read {}", file.display()))?;
            fs::write(&to, linked(&text, &file, layout))
        } else {
            fs::copy(&file, &to).map(drop)
        }
        .with_context(|| format!("Cannot write {}", to.display()))?;
    }
    Ok(())
}

/// Every file below a folder.
fn find(folder: &Path, found: &mut impl FnMut(PathBuf)) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| {
        format!("Cannot read {}; run this at the top of the repository", folder.display())
    })?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() { find(&path, found)? } else { found(path) }
    }
    Ok(())
}

/// Where something of the repository is in the package, if it is there.
fn in_package(path: &Path, layout: Layout) -> Option<PathBuf> {
    if path == Path::new("README.md") || layout.beside.iter().any(|beside| path == Path::new(beside)) {
        return Some(path.to_owned());
    }
    if path == Path::new("packaging/config.toml") {
        return Some("sample-config.toml".into());
    }
    let inside = path.strip_prefix("telegraf").ok()?;
    let folder = PathBuf::from(layout.folder);
    Some(if inside == Path::new("") { folder } else { folder.join(inside) })
}

/// The text of a document with its links as they are in the package.
fn linked(text: &str, file: &Path, layout: Layout) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((target, behind)) = after.split_once(')') else { break };
        rest = behind;
        match turned(target, file, layout) {
            Some(target) => done.push_str(&format!("{before}]({target})")),
            None => match before.rfind('[') {
                Some(open) => done.push_str(&format!("{}{}", &before[..open], &before[open + 1..])),
                None => done.push_str(before),
            },
        }
    }
    done + rest
}

/// A link of a document as it is in the package, or none if its target is not there.
fn turned(target: &str, file: &Path, layout: Layout) -> Option<String> {
    if target.contains(":/") || target.starts_with('#') {
        return Some(target.to_owned());
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let mut found = file.parent()?.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(found.pop()),
            part => found.push(part),
        }
    }
    let found = in_package(&found, layout)?;
    let from = in_package(file, layout)?;
    let up = "../".repeat(from.components().count() - 1);
    let anchor = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
    Some(format!("{up}{}{anchor}", found.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_where_things_are_in_the_package_and_of_others_the_words_stay() {
        let readme = Path::new("README.md");
        let linked = |text, file| linked(text, file, DEBIAN);
        assert_eq!(linked("[a](telegraf/README.md#x) b", readme), "[a](examples/README.md#x) b");
        assert_eq!(
            linked("[`c`](packaging/config.toml), [d](https://e.f)", readme),
            "[`c`](sample-config.toml), [d](https://e.f)"
        );
        assert_eq!(linked("as ([printed](tests/results/x.txt)).", readme), "as (printed).");
        let page = Path::new("telegraf/aws/README.md");
        assert_eq!(
            linked("[o](../outputs/o.conf), [r](../../README.md)", page),
            "[o](../../examples/outputs/o.conf), [r](../../README.md)"
        );
    }

    #[test]
    fn no_document_of_a_package_leads_to_what_is_not_in_it() {
        for layout in [DEBIAN, ZIP] {
            all_links_lead_somewhere(layout);
        }
    }

    fn all_links_lead_somewhere(layout: Layout) {
        let into =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp/package_documents").join(layout.folder);
        let _ = fs::remove_dir_all(&into);
        write(&into, layout).unwrap();
        for beside in layout.beside.iter().chain(&["sample-config.toml"]) {
            fs::write(into.join(beside), "").unwrap();
        }
        let mut documents = Vec::new();
        find(&into, &mut |file| documents.push(file)).unwrap();
        assert!(documents.len() > 40, "{documents:?}");
        for document in documents.iter().filter(|file| file.extension().is_some_and(|end| end == "md")) {
            let text = fs::read_to_string(document).unwrap();
            for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link)
            {
                let path = link.split('#').next().unwrap();
                let there =
                    path.is_empty() || path.contains(":/") || document.parent().unwrap().join(path).exists();
                assert!(there, "{}: {link}", document.display());
            }
        }
    }
}
