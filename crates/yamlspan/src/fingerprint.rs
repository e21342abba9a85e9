//! What a document says, as one number, but for its marked scalars.
//!
//! Taken from the first parser before an edit and from the second after it, equal fingerprints show that both read the
//! same structure, keys, values, styles, tags, anchors and aliases everywhere else. This guards against mistakes, not
//! against someone who looks for collisions: who can write the file can write its values.

use std::hash::{DefaultHasher, Hasher};

use crate::document::Style;

/// A fingerprint in the making: the events of a document, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Fingerprint(DefaultHasher);

/// The tag and anchor of a node: the resolved tag in two parts that read as one, the anchor's number or 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Properties<'p> {
    pub(crate) tag: Option<(&'p str, &'p str)>,
    pub(crate) anchor: usize,
}

impl Fingerprint {
    pub(crate) fn scalar(&mut self, value: &str, style: Style, properties: &Properties<'_>) {
        self.0.write_u8(style as u8);
        self.text(value);
        self.properties(properties);
    }

    /// A scalar whose value is checked elsewhere.
    pub(crate) fn marked(&mut self, anchor: usize) {
        self.0.write_u8(b'm');
        self.0.write_usize(anchor);
    }

    pub(crate) fn alias(&mut self, anchor: usize) {
        self.0.write_u8(b'*');
        self.0.write_usize(anchor);
    }

    pub(crate) fn open(&mut self, mapping: bool, properties: &Properties<'_>) {
        self.0.write_u8(if mapping { b'{' } else { b'[' });
        self.properties(properties);
    }

    pub(crate) fn close(&mut self) {
        self.0.write_u8(b'}');
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }

    fn properties(&mut self, properties: &Properties<'_>) {
        self.0.write_usize(properties.anchor);
        if let Some((handle, suffix)) = properties.tag {
            self.0.write(handle.as_bytes());
            self.text(suffix);
        }
    }

    fn text(&mut self, text: &str) {
        self.0.write(text.as_bytes());
        self.0.write_u8(0xFF);
    }
}
