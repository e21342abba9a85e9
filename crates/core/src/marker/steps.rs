//! Ways through a document: singular queries of JSONPath.

use std::fmt;

use yamlspan::tree::{Collection, Tree};

/// The most steps of a way to a field.
const MAX_STEPS: usize = 64;

/// The way from the root of a document to a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Steps(Vec<Step>);

/// One step of a way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Into the value of a key.
    Key(String),
    /// Into an item, from 0; from -1 backwards.
    Item(i64),
}

impl Steps {
    /// Reads a singular query of JSONPath (RFC 9535), such as `$.spec.x[0]['a.b']`; `$.` may be left out, and names without quotes
    /// may have whatever characters are not `.`, `[` and `]`.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence about the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        if rest.len() == text.len() && !rest.starts_with(['.', '[']) {
            rest = Self::name(rest, &mut steps)?;
        }
        while !rest.is_empty() {
            rest = match rest.strip_prefix('.') {
                Some(name) => Self::name(name, &mut steps)?,
                None => Self::bracket(rest, &mut steps)?,
            };
            if steps.len() > MAX_STEPS {
                return Err(format!("has more than {MAX_STEPS} steps"));
            }
        }
        if steps.is_empty() { Err("leads nowhere".to_owned()) } else { Ok(Self(steps)) }
    }

    /// The way along these keys.
    #[must_use]
    pub fn of_keys<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self(keys.into_iter().map(|key| Step::Key(key.to_owned())).collect())
    }

    fn name<'t>(text: &'t str, steps: &mut Vec<Step>) -> Result<&'t str, String> {
        let end = text.find(['.', '[', ']']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        match name {
            "" => Err("has a `.` without a key behind it".to_owned()),
            "*" => Err("has a `*`, and one place is wanted".to_owned()),
            name => {
                steps.push(Step::Key(name.to_owned()));
                Ok(rest)
            }
        }
    }

    fn bracket<'t>(text: &'t str, steps: &mut Vec<Step>) -> Result<&'t str, String> {
        let inner = text.strip_prefix('[').ok_or_else(|| format!("cannot be read from {text:?} on"))?;
        if let Some(quote) = inner.chars().next().filter(|first| matches!(first, '\'' | '"')) {
            let end = inner[1..].find(quote).ok_or("has a quote without an end")?;
            steps.push(Step::Key(inner[1..=end].to_owned()));
            return inner[end + 2..].strip_prefix(']').ok_or_else(|| "has a `[` without a `]`".to_owned());
        }
        let (number, rest) = inner.split_once(']').ok_or("has a `[` without a `]`")?;
        let number =
            number.parse().map_err(|_| format!("has {number:?} in brackets, which is no number and not in quotes"))?;
        steps.push(Step::Item(number));
        Ok(rest)
    }

    /// One after the other.
    pub(crate) fn all(&self) -> &[Step] {
        &self.0
    }

    /// The same below a key.
    #[must_use]
    pub fn below(mut self, key: &str) -> Self {
        self.0.insert(0, Step::Key(key.to_owned()));
        self
    }

    /// The node at the end of the way.
    pub(super) fn node(&self, tree: &Tree<'_>) -> Option<usize> {
        let mut at = tree.collections.first()?;
        let (last, before) = self.0.split_last()?;
        for step in before {
            at = &tree.collections[step.entry(at)?.collection?];
        }
        Some(last.entry(at)?.node)
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.0 {
            match step {
                Step::Key(key) if key.contains(['.', '[', ']', '\'', '"']) || key.is_empty() => write!(f, "[{key:?}]")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(at) => write!(f, "[{at}]")?,
            }
        }
        Ok(())
    }
}

impl Step {
    fn entry<'t, 'd>(&self, around: &'t Collection<'d>) -> Option<&'t yamlspan::tree::Entry<'d>> {
        match self {
            Self::Key(key) if around.is_mapping => around.entries.iter().find(|entry| entry.key == key),
            Self::Item(at) if !around.is_mapping => Self::item(*at, &around.entries),
            _ => None,
        }
    }

    /// The item of this number, which counts from the end where it is negative.
    pub(crate) fn item<T>(at: i64, items: &[T]) -> Option<&T> {
        let from_end = || items.len().checked_sub(usize::try_from(at.unsigned_abs()).ok()?);
        let index = if at < 0 { from_end()? } else { usize::try_from(at).ok()? };
        items.get(index)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn steps_are_those_of_jsonpath() {
        for (text, shown) in [
            ("$.spec.x[0].image", "$.spec.x[0].image"),
            ("spec.x[0]['a.b']", "$.spec.x[0][\"a.b\"]"),
            ("$['a'][\"b\"][-1]", "$.a.b[-1]"),
            ("[2]", "$[2]"),
        ] {
            assert_eq!(Steps::parse(text).map(|steps| steps.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in [
            "",
            "$",
            ".",
            "$..a",
            "a.",
            "a[",
            "a[b]",
            "a['b",
            "a['b'",
            "a]",
            "*",
            "a[*]",
            "a[0:1]",
            "$x",
            &"a.".repeat(70),
        ] {
            assert!(Steps::parse(text).is_err(), "{text}");
        }
    }
}
