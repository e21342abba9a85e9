//! A reference to an image, in the parts in which Flux's statuses have it.

use std::fmt;

use serde_json::{Map, Value};

/// A reference to an image. Printed, it is `name:tag` or `name:tag@digest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRef<'a> {
    /// The image repository, as `ImageRepository.spec.image` has it.
    pub name: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// The digest, where the policy pins one.
    pub digest: Option<&'a str>,
}

impl<'a> ImageRef<'a> {
    /// Reads a reference out of a status; none where it is not an object with name and tag. An empty digest is none.
    #[must_use]
    pub fn read(value: &'a Value) -> Option<Self> {
        let text = |key| value.get(key).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
        // Before v1 the name was called `image`.
        let name = text("name").or_else(|| text("image"))?;
        Some(Self { name, tag: text("tag")?, digest: text("digest") })
    }

    /// Returns the reference as a status has it.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), self.name.into());
        fields.insert("tag".to_owned(), self.tag.into());
        if let Some(digest) = self.digest.filter(|digest| !digest.is_empty()) {
            fields.insert("digest".to_owned(), digest.into());
        }
        fields.into()
    }
}

impl fmt::Display for ImageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)?;
        match self.digest {
            Some(digest) if !digest.is_empty() => write!(f, "@{digest}"),
            _ => Ok(()),
        }
    }
}
