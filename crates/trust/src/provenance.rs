//! What an image was built from, as an attestation says.
//!
//! GitHub's attestations and SLSA's provenance of version 1 name the workflow (`externalParameters.workflow`), others the source
//! among what was resolved (`git+https://…@refs/heads/main`); version 0.2 names the place of the build's configuration. Sources:
//! slsa.dev/spec/v1.0/provenance, slsa.dev/provenance/v0.2, and the build types of GitHub Actions.

use serde_json::Value;
use sigstore_verify::crypto::CertificateInfo;

use crate::Problem;
use crate::refusal::Refusal;

/// The predicate types that say what something was built from.
pub(crate) const V1: &str = "https://slsa.dev/provenance/v1";
pub(crate) const V02: &str = "https://slsa.dev/provenance/v0.2";

/// What an image must have been built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFrom {
    repository: String,
    branch: Option<String>,
}

impl BuiltFrom {
    /// Of a repository, at a branch or at anything.
    ///
    /// # Errors
    /// The repository is no address of the web, or the branch is none.
    pub fn new(repository: &str, branch: Option<&str>) -> Result<Self, Problem> {
        let plain = plain(repository);
        let is_place =
            repository.starts_with("https://") && plain.split('/').filter(|part| !part.is_empty()).count() >= 3;
        if !is_place || plain.contains(char::is_whitespace) || plain.contains(['@', '?', '#']) {
            return Err(Problem::Repository);
        }
        let branch = branch.map(|branch| branch.strip_prefix("refs/heads/").unwrap_or(branch));
        if branch.is_some_and(|branch| branch.is_empty() || branch.contains([' ', ':', '~', '^', '*', '\\'])) {
            return Err(Problem::Branch);
        }
        Ok(Self { repository: repository.trim_end_matches('/').to_owned(), branch: branch.map(str::to_owned) })
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The branch.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.branch.as_deref()
    }

    /// Checks what an attestation says that has been verified, and what its certificate says of who signed it.
    pub(crate) fn check(
        &self,
        predicate_type: &str,
        predicate: &Value,
        certificate: Option<&CertificateInfo>,
    ) -> Result<(), Refusal> {
        let place = Place::of(predicate_type, predicate)
            .ok_or_else(|| Refusal::malformed("it does not say from which repository the image was built"))?;
        let claims = certificate.map(|certificate| &certificate.ci_claims);
        if let Some(repository) = claims.and_then(|claims| claims.source_repository_uri.as_deref()) {
            let reference = claims.and_then(|claims| claims.source_repository_ref.clone());
            let signed = Place { repository: repository.to_owned(), reference };
            if !signed.is_where(&place) {
                return Err(Refusal::Borrowed { said: place.shown(), signed: signed.shown() });
            }
        }
        let is_branch = |branch: &str| place.reference.as_deref() == Some(format!("refs/heads/{branch}").as_str());
        match plain(&place.repository) == plain(&self.repository) && self.branch.as_deref().is_none_or(is_branch) {
            true => Ok(()),
            false => Err(Refusal::BuiltElsewhere { place: place.shown() }),
        }
    }
}

/// A repository, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    repository: String,
    reference: Option<String>,
}

impl Place {
    fn of(predicate_type: &str, predicate: &Value) -> Option<Self> {
        let text = |pointer: &str| predicate.pointer(pointer).and_then(Value::as_str);
        match predicate_type {
            V1 => {
                let workflow = "/buildDefinition/externalParameters/workflow";
                let named = text(&format!("{workflow}/repository")).map(|repository| Self {
                    repository: repository.to_owned(),
                    reference: text(&format!("{workflow}/ref")).map(str::to_owned),
                });
                named.or_else(|| Self::parse(text("/buildDefinition/resolvedDependencies/0/uri")?))
            }
            V02 => Self::parse(text("/invocation/configSource/uri")?),
            _ => None,
        }
    }

    /// Reads an address with a reference behind it, as package URLs of Git have it.
    fn parse(uri: &str) -> Option<Self> {
        let uri = uri.strip_prefix("git+")?;
        let (scheme, rest) = uri.split_once("://")?;
        let (place, reference) =
            rest.split_once('@').map_or((rest, None), |(place, reference)| (place, Some(reference)));
        Some(Self { repository: format!("{scheme}://{place}"), reference: reference.map(str::to_owned) })
    }

    /// Whether another is the same, as far as both say.
    fn is_where(&self, other: &Self) -> bool {
        plain(&self.repository) == plain(&other.repository)
            && (self.reference.is_none() || other.reference.is_none() || self.reference == other.reference)
    }

    fn shown(&self) -> String {
        let reference = self.reference.as_ref().map_or(String::new(), |reference| format!(" at {reference}"));
        words::one_line(&format!("{}{reference}", self.repository), 200)
    }
}

/// An address without what makes no difference.
fn plain(repository: &str) -> String {
    let (scheme, rest) = repository.split_once("://").unwrap_or(("", repository));
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix(".git").unwrap_or(rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    format!("{scheme}://{}/{path}", host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A case is `case`, `repository` and `branch` of the policy, `type` and `predicate` of an attestation, and what is said of it.
    #[test]
    fn every_place_is_judged_as_the_table_says() {
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/trust/built-from.json");
        let table: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
        for case in &table {
            let text = |name: &str| case[name].as_str().unwrap();
            let built = BuiltFrom::new(text("repository"), case["branch"].as_str()).unwrap();
            let kind = match text("type") {
                "v1" => V1,
                "v0.2" => V02,
                other => other,
            };
            let found = built.check(kind, &case["predicate"], None);
            let found = found.map_or_else(|refusal| refusal.to_string(), |()| "built".to_owned());
            assert_eq!(found, text("expect"), "{}", text("case"));
        }
        assert!(table.len() >= 20, "the table is there");
    }

    #[test]
    fn what_can_be_required() {
        for (repository, branch, good) in [
            ("https://github.com/acme/app", None, true),
            ("https://github.com/acme/app", Some("refs/heads/release/1.x"), true),
            ("github.com/acme/app", None, false),
            ("https://github.com", None, false),
            ("https://github.com/acme/app@main", None, false),
            ("https://github.com/acme/app", Some(""), false),
            ("https://github.com/acme/app", Some("a*"), false),
        ] {
            assert_eq!(BuiltFrom::new(repository, branch).is_ok(), good, "{repository} {branch:?}");
        }
    }
}
