//! The written form of tags: as short as JSON allows, since there may be a million.
//!
//! `[["1.0", 1700000000000], "1.1", ["1.2", 1700000060000, 1700000050000]]`: a name with the time it was first seen, and perhaps the
//! one it was pushed; a bare name was first seen at the same time as the one before it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serializer};

use super::image::SeenTag;
use super::time;

pub(super) fn serialize<S: Serializer>(tags: &[SeenTag], to: S) -> Result<S::Ok, S::Error> {
    let mut list = to.serialize_seq(Some(tags.len()))?;
    let mut before = None;
    for SeenTag { name, first_seen, pushed } in tags {
        let seen = first_seen.as_millisecond();
        match pushed {
            Some(pushed) => list.serialize_element(&(name.as_str(), seen, pushed.as_millisecond()))?,
            None if before == Some(seen) => list.serialize_element(name.as_str())?,
            None => list.serialize_element(&(name.as_str(), seen))?,
        }
        before = Some(seen);
    }
    list.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Vec<SeenTag>>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<SeenTag>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of tags")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut seen: Vec<SeenTag> = Vec::new();
            while let Some(Entry { name, first_seen, pushed }) = list.next_element()? {
                let before = seen.last().map(|tag| tag.first_seen);
                seen.push(SeenTag { name, first_seen: first_seen.or(before).unwrap_or_default(), pushed });
            }
            Ok(seen)
        }
    }
    from.deserialize_seq(List).map(Arc::new)
}

fn tag<E: de::Error>(text: &str) -> Result<image::Tag, E> {
    image::Tag::parse(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &"a tag"))
}

struct Entry {
    name: image::Tag,
    first_seen: Option<Timestamp>,
    pushed: Option<Timestamp>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Tag;
        impl<'de> Visitor<'de> for Tag {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tag, or an array of a tag and times")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Entry, E> {
                Ok(Entry { name: tag(name)?, first_seen: None, pushed: None })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Entry, A::Error> {
                let name: Cow<'_, str> = parts.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let name = tag(&name)?;
                let first_seen = parts.next_element()?.map(time::of);
                Ok(Entry { name, first_seen, pushed: parts.next_element()?.map(time::of) })
            }
        }
        from.deserialize_any(Tag)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Image;

    #[test]
    fn as_short_as_possible() {
        let tag = |name: &str, seen, pushed: Option<i64>| SeenTag {
            name: image::Tag::parse(name).unwrap(),
            first_seen: time::of(seen),
            pushed: pushed.map(time::of),
        };
        let tags = vec![
            tag("1.0", 5, None),
            tag("1.1", 5, None),
            tag("1.2", 6, Some(-4)),
            tag("1.3", 6, None),
            tag("1.4", 5, None),
        ];
        let image = Image { tags: Arc::new(tags), ..Image::default() };
        let json = serde_json::to_value(&image).unwrap();
        assert_eq!(json["tags"].to_string(), r#"[["1.0",5],"1.1",["1.2",6,-4],"1.3",["1.4",5]]"#);
        assert_eq!(serde_json::from_value::<Image>(json).unwrap(), image);
        for wrong in ["1", "[[]]", "[[1]]", "[[\"a\", \"b\"]]", "[[\"a\", 1, 2, 3]]", "[null]"] {
            serde_json::from_str::<Image>(&format!("{{\"tags\": {wrong}, \"doubted\": false}}")).unwrap_err();
        }
    }
}
