//! What to do about a template that asks for a field or function which is not there: the name that was meant, or those that
//! there are.

use gotext::template::{self, MissingField, ParseError, Receiver, RenderError};

use super::data::REMOVED;
use crate::spelling::{listed, nearest};

/// How much of a name is repeated, in characters.
const MAX_NAME: usize = 100;

/// What to do about a message that cannot be rendered, where that is known: one sentence, lower case, no final period.
///
/// ```
/// use gotext::template::{Template, Value};
/// use tagwright_core::message::advice;
///
/// let template = Template::parse("commit message", "{{ .Changed }}")?;
/// let error = template.render(&Value::string("no data of ours")).unwrap_err();
/// assert_eq!(advice(&error).as_deref(), Some("a text or a number has no fields: leave `.Changed` out"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn advice(error: &RenderError) -> Option<String> {
    let MissingField { name, receiver, is_of_whole } = error.missing_field()?;
    let name = words::one_line(name, MAX_NAME);
    if *is_of_whole {
        return Some(format!("within `range` and `with`, `.` is what they give; write `$.{name}`"));
    }
    Some(match receiver {
        Receiver::Struct(names) => of_struct(&name, names),
        Receiver::List => "that is a list: `{{ range … }}` gives its entries one by one".to_owned(),
        Receiver::Map => "that is a map: `{{ range $key, $value := … }}` gives its entries one by one".to_owned(),
        Receiver::Other => format!("a text or a number has no fields: leave `.{name}` out"),
    })
}

/// What to do about a text that is no template, where that is known: one sentence, lower case, no final period.
///
/// ```
/// use gotext::template::Template;
/// use tagwright_core::message::advice_on_text;
///
/// let error = Template::parse("commit message", "{{ .Summary | uper }}").unwrap_err();
/// assert_eq!(advice_on_text(&error).as_deref(), Some("did you mean `upper`?"));
/// ```
#[must_use]
pub fn advice_on_text(error: &ParseError) -> Option<String> {
    if let Some(hint) = error.hint() {
        return Some(hint.to_owned());
    }
    let names: Vec<&str> = template::functions().collect();
    nearest(error.unknown_function()?, &names).map(|meant| format!("did you mean `{meant}`?"))
}

fn of_struct(name: &str, names: &[&str]) -> String {
    let names: Vec<&str> = names.iter().copied().filter(|name| *name != REMOVED).collect();
    let meant = nearest(name, &names).map(|meant| format!("did you mean `{meant}`? "));
    format!("{}the fields there are {}", meant.unwrap_or_default(), listed(&names))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use gotext::template::Template;

    use crate::change::{Change, ObjectIdentity};
    use crate::message::{Facts, render};

    #[track_caller]
    fn check(template: &str, advice: &str) {
        let change = Change {
            file: "app.yaml".into(),
            line: 1,
            object: ObjectIdentity::default(),
            old: "app:1".into(),
            new: "app:2".into(),
            setter: "default:app".into(),
        };
        let facts = Facts {
            automation_namespace: "default",
            automation_name: "shop",
            group: "",
            values: &BTreeMap::new(),
            changes: &[change],
            images: &BTreeMap::new(),
            differences: &BTreeMap::new(),
        };
        let error = render(&Template::parse("commit message", template).unwrap(), &facts).unwrap_err();
        assert_eq!(super::advice(&error).as_deref(), Some(advice), "{template}");
    }

    #[test]
    fn a_field_that_is_not_there() {
        let whole = "`AutomationObject`, `Changed`, `Group`, `Images`, `Summary`, `Updated`, `Values`";
        check("{{ .Nope }}", &format!("the fields there are {whole}"));
        check("{{ .Change }}", &format!("did you mean `Changed`? the fields there are {whole}"));
        check("{{ .Changed.Nope }}", "the fields there are `Changes`, `FileChanges`, `Objects`");
        check(
            "{{ range .Changed.Changes }}{{ .New }}{{ end }}",
            "the fields there are `Compare`, `Details`, `NewValue`, `OldRevision`, `OldValue`, `Revision`, `Setter`, `Source`",
        );
        let objects = "{{ range $object, $changes := .Changed.Objects }}{{ $object.kind }}{{ end }}";
        check(objects, "did you mean `Kind`? the fields there are `APIVersion`, `Kind`, `Name`, `Namespace`");
    }

    #[test]
    fn a_field_of_something_else() {
        let dot = "within `range` and `with`, `.` is what they give; write `$.AutomationObject`";
        check("{{ range .Changed.Changes }}{{ .AutomationObject }}{{ end }}", dot);
        check("{{ .Changed.Changes.NewValue }}", "that is a list: `{{ range … }}` gives its entries one by one");
        let map = "that is a map: `{{ range $key, $value := … }}` gives its entries one by one";
        check("{{ .Changed.Objects.web }}", map);
        check("{{ .AutomationObject.Name.First }}", "a text or a number has no fields: leave `.First` out");
    }
}
