//! What the fields of a status hold, as the API has them: what does not fit is nothing that could be stored again.

use jiff::Timestamp;
use serde_json::Value;

use crate::ImageRef;

/// A field that a kind has, and what it holds.
pub(crate) type Field = (&'static str, Shape);

/// What a field of a status holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A text.
    Text,
    /// A time, as text.
    Time,
    /// A whole number.
    Whole,
    /// A list of anything.
    List,
    /// A list of texts.
    Texts,
    /// A reference to an image.
    Image,
    /// References to images, by name.
    Images,
    /// The result of a scan.
    Scan,
}

impl Shape {
    /// Tells whether a value can be in such a field.
    pub(crate) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Time => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
            Self::Whole => value.is_i64(),
            Self::List => value.is_array(),
            Self::Texts => value.as_array().is_some_and(|values| values.iter().all(Value::is_string)),
            Self::Image => ImageRef::read(value).is_some() && absent_or(Self::Text, value, "digest"),
            Self::Images => {
                value.as_object().is_some_and(|values| values.values().all(|value| Self::Image.fits(value)))
            }
            Self::Scan => {
                value.get("tagCount").is_some_and(|count| Self::Whole.fits(count))
                    && absent_or(Self::Text, value, "revision")
                    && absent_or(Self::Time, value, "scanTime")
                    && absent_or(Self::Texts, value, "latestTags")
            }
        }
    }
}

fn absent_or(shape: Shape, value: &Value, name: &str) -> bool {
    value.get(name).is_none_or(|value| shape.fits(value))
}
