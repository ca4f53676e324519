//! Environment variables in quoted strings, in the forms of Telegraf's own configuration.
//!
//! ```text
//! ${VAR}        the value of VAR; an error when it is not set
//! ${VAR:-text}  the value of VAR, or text when VAR is not set or empty
//! ${VAR:?text}  the value of VAR, or an error with this text when VAR is not set or empty
//! $$            a dollar sign
//! ```
//!
//! Telegraf leaves an unset `${VAR}` standing; here it is an error, because a meter that is polled at the
//! host name "${VAR}" helps nobody. A bare `$VAR` stays as it is: only the forms above are variables.

/// Replaces the variables in `text`; `lookup` answers with a variable's value.
///
/// # Errors
/// One sentence that names the variable or the form that is not known.
pub(super) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(braced) = after.strip_prefix('{') {
            let Some((inner, after)) = braced.split_once('}') else {
                return Err(format!("\"{text}\" has a ${{ without its }}, write $$ for a dollar sign"));
            };
            expanded.push_str(&variable(inner, &lookup)?);
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn variable(inner: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = inner.find(|c| !legal(c)).unwrap_or(inner.len());
    let (name, tail) = inner.split_at(end);
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let value = lookup(name);
    match (named, tail.get(..2), tail.get(2..)) {
        (true, None, _) if tail.is_empty() => value.ok_or_else(|| {
            format!("the environment variable {name} is not set, set it or write ${{{name}:-default}}")
        }),
        (true, Some(":-"), Some(default)) if !default.contains("${") => {
            Ok(value.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned()))
        }
        (true, Some(":?"), Some(message)) => value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("the environment variable {name} is not set: {message}")),
        _ => Err(format!(
            "\"${{{inner}}}\" is not one of ${{VAR}}, ${{VAR:-default}}, ${{VAR:?message}}, write $$ for a dollar sign"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_host(text: &str) -> Result<String, String> {
        expand(text, |name| match name {
            "HOST" => Some("meter-1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_expand_as_in_telegraf() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${HOST}", "meter-1"),
            ("${HOST}.plant:${PORT:-44818}", "meter-1.plant:44818"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY}", ""),
            ("${HOST:?no host}", "meter-1"),
            ("$${HOST} costs 5$", "${HOST} costs 5$"),
            ("$HOST", "$HOST"),
            ("ä${HOST}ß", "ämeter-1ß"),
        ] {
            assert_eq!(with_host(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_expanded_says_what_to_do() {
        for (text, expected) in [
            ("${NONE}", "the environment variable NONE is not set, set it or write ${NONE:-default}"),
            ("${EMPTY:?name the meter}", "the environment variable EMPTY is not set: name the meter"),
            ("${HOST", "without its }"),
            ("${1}", "is not one of"),
            ("${HOST:+x}", "is not one of"),
            ("${HOST-ä}", "is not one of"),
            ("${}", "is not one of"),
        ] {
            let reason = with_host(text).expect_err(text);
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }
}
