//! What policies select, as their objects say it.
//!
//! A status is parsed once for each version of an object: an automation may apply thousands of policies, and runs often.

use std::collections::HashMap;

use image::{Digest, Reference, Repository, Tag};
use kubernetes::{Key, Object};

use super::judge::Selected;

/// What policies select, as their objects say it.
#[derive(Debug, Default)]
pub(super) struct Selections(HashMap<Key, Selected>);

impl Selections {
    /// Takes in what a policy's object says now; none for one that is gone. Returns what it selects.
    pub(super) fn take(&mut self, key: &Key, object: Option<&Object>) -> Option<Reference> {
        match object.and_then(selected) {
            Some(selected) => {
                let reference = reference(&selected);
                self.0.insert(key.clone(), selected);
                reference
            }
            None => {
                self.0.remove(key);
                None
            }
        }
    }

    /// What a policy selects, as its object has it.
    pub(super) fn get(&self, key: &Key) -> Option<&Selected> {
        self.0.get(key)
    }

    /// What a policy selects, if that is a reference to an image.
    pub(super) fn reference(&self, key: &Key) -> Option<Reference> {
        reference(self.0.get(key)?)
    }
}

fn selected(object: &Object) -> Option<Selected> {
    let status = object.status();
    flux::policy::latest(&status).map(Selected::of)
}

fn reference(selected: &Selected) -> Option<Reference> {
    let digest = selected.digest.as_deref().map(Digest::parse).transpose().ok()?;
    Some(Reference {
        repository: Repository::parse(&selected.name).ok()?,
        tag: Some(Tag::parse(&selected.tag).ok()?),
        digest,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::what::{What, object};

    #[test]
    fn an_object_says_what_it_selects_until_it_says_something_else() {
        let key = Key { namespace: "shop".to_owned(), name: "app".to_owned() };
        let says = |latest: Value| Object {
            status: json!({"latestRef": latest}).to_string().into(),
            ..object(What::Policy, key.clone(), &Value::Null)
        };
        let mut selections = Selections::default();
        let mut take = |object: Option<&Object>| {
            let taken = selections.take(&key, object).map(|reference| reference.to_string());
            assert_eq!(selections.reference(&key).map(|reference| reference.to_string()), taken);
            (taken, selections.get(&key).map(|selected| selected.tag.clone()))
        };
        let (one, two) = (Some("ghcr.io/acme/app:1.0.0".to_owned()), Some("1.0.0".to_owned()));
        assert_eq!(take(Some(&says(json!({"name": "ghcr.io/acme/app", "tag": "1.0.0"})))), (one, two));
        // Whatever an object says is shown; what is no image is nothing to go by.
        let strange = take(Some(&says(json!({"name": "ghcr.io/acme/app", "tag": "not a tag"}))));
        assert_eq!(strange, (None, Some("not a tag".to_owned())));
        assert_eq!(take(Some(&says(Value::Null))), (None, None));
        take(Some(&says(json!({"name": "ghcr.io/acme/app", "tag": "1.0.0"}))));
        assert_eq!(take(None), (None, None));
    }
}
