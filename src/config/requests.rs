//! `pullRequest`: that what is pushed is proposed in a pull request.
//!
//! In the native document it is a field of `git.push`; a Flux `ImageUpdateAutomation` and KubeVela's `Application` have annotations for it,
//! since they have no field.

use std::collections::BTreeMap;

use forge::{Place as ForgePlace, Product};
use tagwright_core::automation::{
    AutoMerge, Automation, Checkout, Forge, Grouping, MergeMethod, ObjectName, Proof, Requests,
};
use tagwright_core::group::Group;
use tagwright_core::spelling::listed;

use super::decode::Fields;
use super::policies::{Context, in_namespace};
use super::raw::{Message, Meta, Push};
use super::report::{Checked, Finding, Report, quoted};
use super::text::Text;
use super::yaml::Place;
use super::{git, value};

/// The annotations, in the order of the fields they stand for.
pub(super) const ANNOTATIONS: [&str; 15] = [
    PULL_REQUEST,
    TITLE,
    BODY,
    BRANCH,
    LABELS,
    REVIEWERS,
    ASSIGNEES,
    DRAFT,
    AUTO_MERGE,
    MERGE_METHOD,
    DELETE_BRANCH,
    GROUP,
    FORGE,
    FORGE_URL,
    SECRET,
];
const PULL_REQUEST: &str = "tagwright.dev/pull-request";
const TITLE: &str = "tagwright.dev/pull-request-title";
const BODY: &str = "tagwright.dev/pull-request-body";
const BRANCH: &str = "tagwright.dev/pull-request-branch";
const LABELS: &str = "tagwright.dev/pull-request-labels";
const REVIEWERS: &str = "tagwright.dev/pull-request-reviewers";
const ASSIGNEES: &str = "tagwright.dev/pull-request-assignees";
const DRAFT: &str = "tagwright.dev/pull-request-draft";
const AUTO_MERGE: &str = "tagwright.dev/pull-request-auto-merge";
const MERGE_METHOD: &str = "tagwright.dev/pull-request-merge-method";
const DELETE_BRANCH: &str = "tagwright.dev/pull-request-delete-branch";
const GROUP: &str = "tagwright.dev/pull-request-group";
const FORGE: &str = "tagwright.dev/pull-request-forge";
const FORGE_URL: &str = "tagwright.dev/pull-request-forge-url";
const SECRET: &str = "tagwright.dev/pull-request-secret";

/// The branch of a request where none is named.
const DEFAULT_BRANCH: &str = "tagwright/{{ .AutomationObject.Namespace }}/{{ .AutomationObject.Name }}";
/// How many labels, reviewers and assignees there may be, of each.
const MAX_NAMES: usize = 50;
/// The longest of these, in bytes.
const MAX_NAME: usize = 255;

const AUTO_MERGES: [(&str, AutoMerge); 3] =
    [("off", AutoMerge::Off), ("whenChecksPass", AutoMerge::WhenChecksPass), ("now", AutoMerge::Now)];
const METHODS: [(&str, MergeMethod); 3] =
    [("merge", MergeMethod::Merge), ("squash", MergeMethod::Squash), ("rebase", MergeMethod::Rebase)];

const GROUPS: [(&str, Grouping); 4] = [
    ("automation", Grouping::Automation),
    ("policy", Grouping::Policy),
    ("image", Grouping::Image),
    ("file", Grouping::File),
];
/// A file that the branch of a group is tried with, since it is not known which there are.
const SOME_FILE: &str = "apps/web.yaml";

/// What a document says of its pull request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Where it stands.
    place: Place,
    title: Option<Message>,
    body: Option<Message>,
    branch: Option<Text>,
    labels: Vec<String>,
    reviewers: Vec<String>,
    assignees: Vec<String>,
    draft: bool,
    auto_merge: AutoMerge,
    method: Option<MergeMethod>,
    delete_branch: bool,
    grouping: Grouping,
    forge: Named,
}

/// A forge as a document names it, with its secret still to be looked up.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    product: Option<Text>,
    address: Option<Text>,
    pub(super) secret: Option<Text>,
}

impl Named {
    /// Reads `kind` and `url`.
    pub(super) fn read(forge: &mut Fields<'_>) -> Self {
        Self { product: forge.filled_text("kind"), address: forge.filled_text("url"), secret: None }
    }

    /// The product, where it is named and known.
    fn product(&self, report: &Report) -> Checked<Option<Product>> {
        let Some(text) = &self.product else { return Ok(None) };
        Product::of_word(&text.value).map(Some).ok_or_else(|| {
            let message = format!("`{}`: {} is no forge that is known", text.path, quoted(&text.value));
            report.add(Finding::at(text.place, message).hint(format!("the forges are {}", listed(&Product::WORDS))))
        })
    }

    /// Looks up its secret, in the namespace of the automation.
    pub(super) fn resolve(self, context: &Context<'_>, namespace: &str) -> Checked<Forge> {
        self.product(context.report)?;
        let proof = match &self.secret {
            Some(name) => match context.secrets.secret(&in_namespace(namespace, name), name.place)? {
                Some(secret) => Some(proof(&secret)?),
                None => None,
            },
            None => None,
        };
        let text = |text: Option<Text>| text.map(|text| text.value);
        Ok(Forge { product: text(self.product), address: text(self.address), proof })
    }
}

/// Reads `pullRequest` of `push`: `Some(None)` where it is absent, `None` where it is wrong.
pub(super) fn of_push(push: &mut Fields<'_>) -> Option<Option<Request>> {
    push.optional_fields("pullRequest", |mut fields| {
        let (report, place) = (fields.report(), fields.place);
        let template = |text: Option<Text>| match text {
            Some(text) => git::message(report, Some(&text), "").map(Some),
            None => Some(None),
        };
        let title = template(fields.filled_text("title"));
        let body = template(fields.filled_text("body"));
        let branch = fields.filled_text("branch");
        let labels = names(report, fields.texts("labels").unwrap_or_default());
        let reviewers = names(report, fields.texts("reviewers").unwrap_or_default());
        let assignees = names(report, fields.texts("assignees").unwrap_or_default());
        let draft = fields.flag("draft");
        let auto_merge = fields.one_of("autoMerge", &AUTO_MERGES).map_or(AutoMerge::Off, |(word, _)| word);
        let method = fields.one_of("mergeMethod", &METHODS).map(|(word, _)| word);
        let delete_branch = fields.flag("deleteBranch");
        let grouping = fields.one_of("group", &GROUPS).map_or(Grouping::Automation, |(grouping, _)| grouping);
        let mut forge = fields.fields("forge").map_or_else(Named::default, |mut forge| {
            let read = Named::read(&mut forge);
            forge.finish();
            read
        });
        forge.secret = fields.reference("secretRef");
        fields.finish();
        let (title, body) = (title?, body?);
        let (labels, reviewers, assignees) = (labels?, reviewers?, assignees?);
        Some(Request {
            place,
            title,
            body,
            branch,
            labels,
            reviewers,
            assignees,
            draft,
            auto_merge,
            method,
            delete_branch,
            grouping,
            forge,
        })
    })
}

/// Reads `pullRequest` of a place that resources are submitted to. A submission is one request.
pub(super) fn of_sync(spec: &mut Fields<'_>) -> Option<Option<Request>> {
    let (report, path) = (spec.report(), spec.path("pullRequest.group"));
    let request = of_push(spec)?;
    if let Some(request) = &request
        && let Some(word) = request.grouping.word()
    {
        let message = format!("`{path}` cannot be `{word}`: what is submitted together is one pull request");
        let hint = "take it out, or submit to several places, each with a folder of its own";
        report.add(Finding::at(request.place, message).hint(hint));
        return None;
    }
    Some(request)
}

/// Reads the annotations of an object.
pub(super) fn annotated(report: &Report, annotations: &BTreeMap<String, Text>) -> Option<Request> {
    let get = |name: &str| {
        let text = annotations.get(name).map(|text| Text { path: name.to_owned(), ..text.clone() });
        text.filter(|text| !text.is_empty())
    };
    let wrong = |text: &Text, hint: String| {
        let message = format!("annotation `{}` cannot be {}", text.path, quoted(&text.value));
        report.add(Finding::at(text.place, message).hint(hint));
    };
    let flag = |name: &str| match get(name) {
        Some(text) if !matches!(text.value.as_str(), "true" | "false") => {
            wrong(&text, "write \"true\" or \"false\"".to_owned());
            false
        }
        text => text.is_some_and(|text| text.value == "true"),
    };
    let is_wanted = flag(PULL_REQUEST);
    let place = get(PULL_REQUEST).map(|text| text.place);
    if !is_wanted {
        for text in ANNOTATIONS.into_iter().filter(|name| *name != PULL_REQUEST).filter_map(get) {
            report.idle(
                text.place,
                format!("annotation `{}` has no effect without `{PULL_REQUEST}: \"true\"`", text.path),
            );
        }
        return None;
    }
    let list = |name: &str| {
        let words = get(name).map(|text| {
            let words: Vec<&str> = text.value.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
            words.into_iter().map(|word| Text { value: word.to_owned(), ..text.clone() }).collect::<Vec<_>>()
        });
        names(report, words.unwrap_or_default())
    };
    let template = |name: &str| get(name).and_then(|text| git::message(report, Some(&text), ""));
    let word = |name: &str, hint: &[&str]| {
        let text = get(name)?;
        if !hint.contains(&text.value.as_str()) {
            wrong(&text, format!("write one of {}", listed(hint)));
        }
        Some(text.value)
    };
    let auto_merge = word(AUTO_MERGE, &AUTO_MERGES.map(|(word, _)| word));
    let method = word(MERGE_METHOD, &METHODS.map(|(word, _)| word));
    let group = word(GROUP, &GROUPS.map(|(word, _)| word));
    let grouping = GROUPS.into_iter().find(|(known, _)| Some(*known) == group.as_deref());
    let found = |word: Option<String>| AUTO_MERGES.into_iter().find(|(known, _)| Some(*known) == word.as_deref());
    Some(Request {
        place: place?,
        title: template(TITLE),
        body: template(BODY),
        branch: get(BRANCH),
        labels: list(LABELS)?,
        reviewers: list(REVIEWERS)?,
        assignees: list(ASSIGNEES)?,
        draft: flag(DRAFT),
        auto_merge: found(auto_merge).map_or(AutoMerge::Off, |(_, word)| word),
        method: METHODS.into_iter().find(|(known, _)| Some(*known) == method.as_deref()).map(|(_, word)| word),
        delete_branch: flag(DELETE_BRANCH),
        grouping: grouping.map_or(Grouping::Automation, |(_, grouping)| grouping),
        forge: Named { product: get(FORGE), address: get(FORGE_URL), secret: get(SECRET) },
    })
}

/// Says that an annotation for a pull request is lost on an object of another kind.
pub(super) fn lost(report: &Report, meta: &Meta) {
    if let Some((name, text)) = meta.requests.first_key_value() {
        let place = text.place;
        let message = format!("annotation `{name}` has no effect on this kind of object");
        let hint = "it is for an `ImageUpdateAutomation`, or an `Application` with images; an `ImageAutomation` has `spec.git.push.pullRequest`";
        report.add(Finding::at(place, message).hint(hint));
    }
}

fn names(report: &Report, texts: Vec<Text>) -> Option<Vec<String>> {
    let (first, count) = (texts.first().map(|text| (text.path.clone(), text.place)), texts.len());
    if let Some((path, place)) = first.filter(|_| count > MAX_NAMES) {
        report.error(place, format!("`{path}` has more than {MAX_NAMES} items"));
        return None;
    }
    let name = |text: Text| {
        let is_name = !text.value.trim().is_empty()
            && text.value.len() <= MAX_NAME
            // GitLab takes labels between commas.
            && !text.value.contains(|c: char| c.is_control() || c == ',');
        if !is_name {
            report.error(text.place, format!("`{}`: {} is no name", text.path, quoted(&text.value)));
        }
        is_name.then_some(text.value)
    };
    texts.into_iter().map(name).collect()
}

impl Request {
    /// Takes the push branch: the one that is named, or what the template makes. Only the branch that is checked out is none, and groups have
    /// none in common.
    pub(super) fn branch(&self, report: &Report, automation: &ObjectName, push: &Push) -> Checked<Option<String>> {
        if let Some(word) = self.grouping.word() {
            let excluded = [(push.branch.is_some(), "push.branch"), (push.refspec.is_some(), "push.refspec")];
            let mut excluded = excluded.iter().filter(|(is_given, _)| *is_given);
            return match excluded.next() {
                Some((_, field)) => {
                    let message = format!("`{field}` and `pullRequest.group: {word}` exclude each other");
                    let hint = "each group has a branch of its own: `pullRequest.branch` is its template";
                    Err(report.add(Finding::at(self.place, message).hint(hint)))
                }
                None => Ok(None),
            };
        }
        self.one_branch(report, automation, push).map(Some)
    }

    fn one_branch(&self, report: &Report, automation: &ObjectName, push: &Push) -> Checked<String> {
        match (&self.branch, &push.branch) {
            (Some(template), Some(_)) => {
                let message = format!("`{}` and the push branch exclude each other", template.path);
                Err(report.error(template.place, message))
            }
            (None, Some(branch)) => Ok(branch.clone()),
            (template, None) => {
                let text = template.as_ref();
                let message = git::message(report, text, DEFAULT_BRANCH);
                let place = text.map_or(self.place, |text| text.place);
                let Some(Message { template, .. }) = message else {
                    return Err(report.consequence(place, || "the branch cannot be used, see there".to_owned()));
                };
                let branch = Group::whole().branch_of(&template, automation);
                let branch =
                    branch.map_err(|error| report.error(place, format!("the branch of the pull request: {error}")))?;
                value::branch(&branch)
                    .map_err(|error| report.error(place, format!("the branch of the pull request is {error}")))
            }
        }
    }

    /// Checks it against what it is for.
    pub(super) fn resolve(
        self,
        context: &Context<'_>,
        namespace: &str,
        remote: &str,
        (checkout, push): (&Checkout, Option<&str>),
    ) -> Checked<Requests> {
        let report = context.report;
        let place = self.place;
        let Checkout::Branch(base) = checkout else {
            let finding = Finding::at(place, "a pull request goes to a branch, and none is named that is read");
            return Err(report.add(finding.hint(
                "write the branch: `git.branch`, `branch` of a GitSync, or `ref.branch` of the Git repository",
            )));
        };
        if self.grouping == Grouping::Automation && push.is_none_or(|push| push == base) {
            let finding = Finding::at(place, "the push branch of a pull request is the one that it would go to");
            return Err(report.add(finding.hint("take `push.branch` out, or name another one")));
        }
        let product = self.forge.product(report)?;
        let address = self.forge.address.as_ref();
        match ForgePlace::of(remote, product, address.map(|text| text.value.as_str())) {
            Ok(forge) => self.is_known_to(report, forge.product())?,
            Err(error) => {
                let place = address.map_or(place, |text| text.place);
                let hint = format!("name it in `forge.kind`: {}", listed(&Product::WORDS));
                let finding = Finding::at(place, format!("no pull request can be opened: {error}"));
                return Err(report.add(match error {
                    forge::Unrecognised::Host { .. } => finding.hint(hint),
                    _ => finding,
                }));
            }
        }
        let forge = self.forge.resolve(context, namespace)?;
        let branch = match self.grouping {
            Grouping::Automation => None,
            _ => match git::message(report, self.branch.as_ref(), DEFAULT_BRANCH) {
                Some(message) => Some(message.template),
                None => return Err(report.consequence(place, || "the branch cannot be used, see there".to_owned())),
            },
        };
        Ok(Requests {
            base: base.clone(),
            grouping: self.grouping,
            branch,
            forge,
            title: self.title.map(|message| message.template),
            body: self.body.map(|message| message.template),
            labels: self.labels,
            reviewers: self.reviewers,
            assignees: self.assignees,
            draft: self.draft,
            auto_merge: self.auto_merge,
            method: self.method,
            delete_branch: self.delete_branch,
        })
    }
}

/// Checks the branches of groups, as far as it is known which there are.
pub(super) fn check_branches(report: &Report, place: Place, automation: &Automation) -> Checked<()> {
    let Some(requests) = automation.requests.as_ref().filter(|_| automation.is_grouped()) else { return Ok(()) };
    let mut known: BTreeMap<String, Group> = BTreeMap::new();
    for policy in &automation.policies {
        let group = Group::of(requests.grouping, automation, policy, SOME_FILE);
        let branch = group.branch(automation).map_err(|error| {
            report.error(place, format!("the branch of the pull requests of automation {}: {error}", automation.id))
        })?;
        let problem = match value::branch(&branch) {
            Err(error) => Some(format!("is {error}")),
            Ok(_) if branch == requests.base => Some("is the one that they would go to".to_owned()),
            Ok(_) => match known.insert(branch, group.clone()) {
                Some(other) if other != group => Some(format!("of {} and {} is the same", other.key(), group.key())),
                _ => None,
            },
        };
        if let Some(problem) = problem {
            let message = format!("the branch of the pull requests of automation {} {problem}", automation.id);
            let hint = "have the template of the branch name the group: `{{ .Group }}`";
            return Err(report.add(Finding::at(place, message).hint(hint)));
        }
    }
    Ok(())
}

/// Checks that the forge of a remote makes commits that it signs.
pub(super) fn check_maker(report: &Report, place: Place, automation: &Automation) -> Checked<()> {
    let (product, address) = automation.forge().names();
    let problem = match ForgePlace::of(&automation.remote.url, product.and_then(Product::of_word), address) {
        Ok(forge) if forge.product() == Product::GitHub => return Ok(()),
        Ok(forge) => format!("{} makes no commits that it signs; GitHub does", forge.product().name()),
        Err(error) => format!("no forge can make the commits: {error}"),
    };
    let field = if automation.requests.is_some() { "pullRequest.forge" } else { "commit.forge" };
    let hint = format!(
        "take `signing: forge` out and sign with a key, `signingKey`; an Enterprise Server is named in `{field}`"
    );
    Err(report.add(Finding::at(place, problem).hint(hint)))
}

impl Request {
    /// Checks that a product has what is asked of it.
    fn is_known_to(&self, report: &Report, product: Product) -> Checked<()> {
        let lacks = [
            (!self.labels.is_empty() && !product.has_labels(), "labels"),
            (!self.assignees.is_empty() && !product.has_assignees(), "assignees"),
            (self.auto_merge == AutoMerge::WhenChecksPass && !product.merges_later(), "merge once checks pass"),
        ];
        let lacks = lacks.into_iter().filter(|(lacks, _)| *lacks);
        let lacks = lacks.map(|(_, what)| report.error(self.place, format!("{} has no {what}", product.name())));
        lacks.last().map_or(Ok(()), Err)
    }
}

/// Reads what proves to a forge who asks.
fn proof(secret: &super::secrets::Secret<'_>) -> Checked<Proof> {
    if let Some(token) = secret.first(&["token", "bearerToken"])? {
        return Ok(Proof::Token(token.trim().to_owned().into()));
    }
    match (secret.filled("username")?, secret.filled("password")?) {
        (Some(username), Some(password)) => Ok(Proof::Login(access::Login { username, password: password.into() })),
        (None, Some(password)) => Ok(Proof::Token(password.into())),
        _ => {
            let message = format!("{} has no token for the forge", secret.noun());
            let hint = "the keys are `token`, or `username` and `password`";
            Err(secret.add(Finding::at(secret.place, message).hint(hint)))
        }
    }
}
