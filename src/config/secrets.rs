//! Secrets: `Secret` documents, and a folder of `NAMESPACE/NAME/KEY` files as clusters mount them.
//!
//! A secret in the folder wins over a document of the same name, so that a mounted secret can replace a placeholder.
//! Nothing is looked at before something refers to it: what lies around for others may be encrypted or incomplete.

mod encoded;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use access::ServiceAccount;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tagwright_core::automation::ObjectName;

use self::encoded::{Encoded, encoded};
use super::decode::Fields;
use super::document::{Kind, Object, name_of};
use super::notice::Effect;
use super::report::{Checked, Finding, Report, Reported, quoted};
use super::yaml::Place;

/// The largest value of a secret; a cluster allows no more for all values of one together.
const MAX_VALUE_BYTES: u64 = 1 << 20;

/// How many keys of a folder are looked at.
const MAX_KEYS: usize = 1_000;

/// Values whose final newlines are dropped, because editors and `echo`, also in front of `base64`, put them there.
const LINE_KEYS: [&str; 6] = ["username", "password", "passphrase", "bearerToken", "token", "address"];

/// A secret or a service account that something refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Referred {
    /// A `Secret`.
    Secret(ObjectName),
    /// A `ServiceAccount`.
    ServiceAccount(ObjectName),
}

/// Where secrets and service accounts are looked for.
#[derive(Debug)]
pub(super) struct Secrets<'a> {
    report: &'a Report,
    objects: BTreeMap<(Kind, ObjectName), Vec<&'a Object>>,
    folder: Option<PathBuf>,
}

/// One secret that something refers to.
pub(super) struct Secret<'a> {
    report: &'a Report,
    pub(super) id: ObjectName,
    /// Where it is referred to.
    pub(super) place: Place,
    /// `type`, where it is known.
    pub(super) kind: Option<String>,
    values: Values,
    /// Where the document's `kind` stands.
    definition: Option<Place>,
}

enum Values {
    Document(BTreeMap<String, String>),
    Folder(PathBuf),
}

impl<'a> Secrets<'a> {
    pub(super) fn new(report: &'a Report, objects: &'a [Object], folder: Option<PathBuf>) -> Self {
        let mut found: BTreeMap<(Kind, ObjectName), Vec<&Object>> = BTreeMap::new();
        for object in objects {
            if let Some(id) = name_of(object) {
                found.entry((object.kind, id)).or_default().push(object);
            }
        }
        Self { report, objects: found, folder }
    }

    /// Whether a secret that is referred to at a place is here, whatever it has. One of a cluster is asked for then.
    pub(super) fn finds_secret(&self, id: &ObjectName, place: Place) -> bool {
        if self.report.is_of_objects() {
            self.report.refer(Referred::Secret(id.clone()), place);
        }
        self.has_secret(id)
    }

    /// Whether a secret is here, whatever it has.
    pub(super) fn has_secret(&self, id: &ObjectName) -> bool {
        let folder = self.folder.as_ref().map(|folder| folder.join(&id.namespace).join(&id.name));
        folder.is_some_and(|folder| folder.is_dir()) || self.objects.contains_key(&(Kind::Secret, id.clone()))
    }

    /// Looks up a secret that is referred to at a place; none where secrets are no concern, which is said of one that is not
    /// there.
    pub(super) fn secret(&self, id: &ObjectName, place: Place) -> Checked<Option<Secret<'a>>> {
        if self.report.is_for_run() {
            return self.needed(id, place, None).map(Some);
        }
        if !self.has_secret(id) {
            let message = format!("secret '{id}' is not here; a run needs it");
            self.report.remark(Some(place), message, Effect::Unchecked);
        }
        Ok(None)
    }

    /// A secret that a run needs, and the service account that names it, if one does.
    fn needed(&self, id: &ObjectName, place: Place, account: Option<&ObjectName>) -> Checked<Secret<'a>> {
        if let Some(folder) = &self.folder {
            let folder = folder.join(&id.namespace).join(&id.name);
            match fs::read_dir(&folder) {
                Ok(_) => {
                    let (kind, values, definition) = (None, Values::Folder(folder), None);
                    return Ok(Secret { report: self.report, id: id.clone(), place, kind, values, definition });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let why = words::system(&error.to_string());
                    let message = format!("secret '{id}': cannot read {}: {why}", folder.display());
                    return Err(self.report.error(place, message));
                }
            }
        }
        let object = self.only(Kind::Secret, id, place, account)?;
        let (kind, values) = document(self.report, id, object)?;
        let (values, definition) = (Values::Document(values), Some(object.place));
        Ok(Secret { report: self.report, id: id.clone(), place, kind, values, definition })
    }

    /// A service account that is referred to at a place, as whom a cloud is asked.
    pub(super) fn account(&self, id: &ObjectName, place: Place) -> Checked<Option<ServiceAccount>> {
        if !self.report.is_for_run() {
            self.account_of_run(id, place);
            return Ok(None);
        }
        let object = self.only(Kind::ServiceAccount, id, place, None)?;
        let metadata = object.node.get("metadata").and_then(|metadata| metadata.get("annotations"));
        let Some(annotations) = metadata else { return Ok(Some(named(id, BTreeMap::new()))) };
        let fields = Fields::of(self.report, annotations, "metadata.annotations", object.place);
        let annotations = fields.map(Fields::into_map).unwrap_or_default();
        Ok(Some(named(id, annotations.into_iter().map(|(key, text)| (key, text.value)).collect())))
    }

    /// Says that a run needs a service account.
    fn account_of_run(&self, id: &ObjectName, place: Place) {
        if !self.objects.contains_key(&(Kind::ServiceAccount, id.clone())) {
            let message = format!("service account '{id}' is not here; a run needs it");
            self.report.remark(Some(place), message, Effect::Unchecked);
        }
    }

    /// The secrets in `imagePullSecrets` of a service account that is referred to at a place.
    pub(super) fn pull_secrets(&self, id: &ObjectName, place: Place) -> Checked<Vec<Secret<'a>>> {
        if !self.report.is_for_run() {
            self.account_of_run(id, place);
            return Ok(Vec::new());
        }
        let object = self.only(Kind::ServiceAccount, id, place, None)?;
        let Some(mut fields) = Fields::of(self.report, &object.node, "", object.place) else { return Err(Reported) };
        let mut found = Vec::new();
        for mut item in fields.items("imagePullSecrets").unwrap_or_default() {
            let name = item.name("name").ok_or_else(|| {
                self.report.consequence(place, || format!("an image pull secret of serviceaccount '{id}' has no name"))
            })?;
            // Objects stand for themselves, so that what lacks is said where the account is named.
            let place = if self.report.is_of_objects() { place } else { name.place };
            let secret = ObjectName { namespace: id.namespace.clone(), name: name.value };
            found.push(self.needed(&secret, place, Some(id)));
        }
        found.into_iter().collect()
    }

    fn only(&self, kind: Kind, id: &ObjectName, place: Place, account: Option<&ObjectName>) -> Checked<&'a Object> {
        let noun = if kind == Kind::Secret { "secret" } else { "service account" };
        let referred = match kind {
            Kind::Secret => Referred::Secret(id.clone()),
            _ => Referred::ServiceAccount(id.clone()),
        };
        let failure = self.report.unreadable(&referred);
        self.report.refer(referred, place);
        match self.objects.get(&(kind, id.clone())).map(Vec::as_slice) {
            Some([object]) => Ok(object),
            Some([first, second, ..]) => {
                let finding =
                    Finding::at(second.place, format!("{noun} '{id}' is there twice, and something refers to it"));
                Err(self.report.add(finding.related(first.place, "the first one")))
            }
            _ if self.report.is_of_objects() => {
                // In the words of Flux, whose conditions people look for.
                let noun = if kind == Kind::Secret { noun } else { "serviceaccount" };
                let what = account.map_or_else(String::new, |account| {
                    format!("failed to get image pull secret for serviceaccount '{account}': ")
                });
                // What the API server said is more than that it is not there.
                let why = failure.map_or_else(|| "not found".to_owned(), |why| format!("cannot be read: {why}"));
                Err(self.report.error(place, format!("{what}{noun} '{id}' {why}")))
            }
            _ => {
                let elsewhere = self
                    .namesake(kind, id)
                    .map(|namespace| format!("; one of that name is in namespace {namespace:?}"));
                let finding =
                    Finding::at(place, format!("{noun} '{id}' does not exist{}", elsewhere.unwrap_or_default()));
                Err(self.report.add(finding.hint(self.missing_hint(kind, id))))
            }
        }
    }

    /// The namespace in which an object of this name is, as a document or in the folder.
    fn namesake(&self, kind: Kind, id: &ObjectName) -> Option<String> {
        let of_kind = self.objects.keys().filter(|(of, known)| *of == kind && known.name == id.name);
        let documents = of_kind.map(|(_, known)| known.namespace.clone());
        let folder = self.folder.as_ref().filter(|_| kind == Kind::Secret).and_then(|folder| fs::read_dir(folder).ok());
        let namespaces = folder.into_iter().flatten().filter_map(Result::ok);
        let files = namespaces.filter(|namespace| namespace.path().join(&id.name).is_dir());
        documents.chain(files.map(|namespace| namespace.file_name().to_string_lossy().into_owned())).min()
    }

    fn missing_hint(&self, kind: Kind, id: &ObjectName) -> String {
        match (kind, &self.folder) {
            (Kind::Secret, Some(folder)) => {
                let folder = folder.join(&id.namespace).join(&id.name);
                format!("put its values into files in {}, or add a `Secret` document", folder.display())
            }
            (Kind::Secret, None) => {
                "add a `Secret` document, or give a folder of NAMESPACE/NAME/KEY files with `--secrets`".to_owned()
            }
            _ => "add a `ServiceAccount` document".to_owned(),
        }
    }
}

fn named(id: &ObjectName, annotations: BTreeMap<String, String>) -> ServiceAccount {
    ServiceAccount { namespace: id.namespace.clone(), name: id.name.clone(), annotations }
}

/// Reports a folder of secrets that is not there.
pub(super) fn check_folder(report: &Report, folder: &Path) {
    if let Err(error) = fs::read_dir(folder) {
        let message = format!("cannot read the folder of secrets: {}", words::system(&error.to_string()));
        let finding = Finding::file(folder.display().to_string(), message);
        report.add(finding.hint("`--secrets` takes a folder of NAMESPACE/NAME/KEY files"));
    }
}

/// Type and decoded values of a `Secret` document.
fn document(report: &Report, id: &ObjectName, object: &Object) -> Checked<(Option<String>, BTreeMap<String, String>)> {
    let Some(mut fields) = Fields::of(report, &object.node, "", object.place) else { return Err(Reported) };
    if let Some(place) = fields.key("sops") {
        let finding = Finding::at(place, format!("secret '{id}' is encrypted with SOPS, which is not read"));
        return Err(report.add(finding.hint("give the decrypted values with `--secrets`")));
    }
    fields.accept(&["apiVersion", "kind", "metadata", "immutable"]);
    let kind = fields.filled_text("type").map(|text| text.value);
    let mut values = BTreeMap::new();
    let mut wrong = false;
    for (key, text) in fields.map("data") {
        let compact: String = text.value.chars().filter(|c| !c.is_whitespace()).collect();
        match STANDARD.decode(compact).map(String::from_utf8) {
            Ok(Ok(value)) => drop(values.insert(key, value)),
            Ok(Err(_)) => {} // A value that is no text is none of those that are asked for.
            Err(_) => {
                let finding =
                    Finding::at(text.place, format!("secret '{id}': {} in `data` is not base64", quoted(&key)));
                report.add(finding.hint("plain values belong into `stringData`"));
                wrong = true;
            }
        }
    }
    for (key, text) in fields.map("stringData") {
        let what = format!("secret '{id}': {} in `stringData`", quoted(&key));
        match encoded(&key, &text.value) {
            Some(Encoded::Certain(plain)) => {
                let finding = Finding::at(text.place, format!("{what} is base64 of {plain}"));
                report.add(finding.hint("values in `stringData` are plain; those in `data` are base64"));
                wrong = true;
            }
            Some(Encoded::Likely) => {
                let but = "can be read as base64, and is used as it is; base64 belongs into `data`";
                report.notice_at(text.place, format!("{what} {but}"));
            }
            None => {}
        }
        values.insert(key, text.value);
    }
    wrong |= fields.unknown().next().is_some();
    fields.finish();
    if wrong { Err(Reported) } else { Ok((kind, values)) }
}

impl Secret<'_> {
    /// The value of a key, if the secret has it.
    pub(super) fn get(&self, key: &str) -> Checked<Option<String>> {
        match &self.values {
            Values::Document(values) => Ok(values.get(key).cloned().map(|value| as_line(key, value))),
            Values::Folder(folder) => {
                let path = folder.join(key);
                match read(&path) {
                    Ok(value) => Ok(Some(as_line(key, value))),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => {
                        let why = words::system(&error.to_string());
                        Err(self.error(format!("{}: cannot read {}: {why}", self.noun(), path.display())))
                    }
                }
            }
        }
    }

    /// Whether the secret has a key with something in it.
    pub(super) fn has(&self, key: &str) -> Checked<bool> {
        Ok(self.filled(key)?.is_some())
    }

    /// The value of a key; an empty one counts as absent.
    pub(super) fn filled(&self, key: &str) -> Checked<Option<String>> {
        Ok(self.get(key)?.filter(|value| !value.is_empty()))
    }

    /// All values whose keys have an ending, in the order of the keys; empty ones count as absent.
    pub(super) fn ending(&self, ending: &str) -> Checked<Vec<(String, String)>> {
        let mut keys: Vec<String> = match &self.values {
            Values::Document(values) => values.keys().cloned().collect(),
            Values::Folder(folder) => {
                let entries = fs::read_dir(folder).map_err(|error| {
                    let why = words::system(&error.to_string());
                    self.error(format!("{}: cannot read {}: {why}", self.noun(), folder.display()))
                })?;
                entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).take(MAX_KEYS).collect()
            }
        };
        keys.retain(|key| key.ends_with(ending));
        keys.sort_unstable();
        let values = keys.into_iter().map(|key| Ok(self.filled(&key)?.map(|value| (key, value))));
        Ok(values.collect::<Checked<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// The value of the first of several keys that the secret has.
    pub(super) fn first(&self, keys: &[&str]) -> Checked<Option<String>> {
        for key in keys {
            if let Some(value) = self.filled(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// `secret 'namespace/name'`, as Flux says it.
    pub(super) fn noun(&self) -> String {
        format!("secret '{}'", self.id)
    }

    /// Reports a problem where the secret is referred to, and shows where it is defined.
    pub(super) fn error(&self, message: impl Into<String>) -> Reported {
        self.add(Finding::at(self.place, message))
    }

    pub(super) fn add(&self, finding: Finding) -> Reported {
        self.report.add(match self.definition {
            Some(place) => finding.related(place, "the secret"),
            None => finding,
        })
    }

    pub(super) fn notice(&self, message: &str) {
        self.report.idle(self.place, format!("{} {message}", self.noun()));
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    super::source::open(path)?.take(MAX_VALUE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_VALUE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {MAX_VALUE_BYTES} bytes")));
    }
    Ok(text)
}

/// A value as it is meant: without newlines at its end where it is one line.
fn as_line(key: &str, mut value: String) -> String {
    if LINE_KEYS.contains(&key) {
        value.truncate(value.trim_end_matches(['\r', '\n']).len());
    }
    value
}
