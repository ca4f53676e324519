//! README.md and the folder telegraf/ → the documents of the package.
//!
//! The folder is called examples there, and nothing else of the repository is beside it: links between these documents are
//! turned to where their targets are in the package, and of a link that leads out of it the words stay.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;

/// Writes the documents into a directory.
pub(crate) fn write(into: &Path) -> anyhow::Result<()> {
    let mut files = vec![PathBuf::from("README.md")];
    find(Path::new("telegraf"), &mut |file| files.push(file))?;
    for file in files {
        let to = into.join(in_package(&file).unwrap_or_else(|| file.clone()));
        let folder = to.parent().unwrap_or(into);
        fs::create_dir_all(folder).with_context(|| format!("Cannot make {}", folder.display()))?;
        if file.extension().is_some_and(|extension| extension == "md") {
            let text =
                fs::read_to_string(&file).with_context(|| format!("Cannot read {}", file.display()))?;
            fs::write(&to, linked(&text, &file))
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
fn in_package(path: &Path) -> Option<PathBuf> {
    if path == Path::new("README.md") {
        return Some(path.to_owned());
    }
    if path == Path::new("packaging/config.toml") {
        return Some("sample-config.toml".into());
    }
    let example = path.strip_prefix("telegraf").ok()?;
    Some(if example == Path::new("") { "examples".into() } else { Path::new("examples").join(example) })
}

/// The text of a document with its links as they are in the package.
fn linked(text: &str, file: &Path) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let Some((target, behind)) = after.split_once(')') else { break };
        rest = behind;
        match turned(target, file) {
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
fn turned(target: &str, file: &Path) -> Option<String> {
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
    let found = in_package(&found)?;
    let from = in_package(file)?;
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
    fn no_document_of_the_package_leads_to_what_is_not_in_it() {
        let into = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp/package_documents");
        let _ = fs::remove_dir_all(&into);
        write(&into).unwrap();
        fs::write(into.join("sample-config.toml"), "").unwrap();
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
