//! `verify`: whose signature an image needs, and what it must have been built from.
//!
//! In the native document it is a field of an image; a Flux `ImagePolicy` and a KubeVela `Application` have annotations for it. Keys and
//! trusted roots are written where they are used, or stand in a secret: keys under names that end with `.pub`, as
//! `cosign generate-key-pair k8s://…` leaves them, a trusted root under `trusted_root.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tagwright_core::automation;
use tagwright_core::automation::{ObjectName, OnUnverified};
use tagwright_core::spelling::listed;
use trust::{BuiltFrom, Identity, Key, Policy, Root, Signer, Verifier};

use super::decode::Fields;
use super::policies::Context;
use super::report::{Checked, Finding, Report, quoted};
use super::secrets::Secret;
use super::text::Text;
use super::yaml::Place;

/// The annotations, in the order of the fields they stand for.
pub(super) const ANNOTATIONS: [&str; 7] =
    [KEYS_SECRET, IDENTITY, IDENTITY_PATTERN, ISSUER, ROOT_SECRET, ON_UNVERIFIED, BUILT_FROM];
const KEYS_SECRET: &str = "tagwright.dev/verify-keys-secret";
const IDENTITY: &str = "tagwright.dev/verify-identity";
const IDENTITY_PATTERN: &str = "tagwright.dev/verify-identity-pattern";
const ISSUER: &str = "tagwright.dev/verify-issuer";
const ROOT_SECRET: &str = "tagwright.dev/verify-trusted-root-secret";
const ON_UNVERIFIED: &str = "tagwright.dev/on-unverified";
const BUILT_FROM: &str = "tagwright.dev/verify-built-from";

/// What the names of keys in a secret end with.
const KEY_ENDING: &str = ".pub";
/// The name of a trusted root in a secret.
const ROOT_NAME: &str = "trusted_root.json";
/// How many keys a secret may have.
const MAX_KEYS: usize = 32;

/// What `onUnverified` can say.
const WORDS: [(&str, OnUnverified); 2] = [("next", OnUnverified::Next), ("hold", OnUnverified::Hold)];

/// What a document says, with its secrets still to be looked up.
#[derive(Debug, Clone)]
pub(super) struct Verify {
    /// Where it stands.
    place: Place,
    /// The namespace of its secrets; that of the policy where none is said.
    namespace: Option<String>,
    by: By,
    root: Option<RootOf>,
    built_from: Option<BuiltFrom>,
    on_unverified: OnUnverified,
}

/// Who signs.
#[derive(Debug, Clone)]
enum By {
    Key(Key),
    Secret(Text),
    Identity(Identity, String),
}

/// Where the trusted root is.
#[derive(Debug, Clone)]
enum RootOf {
    Here(Box<Root>),
    Secret(Text),
}

/// Reads `verify` of an image whose secrets are in a namespace: `Some(None)` where it is absent, `None` where it is wrong.
pub(super) fn verify(fields: &mut Fields<'_>, namespace: Option<&str>) -> Option<Option<Verify>> {
    fields.optional_fields("verify", |fields| within(fields, namespace))
}

fn within(mut fields: Fields<'_>, namespace: Option<&str>) -> Option<Verify> {
    const SIGNERS: [&str; 3] = ["key", "keysSecretRef", "keyless"];
    let (report, place, path) = (fields.report(), fields.place, fields.own_path().to_owned());
    fields.one_of("provider", &[("cosign", ())]);
    let given: Vec<(&str, Place)> =
        SIGNERS.into_iter().filter_map(|name| fields.key(name).map(|place| (name, place))).collect();
    let key = fields.filled_text("key").and_then(|text| text.parsed(report, Key::parse)).map(By::Key);
    let secret = fields.reference("keysSecretRef").map(By::Secret);
    let keyless = fields.fields("keyless").and_then(keyless);
    let root = root(&mut fields);
    let on_unverified = fields.one_of("onUnverified", &WORDS).map_or(OnUnverified::Next, |(word, _)| word);
    let built_from = fields.optional_fields("builtFrom", built_from);
    fields.finish();
    let hint = || format!("write one of {}", listed(&SIGNERS));
    match given.as_slice() {
        [] => {
            report.add(Finding::at(place, format!("`{path}` does not say who signs")).hint(hint()));
            return None;
        }
        [_] => {}
        [(first, _), (second, place), ..] => {
            let message = format!("`{path}` has both `{first}` and `{second}`");
            report.add(Finding::at(*place, message).hint(hint()));
            return None;
        }
    }
    let by = key.or(secret).or(keyless)?;
    let root = root?;
    check_root(report, place, &path, &by, root.as_ref())?;
    let namespace = namespace.map(str::to_owned);
    Some(Verify { place, namespace, by, root, built_from: built_from?, on_unverified })
}

fn keyless(mut fields: Fields<'_>) -> Option<By> {
    let (report, place, path) = (fields.report(), fields.place, fields.own_path().to_owned());
    let exact = fields.filled_text("identity");
    let pattern = fields.filled_text("identityPattern");
    let issuer = fields.required_text("issuer");
    fields.finish();
    let by = identity(report, place, &path, exact, pattern)?;
    Some(By::Identity(by, issuer?.value))
}

fn identity(report: &Report, place: Place, path: &str, exact: Option<Text>, pattern: Option<Text>) -> Option<Identity> {
    match (exact, pattern) {
        (Some(exact), None) => Some(Identity::Exact(exact.value)),
        (None, Some(pattern)) => {
            let hint =
                || "patterns are regular expressions in Go's dialect (RE2), and match a whole identity".to_owned();
            pattern.parsed_or(report, hint, Identity::pattern)
        }
        (Some(_), Some(pattern)) => {
            report.error(pattern.place, format!("`{path}` has both an identity and a pattern of one"));
            None
        }
        (None, None) => {
            let finding = Finding::at(place, format!("`{path}` does not say whose signature it is to be"));
            report.add(finding.hint("`identity` is the subject of the certificate, `identityPattern` a pattern of it"));
            None
        }
    }
}

fn root(fields: &mut Fields<'_>) -> Option<Option<RootOf>> {
    let report = fields.report();
    let (here, named) = (fields.key("trustedRoot"), fields.key("trustedRootSecretRef"));
    let text = fields.filled_text("trustedRoot");
    let secret = fields.reference("trustedRootSecretRef");
    match (here, named) {
        (None, None) => Some(None),
        (Some(_), None) => text?.parsed(report, Root::parse).map(|root| Some(RootOf::Here(Box::new(root)))),
        (None, Some(_)) => secret.map(|secret| Some(RootOf::Secret(secret))),
        (Some(_), Some(place)) => {
            let (one, other) = (fields.path("trustedRoot"), fields.path("trustedRootSecretRef"));
            report.error(place, format!("`{one}` and `{other}` exclude each other"));
            None
        }
    }
}

/// A signature without a key is worth nothing without somebody who is trusted.
fn check_root(report: &Report, place: Place, path: &str, by: &By, root: Option<&RootOf>) -> Option<()> {
    if let (By::Identity(..), None) = (by, root) {
        let finding = Finding::at(place, format!("`{path}` needs a trusted root, since nothing is asked for one"));
        report.add(finding.hint(
            "give `trustedRoot` or `trustedRootSecretRef`; `cosign trusted-root create` writes one, and Sigstore's own is \
             `trusted_root.json` of its TUF repository",
        ));
        return None;
    }
    Some(())
}

fn built_from(mut fields: Fields<'_>) -> Option<BuiltFrom> {
    let report = fields.report();
    let repository = fields.required_text("repository");
    let branch = fields.filled_text("branch");
    fields.finish();
    let (repository, branch_text) = (repository?, branch.as_ref().map(|branch| branch.value.as_str()));
    match BuiltFrom::new(&repository.value, branch_text) {
        Ok(built_from) => Some(built_from),
        Err(problem) => {
            let at = branch.filter(|_| problem == trust::Problem::Branch).unwrap_or(repository);
            report.error(at.place, format!("`{}`: {problem}", at.path));
            None
        }
    }
}

/// Reads the annotations of an object.
pub(super) fn annotated(report: &Report, annotations: &BTreeMap<String, Text>) -> Option<Verify> {
    let get = |name: &str| {
        let text = annotations.get(name).filter(|text| !text.value.is_empty())?;
        Some(Text { path: name.to_owned(), ..text.clone() })
    };
    let first = ANNOTATIONS.iter().find_map(|name| get(name))?;
    let (keys, exact, pattern, issuer) = (get(KEYS_SECRET), get(IDENTITY), get(IDENTITY_PATTERN), get(ISSUER));
    let by = match (keys, exact.is_some() || pattern.is_some() || issuer.is_some()) {
        (Some(keys), false) => By::Secret(keys.object_name(report)?),
        (Some(keys), true) => {
            report.error(keys.place, format!("annotations: `{KEYS_SECRET}` and an identity exclude each other"));
            return None;
        }
        (None, true) => {
            let Some(issuer) = issuer else {
                report.error(first.place, format!("annotation `{ISSUER}` is missing"));
                return None;
            };
            By::Identity(identity(report, first.place, "annotations", exact, pattern)?, issuer.value)
        }
        (None, false) => {
            let finding = Finding::at(first.place, format!("annotation `{}`: nothing says who signs", first.path));
            report.add(finding.hint(format!("add `{KEYS_SECRET}`, or `{IDENTITY}` with `{ISSUER}`")));
            return None;
        }
    };
    let root = match get(ROOT_SECRET) {
        Some(secret) => Some(RootOf::Secret(secret.object_name(report)?)),
        None => None,
    };
    if let (By::Identity(..), None) = (&by, &root) {
        report
            .error(first.place, format!("annotation `{ROOT_SECRET}` is missing: nothing is asked for a trusted root"));
        return None;
    }
    let on_unverified = match get(ON_UNVERIFIED) {
        None => OnUnverified::Next,
        Some(text) => {
            let Some((_, word)) = WORDS.iter().find(|(word, _)| *word == text.value) else {
                let message = format!("annotation `{}` cannot be {}", text.path, quoted(&text.value));
                report.add(Finding::at(text.place, message).hint("the values are `next` and `hold`"));
                return None;
            };
            *word
        }
    };
    let built_from = match get(BUILT_FROM) {
        None => None,
        Some(text) => {
            let (repository, branch) =
                text.value.split_once('@').map_or((text.value.as_str(), None), |(place, branch)| (place, Some(branch)));
            let built = BuiltFrom::new(repository, branch).map_err(|problem| {
                let finding = Finding::at(text.place, format!("annotation `{}`: {problem}", text.path));
                report.add(finding.hint("write `https://github.com/acme/app`, or with `@main` behind it"));
            });
            Some(built.ok()?)
        }
    };
    Some(Verify { place: first.place, namespace: None, by, root, built_from, on_unverified })
}

/// Looks up what a document refers to; none where secrets are no concern.
pub(super) fn resolve(
    context: &Context<'_>,
    policy: &ObjectName,
    verify: &Verify,
) -> Checked<Option<automation::Verify>> {
    let namespace = verify.namespace.as_ref().unwrap_or(&policy.namespace);
    let secret = |name: &Text| {
        let id = ObjectName { namespace: namespace.clone(), name: name.value.clone() };
        context.secrets.secret(&id, name.place)
    };
    let signer = match &verify.by {
        By::Key(key) => Ok(Some(Signer::Keys(vec![key.clone()]))),
        By::Identity(identity, issuer) => {
            Ok(Some(Signer::Keyless { identity: identity.clone(), issuer: issuer.clone() }))
        }
        By::Secret(name) => secret(name).and_then(|secret| secret.as_ref().map(keys).transpose()),
    };
    let root = match &verify.root {
        None => Ok(Some(None)),
        Some(RootOf::Here(root)) => Ok(Some(Some(root.as_ref().clone()))),
        Some(RootOf::Secret(name)) => {
            secret(name).and_then(|secret| secret.as_ref().map(|secret| trusted_root(secret).map(Some)).transpose())
        }
    };
    let (Some(signer), Some(root)) = (signer?, root?) else { return Ok(None) };
    let policy = Policy { signer, root, built_from: verify.built_from.clone() };
    match Verifier::new(policy) {
        Ok(verifier) => {
            Ok(Some(automation::Verify { verifier: Arc::new(verifier), on_unverified: verify.on_unverified }))
        }
        Err(problem) => Err(context.report.error(verify.place, problem.to_string())),
    }
}

fn keys(secret: &Secret<'_>) -> Checked<Signer> {
    let values = secret.ending(KEY_ENDING)?;
    if values.is_empty() || values.len() > MAX_KEYS {
        let message = match values.len() {
            0 => format!("{} has no public key: nothing in it has a name that ends with `{KEY_ENDING}`", secret.noun()),
            _ => format!("{} has more than {MAX_KEYS} public keys", secret.noun()),
        };
        return Err(secret.error(message));
    }
    let read = |(name, text): &(String, String)| {
        Key::parse(text).map_err(|problem| secret.error(format!("{}: key '{name}': {problem}", secret.noun())))
    };
    values.iter().map(read).collect::<Checked<Vec<_>>>().map(Signer::Keys)
}

fn trusted_root(secret: &Secret<'_>) -> Checked<Root> {
    let Some(text) = secret.filled(ROOT_NAME)? else {
        return Err(secret.error(format!("{}: key '{ROOT_NAME}' not found", secret.noun())));
    };
    Root::parse(&text).map_err(|problem| secret.error(format!("{}: key '{ROOT_NAME}': {problem}", secret.noun())))
}
