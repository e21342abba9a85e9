//! Sorts documents by `apiVersion` and `kind`: what is for us, what helps us, what is passed over.
//!
//! Configuration often lies among other manifests. Whatever is of a kind that is not ours is passed over with one line
//! for each kind. A group of ours with a version or kind that does not exist is an error, because it is a mistake.

use std::collections::BTreeMap;
use std::rc::Rc;

use tagwright_core::automation::ObjectName;
use tagwright_core::spelling::{listed, nearest};

use super::decode::Fields;
use super::guards::{
    ALLOW_DOWNGRADE, Annotated, EXCLUDE, EXCLUDE_DIGESTS, IGNORE_ATTESTATION_ONLY, MAX_INTERVAL, MINIMUM_AGE, ORDER,
    PLATFORMS, PULLABLE, TOGETHER,
};
use super::lane;
use super::notice::Effect;
use super::raw::Meta;
use super::report::{Finding, Report, quoted};
use super::requests;
use super::source::Origin;
use super::sync;
use super::text::Text;
use super::value;
use super::verify;
use super::yaml::{self, Node, Place, Unreadable, Value};

/// The annotation that turns trailers on for objects that have no field for it.
pub(super) const TRAILERS: &str = "tagwright.dev/trailers";

/// The annotation that turns the editing of embedded YAML on for them.
pub(super) const EMBEDDED: &str = "tagwright.dev/embedded";

/// The annotations that are orders, or what replicas tell each other; they count on the objects of a cluster, where people see them.
pub(crate) const ORDERS: [&str; 9] = [
    "tagwright.dev/hold",
    "tagwright.dev/release",
    "tagwright.dev/release-now",
    "tagwright.dev/suspended",
    "tagwright.dev/freeze",
    "tagwright.dev/freeze-until",
    "tagwright.dev/break-glass",
    "tagwright.dev/break-glass-until",
    "tagwright.dev/pushed",
];

/// What annotations of ours begin with.
const DOMAIN: &str = "tagwright.dev/";

/// How many documents are read in all, items of lists included.
const MAX_DOCUMENTS: usize = 100_000;

/// How many lists may stand within lists.
const MAX_LISTS: usize = 4;

/// Groups of which a document is ours, even if it cannot be read.
const GROUPS: [&str; 4] =
    ["tagwright.dev/", "image.toolkit.fluxcd.io/", "source.toolkit.fluxcd.io/", "core.oam.dev/v1beta1"];

/// What a template of Helm or Jinja has and YAML has not.
const TEMPLATES: [&str; 2] = ["{{", "{%"];

/// A kind of document that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ImageAutomation,
    GitRepository,
    ImageRepository,
    ImagePolicy,
    ImageUpdateAutomation,
    Application,
    Receiver,
    GitSync,
    /// A document of Autopilot, which has no kind.
    Autopilot,
    Notification,
    /// Flux's.
    Provider,
    Alert,
    Secret,
    ServiceAccount,
    Namespace,
}

/// A document of a kind that is read.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) node: Rc<Node>,
    /// Where `kind`'s value stands.
    pub(super) place: Place,
}

/// What `apiVersion` and `kind` say.
enum Class {
    Read(Kind),
    List,
    Other,
    WrongVersion(&'static [&'static str]),
    WrongKind(&'static [&'static str]),
}

const FLUX_VERSIONS: [&str; 3] = ["v1", "v1beta2", "v1beta1"];
/// Those of `Provider` and `Alert`.
const NOTIFICATION_VERSIONS: [&str; 4] = ["v1", "v1beta3", "v1beta2", "v1beta1"];
const FLUX_KINDS: [&str; 3] = ["ImageRepository", "ImagePolicy", "ImageUpdateAutomation"];

/// Reads the objects of all files, one document after the other, since their trees are many times as large as what is made of
/// them. Returns whether nothing is wrong with the documents themselves; what is, is reported.
pub(super) fn each(report: &Report, mut take: impl FnMut(Object)) -> bool {
    let mut sorter = Sorter { report, objects: Vec::new(), others: BTreeMap::new(), documents: 0 };
    let mut is_whole = true;
    for (file, source) in report.sources().iter().enumerate() {
        if report.is_of_objects() {
            sorter.documents = 0;
        }
        yaml::each(file, &source.text, |document| {
            let known = report.problems();
            match document {
                Ok(node) => sorter.sort(&node, 0),
                Err(document) => unreadable(report, file, document),
            }
            is_whole &= report.problems() == known;
            sorter.objects.drain(..).for_each(&mut take);
        });
    }
    for (name, count) in &sorter.others {
        let documents = if *count == 1 { "document" } else { "documents" };
        report.notice(format!("passed over {count} {documents} {name}"));
    }
    is_whole
}

/// A document of a file found in a folder that cannot be read and is of no group of ours is for somebody else.
fn unreadable(report: &Report, file: usize, Unreadable { error, unread }: Unreadable) {
    let source = &report.sources()[file];
    let may_hold_secrets = source.text.contains("Secret");
    if source.origin == Origin::Found && !is_ours(&source.text[unread]) {
        let message = format!("passed over, since it is not YAML: {}", error.message);
        // Templates, and JSON with comments, lie in many folders; other files are meant to be YAML, and perhaps to be read by us.
        let is_dialect = source.path.ends_with(".json") || TEMPLATES.iter().any(|mark| source.text.contains(mark));
        let effect = if is_dialect { Effect::Intended } else { Effect::Lost };
        return match may_hold_secrets {
            true => report.remark(None, format!("{}: {message}", report.line_of(error.place)), effect),
            false => report.remark(Some(error.place), message, effect),
        };
    }
    let message = format!("not YAML: {}", error.message);
    report.add(match may_hold_secrets {
        true => Finding::hidden(error.place, message),
        false => Finding::at(error.place, message),
    });
}

/// Whether a text that cannot be read would be a document of ours: its `apiVersion` at the margin says so or, where there
/// is none or it is a list, any other.
fn is_ours(text: &str) -> bool {
    let of_ours = |rest: &str| {
        let value = rest.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':').unwrap_or_default();
        let value = value.trim_start().trim_start_matches(['"', '\'']);
        GROUPS.iter().any(|group| value.starts_with(group))
    };
    let at_margin = |line: &str| line.trim_start_matches(['"', '\'']).starts_with("apiVersion");
    let is_list = text.lines().any(|line| line.starts_with("kind:") && line.contains("List"));
    let mut margin = text.lines().filter(|line| at_margin(line)).peekable();
    match margin.peek() {
        Some(_) if !is_list => margin.filter_map(|line| line.split_once("apiVersion")).any(|(_, rest)| of_ours(rest)),
        _ => text.split("apiVersion").skip(1).any(of_ours),
    }
}

struct Sorter<'a> {
    report: &'a Report,
    objects: Vec<Object>,
    /// What was passed over, by its description.
    others: BTreeMap<String, usize>,
    documents: usize,
}

impl Sorter<'_> {
    fn sort(&mut self, node: &Rc<Node>, lists: usize) {
        self.documents += 1;
        if self.documents > MAX_DOCUMENTS {
            if self.documents == MAX_DOCUMENTS + 1 {
                self.report.error(node.place, format!("more than {MAX_DOCUMENTS} documents"));
            }
            return;
        }
        let (Some(version), Some(kind)) = (node.get("apiVersion"), node.get("kind")) else {
            if let Some(place) = sync::block(node) {
                self.objects.push(Object { kind: Kind::Autopilot, node: Rc::clone(node), place });
                return;
            }
            return self.pass_over("without `apiVersion` and `kind`".to_owned());
        };
        let (Some(version_text), Some(kind_text)) = (version.text(), kind.text()) else {
            return self.pass_over("whose `apiVersion` or `kind` is not a string".to_owned());
        };
        match classify(version_text, kind_text) {
            Class::Read(read) => {
                if read == Kind::Secret {
                    mask(self.report, node);
                }
                self.objects.push(Object { kind: read, node: Rc::clone(node), place: kind.place });
            }
            Class::List if lists < MAX_LISTS => self.items(node, lists),
            Class::List => {
                self.report.error(kind.place, format!("more than {MAX_LISTS} lists within lists"));
            }
            Class::Other => self.pass_over(format!("of {} {}", bounded(version_text), bounded(kind_text))),
            Class::WrongVersion(versions) => {
                let message = format!("unknown version {} of {kind_text}", quoted(version_text));
                let hint = format!("the versions that are read are {}", listed(versions));
                self.report.add(Finding::at(version.place, message).hint(hint));
            }
            Class::WrongKind(kinds) => {
                let message = format!("unknown kind {} of {version_text}", quoted(kind_text));
                let hint = match nearest(kind_text, kinds) {
                    Some(known) => format!("a kind with a similar name exists: `{known}`"),
                    None => format!("the kinds that are read are {}", listed(kinds)),
                };
                self.report.add(Finding::at(kind.place, message).hint(hint));
            }
        }
    }

    fn items(&mut self, list: &Rc<Node>, lists: usize) {
        match list.get("items").map(|items| (&items.value, items)) {
            Some((Value::Sequence(items), _)) => items.iter().for_each(|item| self.sort(item, lists + 1)),
            Some((_, items)) => {
                self.report.error(items.place, format!("`items` must be a list, but is {}", items.noun()));
            }
            None => {}
        }
    }

    fn pass_over(&mut self, name: String) {
        *self.others.entry(name).or_default() += 1;
    }
}

fn bounded(text: &str) -> String {
    quoted(text).trim_matches('`').to_owned()
}

fn classify(api_version: &str, kind: &str) -> Class {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    match (group, kind) {
        ("tagwright.dev", "ImageAutomation") if version == "v1alpha1" => Class::Read(Kind::ImageAutomation),
        ("tagwright.dev", "Receiver") if version == "v1alpha1" => Class::Read(Kind::Receiver),
        ("tagwright.dev", "GitSync") if version == "v1alpha1" => Class::Read(Kind::GitSync),
        ("tagwright.dev", "Notification") if version == "v1alpha1" => Class::Read(Kind::Notification),
        ("tagwright.dev", "ImageAutomation" | "Receiver" | "GitSync" | "Notification") => {
            Class::WrongVersion(&["tagwright.dev/v1alpha1"])
        }
        ("tagwright.dev", _) => Class::WrongKind(&["ImageAutomation", "Receiver", "GitSync", "Notification"]),
        ("notification.toolkit.fluxcd.io", "Provider") if NOTIFICATION_VERSIONS.contains(&version) => {
            Class::Read(Kind::Provider)
        }
        ("notification.toolkit.fluxcd.io", "Alert") if NOTIFICATION_VERSIONS.contains(&version) => {
            Class::Read(Kind::Alert)
        }
        ("notification.toolkit.fluxcd.io", "Receiver") if FLUX_VERSIONS.contains(&version) => {
            Class::Read(Kind::Receiver)
        }
        ("image.toolkit.fluxcd.io", _) => match FLUX_KINDS.iter().position(|known| *known == kind) {
            None => Class::WrongKind(&FLUX_KINDS),
            Some(_) if !FLUX_VERSIONS.contains(&version) => Class::WrongVersion(&FLUX_VERSIONS),
            Some(0) => Class::Read(Kind::ImageRepository),
            Some(1) => Class::Read(Kind::ImagePolicy),
            Some(_) => Class::Read(Kind::ImageUpdateAutomation),
        },
        ("source.toolkit.fluxcd.io", "GitRepository") if FLUX_VERSIONS.contains(&version) => {
            Class::Read(Kind::GitRepository)
        }
        ("source.toolkit.fluxcd.io", "GitRepository") => Class::WrongVersion(&FLUX_VERSIONS),
        ("core.oam.dev", "Application") if version == "v1beta1" => Class::Read(Kind::Application),
        ("", "List") => Class::List,
        ("", "Secret") if version == "v1" => Class::Read(Kind::Secret),
        ("", "ServiceAccount") if version == "v1" => Class::Read(Kind::ServiceAccount),
        ("", "Namespace") if version == "v1" => Class::Read(Kind::Namespace),
        _ => Class::Other,
    }
}

/// Keeps whatever a `Secret` holds from being shown: everything but its name, namespace and type. Annotations are
/// hidden too, because `kubectl apply` keeps a copy of the whole object there.
fn mask(report: &Report, secret: &Node) {
    let Value::Mapping(entries) = &secret.value else { return };
    for (key, value) in entries {
        match (key.text(), &value.value) {
            (Some("apiVersion" | "kind" | "type" | "immutable"), _) => {}
            (Some("metadata"), Value::Mapping(metadata)) => metadata
                .iter()
                .filter(|(key, _)| !matches!(key.text(), Some("name" | "namespace" | "labels")))
                .for_each(|(_, value)| mask_values(report, value)),
            _ => mask_values(report, value),
        }
    }
}

/// Masks values and leaves the names of fields, so that a wrong one can be shown.
fn mask_values(report: &Report, node: &Node) {
    match &node.value {
        Value::Mapping(entries) => {
            for (_, value) in entries {
                report.mask(value.place);
            }
        }
        _ => report.mask(node.place),
    }
}

/// Reads the frame of an object that is ours: `metadata`, and `spec` for the caller.
pub(super) fn open<'a>(report: &'a Report, object: &'a Object) -> (Option<Meta>, Option<Fields<'a>>) {
    let Some(mut root) = Fields::of(report, &object.node, "", object.place) else { return (None, None) };
    root.accept(&["apiVersion", "kind", "status"]);
    let meta = root.required_fields("metadata").and_then(metadata);
    let spec = root.required_fields("spec");
    root.finish();
    (meta, spec)
}

fn metadata(mut fields: Fields<'_>) -> Option<Meta> {
    let report = fields.report();
    let name = fields.name("name");
    let namespace = fields.optional_name("namespace");
    let labels = fields.map("labels").into_iter().map(|(key, text)| (key, text.value)).collect();
    let annotations = fields.map("annotations");
    let is_stored = fields.key("uid").is_some();
    fields.accept(&[
        "generateName",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ]);
    fields.finish();
    let flag = |annotation: &str| match annotations.get(annotation) {
        None => false,
        Some(text) if matches!(text.value.as_str(), "true" | "false") => text.value == "true",
        Some(text) => {
            let message =
                format!("annotation `{annotation}` must be \"true\" or \"false\", but is {}", quoted(&text.value));
            report.error(text.place, message);
            false
        }
    };
    let (trailers, embedded, _) = (flag(TRAILERS), flag(EMBEDDED), flag(ALLOW_DOWNGRADE));
    let annotated = Annotated::read(report, &annotations);
    let ours = annotations.iter().filter(|(name, _)| requests::ANNOTATIONS.contains(&name.as_str()));
    let requests = ours.map(|(name, text)| (name.clone(), text.clone())).collect();
    unknown_annotations(report, &annotations, if is_stored { Orders::OfCluster } else { Orders::None });
    let name = name?;
    let namespace = namespace?.map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |namespace| namespace.value);
    let id = ObjectName { namespace, name: name.value };
    Some(Meta { id, place: name.place, labels, trailers, embedded, annotated, requests })
}

/// Who obeys the orders that a document may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Orders {
    /// Nobody: it was written by hand, so that they are a mistake.
    None,
    /// The bot of the cluster that it was copied from.
    OfCluster,
}

/// A misspelt guard would be none, so names below our domain that mean nothing are errors.
fn unknown_annotations(report: &Report, annotations: &BTreeMap<String, Text>, orders: Orders) {
    let own = [
        TRAILERS,
        EMBEDDED,
        EXCLUDE,
        EXCLUDE_DIGESTS,
        PLATFORMS,
        PULLABLE,
        TOGETHER,
        MINIMUM_AGE,
        ALLOW_DOWNGRADE,
        MAX_INTERVAL,
        lane::LABEL,
        lane::DOCUMENTS,
        IGNORE_ATTESTATION_ONLY,
        ORDER,
    ];
    let known: Vec<&str> = own.into_iter().chain(verify::ANNOTATIONS).chain(requests::ANNOTATIONS).collect();
    let ours = |(name, _): &(&String, &Text)| name.starts_with(DOMAIN) && !known.contains(&name.as_str());
    for (name, text) in annotations.iter().filter(ours) {
        let is_order = ORDERS.contains(&name.as_str());
        if is_order && report.is_of_objects() {
            continue;
        }
        if is_order && orders == Orders::OfCluster {
            let message = format!("{} is for the bot of the cluster, and is not looked at here", quoted(name));
            report.remark(Some(text.place), message, Effect::Unchecked);
            continue;
        }
        let finding = Finding::at(text.place, format!("unknown annotation {}", quoted(name)));
        report.add(match nearest(name, &known) {
            Some(known) => finding.hint(format!("an annotation with a similar name exists: `{known}`")),
            None => finding.hint(format!("the annotations are {}", listed(&known))),
        });
    }
}

/// The namespace of objects that name none.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// Name and namespace of an object that is only looked up; none when it has no usable name.
pub(super) fn name_of(object: &Object) -> Option<ObjectName> {
    let metadata = object.node.get("metadata")?;
    let name = metadata.get("name")?.text().filter(|name| value::is_object_name(name))?;
    let namespace = metadata.get("namespace").and_then(|namespace| namespace.text()).filter(|text| !text.is_empty());
    Some(ObjectName { namespace: namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_ours_by_its_own_group() {
        let check = |text: &str, expect: bool| assert_eq!(is_ours(text), expect, "{text}");
        check("apiVersion: image.toolkit.fluxcd.io/v1\nkind: [\n", true);
        check("kind: [\n\"apiVersion\" : 'tagwright.dev/v1alpha1'\n", true);
        check("{\"kind\": [, \"apiVersion\": \"core.oam.dev/v1beta1\"}", true);
        check("apiVersion: v1\nkind: List\nitems:\n- apiVersion: source.toolkit.fluxcd.io/v1\n  x: [\n", true);
        check("apiVersion: a/v1\nchecks:\n- apiVersion: image.toolkit.fluxcd.io/v1\n  x: [\n", false);
        check("# see image.toolkit.fluxcd.io/v1\na: [\n", false);
        check("a: [\n", false);
    }

    /// The hints name versions without the group, so the constant must be what the classes accept.
    #[test]
    fn every_listed_kind_and_version_is_read() {
        for version in FLUX_VERSIONS {
            for kind in FLUX_KINDS {
                assert!(matches!(classify(&format!("image.toolkit.fluxcd.io/{version}"), kind), Class::Read(_)));
            }
            assert!(matches!(
                classify(&format!("source.toolkit.fluxcd.io/{version}"), "GitRepository"),
                Class::Read(_)
            ));
        }
    }
}
