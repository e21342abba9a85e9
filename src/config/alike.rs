//! What several objects of a configuration have alike is made once, and shared.
//!
//! Thousands of policies have the same few ranges and patterns, and automations the same message. Made for each, these were a
//! quarter of the memory that an image costs; a compiled pattern alone takes ten times as much as all the rest.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use gotext::pattern::{self, Pattern};
use gotext::template::{ParseError, Template};
use gotext::version::{self, Range};
use tagwright_core::advisory::Advisory;

/// The name of message templates in errors, as in Flux.
const TEMPLATE_NAME: &str = "commit message";

/// What was made of texts so far.
#[derive(Debug, Default)]
pub(super) struct Alike {
    patterns: Made<Pattern>,
    ranges: Made<Range>,
    templates: Made<Template>,
    documents: Made<Arc<Advisory>>,
}

impl Alike {
    /// Reads a pattern.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub(super) fn pattern(&self, text: &str) -> Result<Pattern, pattern::Error> {
        self.patterns.of(text, Pattern::parse)
    }

    /// Reads a range of versions.
    ///
    /// # Errors
    /// As [`Range::parse`].
    pub(super) fn range(&self, text: &str) -> Result<Range, version::Error> {
        self.ranges.of(text, Range::parse)
    }

    /// Reads a document, by what tells its file from others.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn document(
        &self,
        key: &str,
        read: impl FnOnce() -> Result<Arc<Advisory>, String>,
    ) -> Result<Arc<Advisory>, String> {
        self.documents.of(key, |_| read())
    }

    /// Reads the template of a message.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub(super) fn message(&self, text: &str) -> Result<Template, ParseError> {
        self.templates.of(text, |text| Template::parse(TEMPLATE_NAME, text))
    }
}

/// What was made of texts; its clones share what is large.
#[derive(Debug)]
struct Made<T>(RefCell<HashMap<String, T>>);

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Clone> Made<T> {
    fn of<E>(&self, text: &str, make: impl FnOnce(&str) -> Result<T, E>) -> Result<T, E> {
        if let Some(made) = self.0.borrow().get(text) {
            return Ok(made.clone());
        }
        let made = make(text)?;
        self.0.borrow_mut().insert(text.to_owned(), made.clone());
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_alike_is_shared() {
        let alike = Alike::default();
        let [first, second] = [(); 2].map(|()| alike.pattern("^v1-").unwrap());
        assert!(std::ptr::eq(first.regex(), second.regex()));
        let [first, second] = [(); 2].map(|()| alike.range("1.x").unwrap());
        assert!(std::ptr::eq(first.as_str(), second.as_str()));
        let [first, second] = [(); 2].map(|()| alike.message("{{ .AutomationObject }}").unwrap());
        assert!(std::ptr::eq(first.source(), second.source()));
        assert_ne!(alike.range("2.x").unwrap(), alike.range("1.x").unwrap());
        alike.pattern("(").unwrap_err();
        alike.pattern("(").unwrap_err();
    }
}
