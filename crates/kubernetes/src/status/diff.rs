//! What makes one value another, as a JSON merge patch (RFC 7396).

use serde_json::{Map, Value};

/// Returns the merge patch that makes `old` into `new`; none when they are the same.
///
/// A field that is gone is an explicit null, a list is replaced whole. Since a merge patch cannot write a null, a field that is
/// null counts as one that is not there.
///
/// ```
/// use kubernetes::status::diff;
/// use serde_json::json;
/// let old = json!({"latestRef": {"tag": "1.0.0", "digest": "sha256:00"}, "observedGeneration": 1});
/// let new = json!({"latestRef": {"tag": "1.1.0"}, "observedGeneration": 1});
/// assert_eq!(diff(&old, &new), Some(json!({"latestRef": {"tag": "1.1.0", "digest": null}})));
/// assert_eq!(diff(&new, &new), None);
/// ```
#[must_use]
pub fn diff(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => fields(old, new),
        _ => (old != new).then(|| new.clone()),
    }
}

fn fields(old: &Map<String, Value>, new: &Map<String, Value>) -> Option<Value> {
    let is = |fields: &Map<String, Value>, name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    let gone = old.keys().filter(|name| is(old, name) && !is(new, name)).map(|name| (name.clone(), Value::Null));
    let mut patch: Map<String, Value> = gone.collect();
    for (name, value) in new.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(change) = diff(old.get(name).unwrap_or(&Value::Null), value) {
            patch.insert(name.clone(), change);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What a server makes of a merge patch: the pseudocode of RFC 7396.
    fn merged(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let Value::Object(mut fields) = (if target.is_object() { target } else { json!({}) }) else { unreachable!() };
        for (name, value) in patch {
            if value.is_null() {
                fields.remove(name);
            } else {
                let old = fields.remove(name).unwrap_or(Value::Null);
                fields.insert(name.clone(), merged(old, value));
            }
        }
        Value::Object(fields)
    }

    /// A value without the fields that are null.
    fn without_nulls(value: &Value) -> Value {
        let Value::Object(fields) = value else { return value.clone() };
        let kept = fields.iter().filter(|(_, value)| !value.is_null());
        Value::Object(kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from),
            "[ab]?".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from), fields_of(inner),]
        })
    }

    fn fields_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        proptest::collection::btree_map("[abc]", inner, 0..4)
            .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into())
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_old_the_new(old in fields_of(values()), new in fields_of(values())) {
            let stored = without_nulls(&old);
            let patch = diff(&stored, &new).unwrap_or_else(|| json!({}));
            let result = merged(stored, &patch);
            prop_assert_eq!(&result, &without_nulls(&new));
            prop_assert_eq!(diff(&result, &new), None);
        }
    }

    #[test]
    fn a_status_that_is_not_there_yet_is_written_whole() {
        let new = json!({"observedGeneration": 1, "latestRef": null});
        assert_eq!(diff(&Value::Null, &new), Some(new.clone()));
        assert_eq!(diff(&json!({"observedGeneration": 1}), &new), None);
    }

    #[test]
    fn lists_are_replaced_whole() {
        let old = json!({"conditions": [{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True"}]});
        let new = json!({"conditions": [{"type": "Ready", "status": "False"}]});
        assert_eq!(diff(&old, &new), Some(new));
    }
}
