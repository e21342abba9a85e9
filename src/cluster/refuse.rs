//! Objects that cannot be worked on, and what to say of them: in the order in which Flux's controllers look at things, and with
//! its reasons.

mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flux::repository::Why;
use flux::{Remarks, automation, native, policy, repository};
use kubernetes::{Key, Object};
use serde_json::Value;

use super::judge::Judge;
use super::objects::Objects;
use super::what::What;
use crate::config::{About, Problem};

/// What is looked at to tell what is wrong with an object.
pub(super) struct View<'v> {
    pub(super) objects: &'v Objects,
    /// What the reader has found, by object.
    pub(super) about: &'v BTreeMap<super::what::Id, About>,
    /// Who may tell of pushes, by object.
    pub(super) receivers: &'v BTreeMap<super::what::Id, Arc<hooks::Receiver>>,
    /// Who is told, by object.
    pub(super) notifications: &'v BTreeMap<super::what::Id, Arc<notify::Notification>>,
    /// The namespace of the bot.
    pub(super) home: &'v str,
    /// Whether nobody may use anything of another namespace.
    pub(super) no_cross_namespace: bool,
    /// When a policy without tags says that it is looked at again.
    pub(super) requeue: Duration,
}

/// Why an object cannot be worked on.
pub(super) struct Refusal {
    /// In one sentence, by which it is known whether that was said before.
    pub(super) text: String,
    pub(super) judge: Judge,
    /// Whether it is none: the object counts, which is all that there is to say of it.
    pub(super) stands: bool,
}

impl View<'_> {
    /// Why an image repository is not polled; none if it is.
    pub(super) fn repository(&self, key: &Key) -> Option<Refusal> {
        let problem = Wrong::of(self, What::Repository, key)?;
        let text = problem.text.clone();
        let judge: Judge = Arc::new(move |seen| {
            let outcome = match problem.field.as_str() {
                "spec.image" => repository::Outcome::Malformed(&problem.text),
                field if is_login(field) => repository::Outcome::Authentication(&problem.text),
                "spec.exclusionList" => repository::Outcome::ReadFailed { why: Why::First, error: &problem.text },
                _ => repository::Outcome::Failed(&problem.text),
            };
            repository::verdict(seen, &outcome, &Remarks::default())
        });
        Some(Refusal { text, judge, stands: false })
    }

    /// Why a policy is not evaluated; none if it is.
    pub(super) fn policy(&self, key: &Key, object: &Object) -> Option<Refusal> {
        let wrong = self.wrong_policy(key, &object.spec())?;
        let text = wrong.sentence();
        let judge: Judge = Arc::new(move |seen| policy::verdict(seen, &wrong.outcome(), &Remarks::default()));
        Some(Refusal { text, judge, stands: false })
    }

    fn wrong_policy(&self, key: &Key, spec: &Value) -> Option<Unevaluated> {
        let always = text(spec, "/digestReflectionPolicy") == Some("Always");
        if always && spec.get("interval").is_none_or(Value::is_null) {
            return Some(Unevaluated::NoInterval);
        }
        let (_, of) = What::Policy.reference(key, spec)?;
        let cross = of.namespace != key.namespace;
        if cross && self.no_cross_namespace {
            return Some(Unevaluated::Blocked(of));
        }
        match self.objects.get(&(What::Repository, of.clone())).filter(|object| !object.deleting) {
            // One without a name is wrong by itself.
            None if !of.name.is_empty() => {
                return Some(match self.objects.refusal(What::Repository) {
                    Some(why) => Unevaluated::Unreadable(why),
                    None => Unevaluated::Missing(of.name),
                });
            }
            Some(repository) if cross => {
                if let Some(denied) = self.denied(key, &of, &repository.spec()) {
                    return Some(denied);
                }
            }
            _ => {}
        }
        if let Some(Wrong { field, text }) = Wrong::of(self, What::Repository, &of) {
            return Some(match field.as_str() {
                "spec.image" => Unevaluated::Malformed(text),
                // Its tags cannot be read until that is mended.
                _ => Unevaluated::NoTags(self.requeue),
            });
        }
        let Wrong { field, text: wrong } = Wrong::of(self, What::Policy, key)?;
        Some(match field.starts_with("spec.filterTags") {
            true => {
                let pattern = text(spec, "/filterTags/pattern").unwrap_or_default();
                Unevaluated::Filter(format!("invalid regular expression pattern '{pattern}': {wrong}"))
            }
            false => Unevaluated::Invalid(wrong),
        })
    }

    /// Why a policy may not use a repository of another namespace, by the repository's `accessFrom`.
    fn denied(&self, policy: &Key, of: &Key, repository: &Value) -> Option<Unevaluated> {
        if repository.get("accessFrom").is_none_or(Value::is_null) {
            return Some(Unevaluated::Unshared(of.clone()));
        }
        let selectors = repository.pointer("/accessFrom/namespaceSelectors").and_then(Value::as_array);
        let is_let_in = selectors.into_iter().flatten().any(|selector| self.selects(selector, &policy.namespace));
        (!is_let_in).then(|| Unevaluated::Others(of.clone(), policy.namespace.clone()))
    }

    /// Whether a selector matches the labels of a namespace.
    fn selects(&self, selector: &Value, namespace: &str) -> bool {
        let key = Key { namespace: String::new(), name: namespace.to_owned() };
        let labels = self.objects.get(&(What::Namespace, key)).map(|object| &object.labels);
        let label = |name: &str| match name {
            "kubernetes.io/metadata.name" => Some(namespace),
            _ => labels?.get(name).map(String::as_str),
        };
        let mut wanted = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        wanted.all(|(name, value)| label(name) == value.as_str())
    }

    /// Why an `ImageUpdateAutomation` does not run; none if it does. `began` is when it was looked at.
    pub(super) fn automation(&self, key: &Key, object: &Object, began: jiff::Timestamp) -> Option<Refusal> {
        let spec = object.spec();
        let wrong = self.wrong_automation(key, &spec)?;
        let text = wrong.sentence();
        let judge: Judge = Arc::new(move |seen| {
            let run = automation::Run { started: began, outcome: wrong.outcome() };
            automation::verdict(seen, &run, &Remarks::default())
        });
        Some(Refusal { text, judge, stands: false })
    }

    fn wrong_automation(&self, key: &Key, spec: &Value) -> Option<Refused> {
        let (_, source) = What::Automation.reference(key, spec)?;
        let problem = Wrong::of(self, What::Automation, key);
        if let Some(wrong) = problem.as_ref().filter(|wrong| wrong.field.starts_with("spec.policySelector")) {
            return Some(Refused::Selector(wrong.text.clone()));
        }
        if let Some(kind) = text(spec, "/sourceRef/kind").filter(|kind| !["", "GitRepository"].contains(kind)) {
            return Some(Refused::Kind(kind.to_owned()));
        }
        if spec.get("git").is_none_or(Value::is_null) {
            return Some(Refused::WithoutGit);
        }
        if self.no_cross_namespace && source.namespace != key.namespace {
            return Some(Refused::Blocked(source));
        }
        if self.objects.get(&(What::Git, source.clone())).is_none_or(|source| source.deleting) {
            return Some(match self.objects.refusal(What::Git) {
                Some(why) => Refused::Unusable(why),
                None => Refused::Missing(source.name),
            });
        }
        if let Some(strategy) = text(spec, "/update/strategy").filter(|strategy| *strategy != "Setters") {
            return Some(Refused::Strategy(strategy.to_owned()));
        }
        if let Some(wrong) = problem {
            return Some(Refused::Unusable(wrong.text));
        }
        let wrong = Wrong::of(self, What::Git, &source)?;
        Some(match wrong.field == "spec.provider" {
            true => Refused::Invalid(wrong.text),
            false => Refused::Unusable(wrong.text),
        })
    }

    /// Why an `ImageAutomation` does not run; none if it does.
    pub(super) fn native(&self, key: &Key) -> Option<Refusal> {
        let problem = Wrong::of(self, What::Native, key)?;
        let text = problem.text.clone();
        let judge: Judge = Arc::new(move |seen| {
            // What only lacks a secret comes right when that is there.
            let outcome = match is_login(&problem.field) || problem.field.contains(".secretRef") {
                true => native::Outcome::Denied(&problem.text),
                false => native::Outcome::Rejected(&problem.text),
            };
            native::verdict(seen, &native::Run { started: None, selected: None, outcome }, &Remarks::default())
        });
        Some(Refusal { text, judge, stands: false })
    }
}

/// Why a policy is not evaluated.
#[derive(Debug)]
enum Unevaluated {
    NoInterval,
    Missing(String),
    Unreadable(String),
    Blocked(Key),
    Unshared(Key),
    Others(Key, String),
    Malformed(String),
    NoTags(Duration),
    Filter(String),
    Invalid(String),
}

impl Unevaluated {
    /// What the log says of it.
    fn sentence(&self) -> String {
        match self {
            Self::NoInterval => "`spec.interval` is missing, which `digestReflectionPolicy: Always` needs".to_owned(),
            Self::Missing(name) => format!("there is no image repository {name}"),
            Self::Blocked(of) | Self::Unshared(of) | Self::Others(of, _) => format!("it may not use {of}"),
            Self::NoTags(_) => "its image repository cannot be polled, see there".to_owned(),
            Self::Unreadable(text) | Self::Malformed(text) | Self::Filter(text) | Self::Invalid(text) => text.clone(),
        }
    }

    fn outcome(&self) -> policy::Outcome<'_> {
        use policy::{Denied, Outcome};
        match self {
            Self::NoInterval => Outcome::IntervalNotConfigured,
            Self::Missing(name) => Outcome::RepositoryMissing { name },
            Self::Unreadable(text) => Outcome::RepositoryUnreadable(text),
            Self::Blocked(Key { namespace, name }) => Outcome::AccessDenied(Denied::Blocked { namespace, name }),
            Self::Unshared(Key { namespace, name }) => Outcome::AccessDenied(Denied::Unshared { namespace, name }),
            Self::Others(Key { namespace, name }, from) => {
                Outcome::AccessDenied(Denied::Others { namespace, name, from })
            }
            Self::Malformed(text) => Outcome::Malformed(text),
            Self::NoTags(requeue) => Outcome::NoTags { retry_in: *requeue },
            Self::Filter(text) => Outcome::InvalidFilter(text),
            Self::Invalid(text) => Outcome::Invalid(text),
        }
    }
}

/// Why an automation does not run.
#[derive(Debug)]
enum Refused {
    Selector(String),
    Kind(String),
    WithoutGit,
    Blocked(Key),
    Missing(String),
    Strategy(String),
    Unusable(String),
    /// The provider of its source is not one for it.
    Invalid(String),
}

impl Refused {
    /// What the log says of it.
    fn sentence(&self) -> String {
        match self {
            Self::Kind(kind) => format!("its source is of the kind {kind}"),
            Self::WithoutGit => "`spec.git` is missing".to_owned(),
            Self::Blocked(of) => format!("it may not use {of}"),
            Self::Missing(name) => format!("there is no Git repository {name}"),
            Self::Strategy(strategy) => format!("there is no update strategy {strategy}"),
            Self::Selector(text) | Self::Unusable(text) | Self::Invalid(text) => text.clone(),
        }
    }

    fn outcome(&self) -> automation::Outcome<'_> {
        use automation::Outcome;
        match self {
            Self::Selector(error) => Outcome::InvalidSelector(error),
            Self::Kind(kind) => Outcome::UnsupportedSource { kind },
            Self::WithoutGit => Outcome::WithoutGit,
            Self::Blocked(Key { namespace, name }) => Outcome::Blocked { namespace, name },
            Self::Missing(name) => Outcome::SourceMissing { name },
            Self::Strategy(strategy) => Outcome::UnsupportedStrategy(strategy),
            Self::Unusable(error) => Outcome::SourceUnusable(error),
            Self::Invalid(error) => Outcome::InvalidSource(error),
        }
    }
}

/// What the reader has found wrong with an object: the first problem, and how many there are.
struct Wrong {
    /// The path of the field, as `spec.image`.
    field: String,
    text: String,
}

impl Wrong {
    fn of(view: &View<'_>, what: What, key: &Key) -> Option<Self> {
        let about = view.about.get(&(what, key.clone()))?;
        let first = about.problems.first()?;
        let Problem { file, message, hint, .. } = first;
        // `KIND NAMESPACE/NAME PATH`
        let field = file.splitn(3, ' ').nth(2).unwrap_or_default();
        let field = field.strip_suffix(".name").filter(|field| is_login(field)).unwrap_or(field).to_owned();
        // The object is named where this is said, and the field by the reason.
        let message = message.strip_prefix(&format!("`{field}`: ")).unwrap_or(message);
        let hint = hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        let more = match about.problems.len() {
            1 => String::new(),
            count => format!(" (and {} more problems)", count - 1),
        };
        Some(Self { field, text: format!("{message}{hint}{more}") })
    }
}

/// Whether a field says who may poll.
fn is_login(field: &str) -> bool {
    const FIELDS: [&str; 5] =
        ["spec.secretRef", "spec.certSecretRef", "spec.proxySecretRef", "spec.serviceAccountName", "spec.provider"];
    FIELDS.iter().any(|known| field.starts_with(known))
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kubernetes::watch::Change;
    use kubernetes::{Error, Reason};
    use serde_json::json;

    use super::*;
    use crate::cluster::what;

    fn object(what: What, spec: &Value) -> Object {
        what::object(what, Key { namespace: "shop".to_owned(), name: "web".to_owned() }, spec)
    }

    /// What is not there is another thing than what nobody may see.
    #[test]
    fn a_kind_that_may_not_be_watched_is_not_missing() {
        let policy = object(What::Policy, &json!({"imageRepositoryRef": {"name": "app"}}));
        let automation = object(What::Automation, &json!({"sourceRef": {"name": "config"}, "git": {}}));
        let texts = |objects: &Objects| {
            let about = BTreeMap::new();
            let receivers = BTreeMap::new();
            let notifications = BTreeMap::new();
            let view = View {
                objects,
                about: &about,
                receivers: &receivers,
                notifications: &notifications,
                home: "tagwright",
                no_cross_namespace: false,
                requeue: Duration::ZERO,
            };
            let of_policy = view.policy(&policy.key, &policy).unwrap().text;
            [of_policy, view.automation(&automation.key, &automation, jiff::Timestamp::UNIX_EPOCH).unwrap().text]
        };
        let mut objects = Objects::default();
        let listed = || Change::Listed(Vec::new(), tokio::time::Instant::now());
        objects.take(What::Repository, listed());
        objects.take(What::Git, listed());
        assert_eq!(texts(&objects), ["there is no image repository app", "there is no Git repository config"]);
        let mut objects = Objects::default();
        for what in [What::Repository, What::Git] {
            let message = format!("{} is forbidden", what.kind().plural);
            objects.take(what, Change::Failing(Error { reason: Reason::Forbidden, message, retry_after: None }));
        }
        let says = |plural: &str| format!("{plural} cannot be watched: {plural} is forbidden");
        assert_eq!(texts(&objects), [says("imagerepositories"), says("gitrepositories")]);
        objects.take(What::Git, listed());
        assert_eq!(texts(&objects)[1], "there is no Git repository config");
    }
}
