//! Tags that were pushed, as one replica tells them another: whoever a webhook reaches passes them on to whoever polls the image.
//!
//! The annotation `tagwright.dev/pushed` of the object that the image is configured on has a line for each tag, `TIME IMAGE:TAG`.
//!
//! - Who passes on adds lines to those that stand there, by a compare-and-swap, so that nothing is lost of what several say at once.
//!   What is older than [`KEPT`] goes, so that there are few; where there would be more than [`MAX_TAGS`], the list is asked for instead.
//! - Who polls the image looks at the lines that it has not seen there before. One that stands there when an object is first seen says
//!   nothing: whoever begins with an image, or takes it over, lists its tags first.
//! - Whoever may write the object can write such a line. It can name the image of the object and tags of OCI's grammar, and nothing more
//!   comes of it than of a webhook: the registry is asked whether the tag is there.

use std::collections::{BTreeSet, HashSet};

use image::Tag;
use jiff::{SignedDuration, Timestamp};
use kubernetes::Object;
use serde_json::{Value, json};

use super::objects::News;
use crate::schedule::MAX_TAGS;

/// The annotation.
pub(super) const PUSHED: &str = "tagwright.dev/pushed";

/// How long a line stays: longer than a replica that works is behind.
const KEPT: SignedDuration = SignedDuration::from_mins(10);

/// Tags with the canonical names of their image repositories.
pub(super) type Tags = BTreeSet<(String, Tag)>;

/// A line that can be read.
struct Line<'t> {
    text: &'t str,
    time: Timestamp,
    image: &'t str,
    tag: Tag,
}

impl<'t> Line<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (time, what) = text.split_once(' ')?;
        let (image, tag) = what.rsplit_once(':')?;
        Some(Self { text, time: time.parse().ok()?, image, tag: Tag::parse(tag).ok()? })
    }

    /// Those of an object.
    fn all(object: &'t Object) -> impl Iterator<Item = Self> {
        let text = object.annotations.get(PUSHED).map(String::as_str).unwrap_or_default();
        text.lines().filter_map(Line::read)
    }
}

/// What is new of tags on an object that was known before.
pub(super) fn read(news: &News) -> Tags {
    let (Some(before), Some(now)) = (&news.before, &news.now) else { return Tags::new() };
    if news.is_another() || before.annotations.get(PUSHED) == now.annotations.get(PUSHED) {
        return Tags::new();
    }
    let known: HashSet<&str> = Line::all(before).map(|line| line.text).collect();
    let new = Line::all(now).filter(|line| !known.contains(line.text));
    new.map(|line| (line.image.to_owned(), line.tag)).collect()
}

/// What adds tags to those that stand on an object; where they are too many, what asks for a pass, which lists them all.
pub(super) fn patch(object: &Object, tags: &Tags, now: Timestamp) -> Value {
    let is_young = |line: &Line<'_>| now.duration_since(line.time).abs() < KEPT;
    let kept = Line::all(object).filter(is_young);
    let kept = kept.filter(|line| !tags.contains(&(line.image.to_owned(), line.tag.clone())));
    let kept = kept.map(|line| line.text.to_owned());
    let lines: Vec<String> = kept.chain(tags.iter().map(|(image, tag)| format!("{now} {image}:{tag}"))).collect();
    let annotations = match lines.len() <= MAX_TAGS {
        true => json!({PUSHED: lines.join("\n")}),
        false => json!({flux::REQUESTED_AT: now.to_string()}),
    };
    json!({"metadata": {"resourceVersion": object.resource_version, "annotations": annotations}})
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kubernetes::Key;

    use super::*;
    use crate::cluster::what::{What, object};

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn with(pushed: &str) -> Object {
        let key = Key { namespace: "shop".to_owned(), name: "app".to_owned() };
        let mut object = object(What::Repository, key, &Value::Null);
        object.annotations.insert(PUSHED.to_owned(), pushed.to_owned());
        object
    }

    fn tags(all: &[&str]) -> Tags {
        let tag = |tag: &&str| Some(("registry:5000/app".to_owned(), Tag::parse(tag).ok()?));
        all.iter().filter_map(tag).collect()
    }

    /// What stands on an object once tags were added.
    fn added(there: &str, all: &[&str], minute: i64) -> String {
        let patch = patch(&with(there), &tags(all), at(minute));
        assert_eq!(patch["metadata"]["resourceVersion"], "1", "it counts only if nobody was faster");
        patch["metadata"]["annotations"][PUSHED].as_str().unwrap_or_default().to_owned()
    }

    /// What is told of tags, by what stood there and what stands there now.
    fn told(before: Option<&str>, now: &str) -> Vec<String> {
        let id = (What::Repository, with("").key);
        let before = before.map(|text| Arc::new(with(text)));
        let news = News { id, before, now: Some(Arc::new(with(now))), went_back: false };
        read(&news).into_iter().map(|(image, tag)| format!("{image}:{tag}")).collect()
    }

    #[test]
    fn what_is_added_is_read_once_and_what_is_pushed_again_counts_again() {
        let first = added("", &["1.0", "1.1"], 0);
        assert_eq!(told(Some(""), &first), ["registry:5000/app:1.0", "registry:5000/app:1.1"]);
        assert_eq!(told(Some(&first), &first), [""; 0]);
        let second = added(&first, &["1.1", "1.2"], 1);
        assert_eq!(told(Some(&first), &second), ["registry:5000/app:1.1", "registry:5000/app:1.2"]);
        assert_eq!(told(Some(""), &second).len(), 3, "who has not looked yet misses nothing: {second}");
        // What somebody begins with is listed first.
        assert_eq!(told(None, &second), [""; 0]);
        let third = added(&second, &["1.3"], 10);
        assert_eq!(told(Some(""), &third), ["registry:5000/app:1.1", "registry:5000/app:1.2", "registry:5000/app:1.3"]);
        assert_eq!(added(&third, &["1.4"], 60).lines().count(), 1);
    }

    #[test]
    fn of_too_many_the_list_is_asked_for() {
        let numbers: Vec<String> = (0..MAX_TAGS).map(|number| number.to_string()).collect();
        let all: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let there = added("", &all, 0);
        assert_eq!(there.lines().count(), MAX_TAGS);
        assert_eq!(added(&there, &["0"], 1).lines().count(), MAX_TAGS);
        let patch = patch(&with(&there), &tags(&["more"]), at(1));
        let annotations =
            patch["metadata"]["annotations"].as_object().map(|all| all.keys().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(annotations, Some(vec![flux::REQUESTED_AT]));
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let time = at(0);
        for text in
            ["x", "registry/app:1.0", "now registry/app:1.0", &format!("{time} registry/app"), &format!("{time} a:-b")]
        {
            assert_eq!(told(Some(""), text), [""; 0], "{text:?}");
            assert_eq!(added(text, &["1.0"], 0).lines().count(), 1, "{text:?} goes");
        }
        assert_eq!(told(Some(""), &format!("x\n{time} registry/app:1.0\n\n")), ["registry/app:1.0"]);
    }
}
