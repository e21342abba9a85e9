//! What the commit of a submission says, and its pull request.
//!
//! Templates see `.AutomationObject` (`.Namespace`, `.Name`), `.Summary`, `.Values`, and `.Created`, `.Updated` and `.Removed`: lists of
//! files with `.File`, `.APIVersion`, `.Kind`, `.Namespace` and `.Name`.

use std::collections::BTreeMap;
use std::rc::Rc;

use gotext::template::{Field, Map, RenderError, StructType, Template, Value};

use super::plan::{Change, Planned};
use crate::automation::Automation;
use crate::message::{self, Facts};
use crate::proposal::Proposal;

/// The message where none is given.
pub const DEFAULT: &str = "{{ .Summary }}";

/// How many files the text of a pull request names.
const MAX_ROWS: usize = 100;

static DATA: StructType = StructType {
    name: "submit.Data",
    fields: &[
        Field::named("AutomationObject"),
        Field::named("Summary"),
        Field::named("Values"),
        Field::named("Created"),
        Field::named("Updated"),
        Field::named("Removed"),
    ],
    methods: &[],
    text: None,
};

static OBJECT: StructType = StructType {
    name: "submit.Object",
    fields: &[Field::named("Namespace"), Field::named("Name")],
    methods: &[],
    text: None,
};

static FILE: StructType = StructType {
    name: "submit.File",
    fields: &[
        Field::named("File"),
        Field::named("APIVersion"),
        Field::named("Kind"),
        Field::named("Namespace"),
        Field::named("Name"),
    ],
    methods: &[],
    text: None,
};

/// The message of the commit of a plan.
///
/// # Errors
/// The template fails on it.
pub fn message(automation: &Automation, planned: &Planned) -> Result<String, RenderError> {
    let commit = &automation.commit;
    let text = match commit.message.render(&data(automation, planned)) {
        Ok(text) => text,
        Err(error) if error.is_limit() => message::in_place_of(&error),
        Err(error) => return Err(error),
    };
    let text = if commit.trailers { message::with_trailers(&text, &facts(automation)) } else { text };
    Ok(if commit.signed_off { message::with_sign_off(&text, &commit.author) } else { text })
}

/// What the pull request of a plan says, with the message of its commit.
///
/// # Errors
/// A template fails on it.
pub fn proposal(automation: &Automation, planned: &Planned, message: &str) -> Result<Proposal, RenderError> {
    let requests = automation.requests.as_ref();
    let data = data(automation, planned);
    let rendered = |template: Option<&Template>| template.map(|it| it.render(&data)).transpose();
    let title = rendered(requests.and_then(|it| it.title.as_ref()))?;
    let body = rendered(requests.and_then(|it| it.body.as_ref()))?;
    let body = body.unwrap_or_else(|| default_body(automation, planned));
    Ok(Proposal::plain(automation, title.as_deref().unwrap_or(message), &body))
}

fn facts(automation: &Automation) -> Facts<'_> {
    static NOTHING: BTreeMap<String, String> = BTreeMap::new();
    static NO_DIFFERENCES: crate::difference::Differences = BTreeMap::new();
    Facts {
        automation_namespace: &automation.id.namespace,
        automation_name: &automation.id.name,
        group: "",
        values: &automation.commit.values,
        changes: &[],
        images: &NOTHING,
        differences: &NO_DIFFERENCES,
    }
}

fn data(automation: &Automation, planned: &Planned) -> Value {
    let id = &automation.id;
    let values = &automation.commit.values;
    let values = Map::of_strings(values.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let files = |changes: &[Change]| Value::list("[]submit.File", changes.iter().map(file).collect());
    let fields = vec![
        Value::new_struct(&OBJECT, vec![Value::string(&id.namespace), Value::string(&id.name)]),
        Value::string(&summary(planned)),
        Value::Map(Rc::new(values)),
        files(&planned.created),
        files(&planned.updated),
        files(&planned.removed),
    ];
    Value::new_struct(&DATA, fields)
}

fn file(change: &Change) -> Value {
    let of = |text: fn(&super::Identity) -> &String| {
        Value::string(&change.resource.as_ref().map(|id| words::one_line(text(id), 300)).unwrap_or_default())
    };
    let fields = vec![
        Value::string(&words::one_line(&change.path, 1024)),
        of(|id| &id.api_version),
        of(|id| &id.kind),
        of(|id| &id.namespace),
        of(|id| &id.name),
    ];
    Value::new_struct(&FILE, fields)
}

/// The value of `.Summary`: `Submit Deployment shop/web`, or `Submit 12 resources: 2 new, 9 changed, 1 removed`.
fn summary(planned: &Planned) -> String {
    let Planned { created, updated, removed, .. } = planned;
    let name = |change: &Change| match &change.resource {
        Some(id) => words::one_line(&id.to_string(), 100),
        None => words::one_line(&change.path, 100),
    };
    match (&created[..], &updated[..], &removed[..]) {
        ([one], [], []) | ([], [one], []) => format!("Submit {}", name(one)),
        ([], [], [one]) => format!("Remove {}", name(one)),
        // Nothing but the list of what is ours.
        ([], [], []) => "Take over what is submitted".to_owned(),
        _ => {
            let all = created.len() + updated.len() + removed.len();
            format!("Submit {all} resources: {}", planned.tally().join(", "))
        }
    }
}

fn default_body(automation: &Automation, planned: &Planned) -> String {
    let code = |text: &str| format!("`{}`", words::one_line(text, 300).replace('`', "'"));
    let name = code(&automation.id.to_string());
    let mut text = format!(
        "## Summary\n\n{}. Submitted to {name} of tagwright, which keeps this request current, as one commit.\n\n## Changes\n\n",
        summary(planned)
    );
    let all = [("new", &planned.created), ("changed", &planned.updated), ("removed", &planned.removed)];
    let rows = all.iter().flat_map(|(what, changes)| changes.iter().map(move |change| (what, change)));
    for (what, change) in rows.clone().take(MAX_ROWS) {
        text.push_str(&format!("- {what}: {}\n", code(&change.path)));
    }
    let count = rows.count();
    if count > MAX_ROWS {
        text.push_str(&format!("\nand {} more.\n", count - MAX_ROWS));
    }
    text.push_str("\n## How to roll back\n\nRevert the merge, and submit what should be there: the next submission says again what it has.\n");
    text
}
