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

/// A variable that cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// A brace that is not closed.
    #[error("\"{0}\" has a ${{ without its }}, write $$ for a dollar sign")]
    Open(String),
    /// `${VAR}` that is not set.
    #[error("the environment variable {0} is not set, set it or write ${{{0}:-default}}")]
    Unset(String),
    /// `${VAR:?text}` that is not set, with its text.
    #[error("the environment variable {name} is not set: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the configuration says about it.
        message: String,
    },
    /// Another form.
    #[error(
        "\"${{{0}}}\" is not one of ${{VAR}}, ${{VAR:-default}}, ${{VAR:?message}}, write $$ for a dollar sign"
    )]
    Form(String),
}

/// Replaces the variables in `text`; `lookup` answers with a variable's value.
///
/// # Errors
/// The variable, or the form that is not known; never a variable's value.
pub(crate) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, VariableError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(braced) = after.strip_prefix('{') {
            let Some((inner, after)) = braced.split_once('}') else {
                return Err(VariableError::Open(text.to_owned()));
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

fn variable(inner: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, VariableError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = inner.find(|c| !legal(c)).unwrap_or(inner.len());
    let (name, tail) = inner.split_at(end);
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let value = lookup(name);
    match (named, tail.get(..2), tail.get(2..)) {
        (true, None, _) if tail.is_empty() => value.ok_or_else(|| VariableError::Unset(name.to_owned())),
        (true, Some(":-"), Some(default)) if !default.contains("${") => {
            Ok(value.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned()))
        }
        (true, Some(":?"), Some(message)) => value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| VariableError::Required { name: name.to_owned(), message: message.to_owned() }),
        _ => Err(VariableError::Form(inner.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_host(text: &str) -> Result<String, VariableError> {
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
            assert_eq!(with_host(text), Ok(expected.to_owned()), "{text}");
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
            let reason = with_host(text).expect_err(text).to_string();
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }
}
