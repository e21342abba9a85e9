//! What a template sees of what happened.

use std::time::Duration;

use gotext::template::{Field, IntKind, RenderError, StructType, Template, Value};
use jiff::Timestamp;

use super::event::{About, Change, Commit, Event, Incident, Kind, Name, Severity};
use super::gather::{Digest, Entry};
use super::markup::Markup;
use super::text::span;

/// Looks whether a template works on what there may be.
///
/// ```
/// use gotext::template::Template;
/// let check = |text| notify::check(&Template::parse("template", text).unwrap());
/// assert!(check("{{ range .Events }}{{ .Message }} {{ range .Changes }}{{ .New }}{{ end }}{{ end }}").is_ok());
/// assert!(check("{{ range .Events }}{{ .Text }}{{ end }}").is_err());
/// ```
///
/// # Errors
/// It fails.
pub fn check(template: &Template) -> Result<(), RenderError> {
    let name = || Name { namespace: "default".to_owned(), name: "shop".to_owned() };
    let event = |kind: Kind| Event {
        kind,
        severity: Severity::Error,
        about: About {
            automations: vec![name()],
            policies: vec![name()],
            repositories: vec![name()],
            remote: Some("https://git.example.com/acme/config".to_owned()),
            object: None,
        },
        message: "default/shop: pushed 1a2b3c4".to_owned(),
        hint: Some("look at it".to_owned()),
        at: Timestamp::UNIX_EPOCH,
        commit: Some(Commit {
            id: "1a2b3c4".repeat(6),
            branch: "main".to_owned(),
            page: Some("https://git.example.com/acme/config/commit/1a2b3c4".to_owned()),
            changes: vec![Change { file: "app.yaml".to_owned(), line: 7, ..Change::default() }],
        }),
        incident: Some(Incident { subject: "shop".to_owned(), host: None }),
    };
    let entry = |kind| Entry {
        event: event(kind),
        affected: 2,
        lasted: Some(Duration::from_secs(720)),
        cause: None,
        subjects: Vec::new(),
    };
    let digest = Digest { entries: Kind::ALL.map(entry).into(), more: 1 };
    template.render(&data(&digest, "prod", Severity::Error, Markup::Plain)).map(drop)
}

static NOTIFICATION: StructType = StructType {
    name: "notify.Notification",
    fields: &[Field::named("Severity"), Field::named("Summary"), Field::named("Events"), Field::named("More")],
    methods: &[],
    text: None,
};

static EVENT: StructType = StructType {
    name: "notify.Event",
    fields: &[
        Field::named("Kind"),
        Field::named("Severity"),
        Field::named("Message"),
        Field::named("Hint"),
        Field::named("Time"),
        Field::named("Automations"),
        Field::named("Policies"),
        Field::named("Remote"),
        Field::named("Branch"),
        Field::named("Commit"),
        Field::named("Link"),
        Field::named("Changes"),
        Field::named("Affected"),
        Field::named("Lasted"),
    ],
    methods: &[],
    text: None,
};

static CHANGE: StructType = StructType {
    name: "notify.Change",
    fields: &[
        Field::named("File"),
        Field::named("Line"),
        Field::named("Old"),
        Field::named("New"),
        Field::named("Policy"),
    ],
    methods: &[],
    text: None,
};

/// What a template sees.
pub(crate) fn data(digest: &Digest, summary: &str, severity: Severity, markup: Markup) -> Value {
    let events = digest.entries.iter().map(|entry| event(entry, markup)).collect();
    let fields = vec![
        Value::string(severity.as_str()),
        Value::string(&markup.escape(summary)),
        Value::list("[]notify.Event", events),
        number(digest.more),
    ];
    Value::new_struct(&NOTIFICATION, fields)
}

fn event(entry: &Entry, markup: Markup) -> Value {
    let Event { kind, severity, about, hint, at, commit, message, .. } = &entry.event;
    let text = |text: &str| Value::string(&markup.escape(text));
    let names = |names: &[Name]| Value::list("[]string", names.iter().map(|name| text(&name.to_string())).collect());
    let change = |it: &Change| {
        let fields = vec![text(&it.file), number(it.line), text(&it.old), text(&it.new), text(&it.policy)];
        Value::new_struct(&CHANGE, fields)
    };
    let none = Commit::default();
    let commit = commit.as_ref().unwrap_or(&none);
    let fields = vec![
        Value::string(kind.as_str()),
        Value::string(severity.as_str()),
        text(message),
        text(hint.as_deref().unwrap_or_default()),
        Value::string(&at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        names(&about.automations),
        names(&about.policies),
        text(about.remote.as_deref().unwrap_or_default()),
        text(&commit.branch),
        Value::string(&commit.id),
        // For a link, which is marked up by the template.
        Value::string(commit.page.as_deref().unwrap_or_default()),
        Value::list("[]notify.Change", commit.changes.iter().map(change).collect()),
        number(entry.affected),
        Value::string(&entry.lasted.map(span).unwrap_or_default()),
    ];
    Value::new_struct(&EVENT, fields)
}

fn number(value: usize) -> Value {
    Value::Int(IntKind::Int, i64::try_from(value).unwrap_or(i64::MAX))
}
