//! Places in objects of a cluster, as people name them there: the object, and the path of the field.

use super::source::Source;
use super::yaml::{self, Node, Place, Value};

/// The kind and name of an object, and the path of the field at a byte: `ImagePolicy flux-system/podinfo spec.policy.semver`.
pub(super) fn of(source: &Source, byte: usize) -> String {
    let mut path = String::new();
    if let Some(root) = yaml::first(&source.text) {
        descend(&root, byte, &mut path);
    }
    match path.is_empty() {
        true => source.path.clone(),
        false => format!("{} {path}", source.path),
    }
}

/// Adds the names of the fields and items that hold a byte. A name that holds it stands for its field.
fn descend(node: &Node, byte: usize, path: &mut String) {
    let holds = |place: &Place| (place.start..place.end).contains(&byte);
    match &node.value {
        Value::Mapping(entries) => {
            let Some((key, value)) = entries.iter().find(|(key, value)| holds(&key.place) || holds(&value.place))
            else {
                return;
            };
            let name = key.text().unwrap_or_default();
            match name.contains(['.', '/']) {
                true => path.push_str(&format!("[{name}]")),
                false if path.is_empty() => path.push_str(name),
                false => path.push_str(&format!(".{name}")),
            }
            if holds(&value.place) {
                descend(value, byte, path);
            }
        }
        Value::Sequence(items) => {
            if let Some((number, item)) = items.iter().enumerate().find(|(_, item)| holds(&item.place)) {
                path.push_str(&format!("[{number}]"));
                descend(item, byte, path);
            }
        }
        Value::Scalar(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Origin;

    #[test]
    fn a_byte_is_named_by_its_field() {
        let text = r#"{"metadata":{"name":"a","annotations":{"tagwright.dev/hold":"x"}},"spec":{"images":[{"name":"b"},{"image":"c"}]}}"#;
        let source = Source { path: "ImagePolicy default/a".to_owned(), text: text.into(), origin: Origin::Object };
        let check = |needle: &str, expect: &str| {
            let at = text.find(needle).expect("the text has it");
            assert_eq!(of(&source, at), format!("ImagePolicy default/a{expect}"), "{needle}");
        };
        check("\"c\"", " spec.images[1].image");
        check("\"spec\"", " spec");
        check("{\"name\":\"b", " spec.images[0]");
        check("\"x\"", " metadata.annotations[tagwright.dev/hold]");
        check("{\"metadata", "");
    }
}
