//! `.Images`: the images of a commit, once each, with what stood there before.

use std::collections::BTreeMap;
use std::rc::Rc;

use gotext::template::{Field, List, StructType, Value};
use image::{Reference, Repository};

use crate::change::Change;

const IMAGES: &str = "[]message.Image";

static IMAGE: StructType = StructType {
    name: "message.Image",
    fields: &[
        Field::named("Name"),
        Field::named("Path"),
        Field::named("OldTag"),
        Field::named("NewTag"),
        Field::named("OldDigest"),
        Field::named("NewDigest"),
    ],
    methods: &[],
    text: None,
};

/// The tag and the digest of a value, as far as it has them.
#[derive(Debug, Default)]
struct Version {
    tag: Option<String>,
    digest: Option<String>,
}

impl Version {
    /// What a field says, given what of an image it holds.
    fn of(field: &str, value: &str) -> Self {
        let text = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
        match field {
            "name" => Self::default(),
            "digest" => Self { tag: None, digest: text(value) },
            "tag" => match value.split_once('@') {
                Some((tag, digest)) => Self { tag: text(tag), digest: text(digest) },
                None => Self { tag: text(value), digest: None },
            },
            _ => Reference::parse(value).map(Self::of_reference).unwrap_or_default(),
        }
    }

    fn of_reference(reference: Reference) -> Self {
        Self {
            tag: reference.tag.map(|it| it.as_str().to_owned()),
            digest: reference.digest.map(|it| it.as_str().to_owned()),
        }
    }

    /// Takes what is not known yet.
    fn fill(&mut self, other: Self) {
        self.tag = self.tag.take().or(other.tag);
        self.digest = self.digest.take().or(other.digest);
    }

    fn is_unknown(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }
}

/// The value of `.Images`, in the order of the changes. One that stands in several places is what it is in the first of them.
pub(crate) fn images(changes: &[&Change], images: &BTreeMap<String, String>) -> Value {
    let mut order: Vec<&str> = Vec::new();
    let mut known: BTreeMap<&str, (Version, Version)> = BTreeMap::new();
    for change in changes {
        let policy = change.policy();
        let field = change.setter[policy.len()..].trim_start_matches(':');
        let (old, new) = known.entry(policy).or_insert_with(|| {
            order.push(policy);
            Default::default()
        });
        old.fill(Version::of(field, &change.old));
        new.fill(Version::of(field, &change.new));
    }
    if order.is_empty() {
        return Value::List(Rc::new(List::nil(IMAGES)));
    }
    let image = |policy: &str, old: Version, mut new: Version| {
        let whole = changes.iter().find(|change| change.setter == policy).map(|change| change.new.as_str());
        let selected = images.get(policy).map(String::as_str).or(whole).and_then(|it| Reference::parse(it).ok());
        let repository = selected.as_ref().map(|it| it.repository.clone());
        if let (true, Some(selected)) = (new.is_unknown(), selected) {
            new = Version::of_reference(selected);
        }
        let name = repository.as_ref().map_or(policy, Repository::name);
        let path = repository.as_ref().map_or(policy, Repository::path);
        let text = |text: &Option<String>| Value::string(text.as_deref().unwrap_or_default());
        let fields = vec![
            Value::string(name),
            Value::string(path.strip_prefix("library/").unwrap_or(path)),
            text(&old.tag),
            text(&new.tag),
            text(&old.digest),
            text(&new.digest),
        ];
        Value::new_struct(&IMAGE, fields)
    };
    let of = |policy| {
        let (old, new) = known.remove(policy).unwrap_or_default();
        image(policy, old, new)
    };
    Value::list(IMAGES, order.into_iter().map(of).collect())
}
