//! Documents that say which release fixes a vulnerability, as far as a fast lane goes by them: OSV, OpenVEX and CSAF-VEX.
//!
//! A document is read once, when the configuration is. What it says is believed, since whoever writes the configuration names it.
//!
//! | document | known by | a release fixes something that |
//! |---|---|---|
//! | OSV (schema 1.x) | `id` and `affected` | is the first one at or above a `fixed` event of a range (`SEMVER`, `ECOSYSTEM`), and below the next `introduced` |
//! | OpenVEX (0.0.1, 0.2.0) | `@context` of openvex.dev | a statement of status `fixed` names |
//! | CSAF-VEX (2.0) | `document.csaf_version` | `product_status` lists as `fixed` or `first_fixed` |
//!
//! OSV names packages: the image is meant by a purl (`pkg:oci/…`, `pkg:docker/…`), by its own name, or by a name that the
//! configuration says is its package. VEX names products, which are meant by a purl with a digest or a tag, or by the hash of the
//! image. A document that was withdrawn fixes nothing, and neither does a range of commits, or one that only says `last_affected`.
//!
//! ```
//! use tagwright_core::advisory::Advisory;
//! let image = image::Repository::parse("ghcr.io/acme/app")?;
//! let osv = r#"{"id": "OSV-2026-1", "aliases": ["CVE-2026-1"], "affected": [{
//!     "package": {"ecosystem": "OCI", "name": "app", "purl": "pkg:oci/app?repository_url=ghcr.io/acme/app"},
//!     "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.4"}]}]}]}"#;
//! let advisory = Advisory::parse("osv.json", osv)?;
//! let listed = [("1.3.0", "1.3.0"), ("1.2.4", "1.2.4"), ("1.2.3", "1.2.3")];
//! let fixed = advisory.fixed_tags(&image, &[], &listed);
//! assert_eq!(fixed.into_iter().collect::<Vec<_>>(), [("1.2.4", "CVE-2026-1")]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod csaf;
mod openvex;
mod osv;
mod purl;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use gotext::version::Version;
use image::{Digest, Repository};
use serde_json::Value;
use thiserror::Error;

use self::purl::Purl;

/// The most bytes of a document.
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// The most releases that a document may name as fixed.
const MAX_FIXES: usize = 10_000;

/// The longest name of a vulnerability, in bytes; `GHSA-xxxx-xxxx-xxxx` has nineteen.
const MAX_NAME: usize = 64;

/// The most vulnerabilities that a label may name.
const MAX_LABELLED: usize = 64;

/// A document, and what it says is fixed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Advisory {
    /// The file, as it is named in the configuration.
    pub name: String,
    fixes: Vec<Fix>,
}

/// That something fixes a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Fix {
    /// Its name, a CVE's where it has one.
    vulnerability: String,
    what: What,
}

/// What fixes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum What {
    /// The first release of a package at or above a version, and below another one.
    Release { package: Package, fixed: String, until: Option<String> },
    /// These very images.
    Image(Product),
}

/// A package, as OSV names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Package {
    name: String,
    purl: Option<Purl>,
}

/// An image, as VEX names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Product {
    Named(Purl),
    Hash(Digest),
}

/// Why a text is no document that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// It is no JSON.
    #[error("is not JSON (line {line}, column {column})")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is JSON, and neither of the three.
    #[error("is neither an OSV document nor an OpenVEX or CSAF-VEX one")]
    Unknown,
    /// It lacks something, or has it in another form.
    #[error("is no {0} document as its schema has it: {1}")]
    Malformed(&'static str, String),
    /// It names too much.
    #[error("names more than {MAX_FIXES} releases as fixed")]
    TooMany,
}

impl Advisory {
    /// Reads a document; `name` is what it is called in sentences. Whoever has the text from elsewhere has seen to its length.
    ///
    /// # Errors
    /// It is none, or not as its schema has it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        let not_json = |error: serde_json::Error| Problem::NotJson { line: error.line(), column: error.column() };
        let value: Value = serde_json::from_str(text).map_err(not_json)?;
        let is_openvex = value["@context"].as_str().is_some_and(|it| it.starts_with("https://openvex.dev/ns"));
        let fixes = match &value {
            _ if is_openvex => openvex::read(value)?,
            _ if value["document"]["csaf_version"].is_string() => csaf::read(value)?,
            _ if value["id"].is_string() && (value["affected"].is_array() || value["withdrawn"].is_string()) => {
                osv::read(value)?
            }
            _ => return Err(Problem::Unknown),
        };
        if fixes.len() > MAX_FIXES {
            return Err(Problem::TooMany);
        }
        Ok(Self { name: name.to_owned(), fixes })
    }

    /// How many releases and images it names as fixed, whatever they are of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fixes.len()
    }

    /// Whether it names nothing as fixed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fixes.is_empty()
    }

    /// The tags that are the releases which fix something, each with what it fixes. `listed` are tags with the version that each
    /// stands for; `packages` are names under which the image is known to documents.
    #[must_use]
    pub fn fixed_tags<'a>(
        &'a self,
        image: &Repository,
        packages: &[String],
        listed: &[(&'a str, &str)],
    ) -> BTreeMap<&'a str, &'a str> {
        let mut tags = BTreeMap::new();
        for Fix { vulnerability, what } in &self.fixes {
            let What::Release { package, fixed, until } = what else { continue };
            if package.is(image, packages) {
                tags.extend(
                    first(listed, fixed, until.as_deref()).into_iter().map(|tag| (tag, vulnerability.as_str())),
                );
            }
        }
        tags
    }

    /// What an image fixes that the document names by itself.
    #[must_use]
    pub fn fixed_by(&self, image: &Repository, tag: &str, digest: &Digest) -> Option<&str> {
        let is_it = |fix: &&Fix| match &fix.what {
            What::Image(Product::Named(purl)) => purl.names(image, tag, digest),
            What::Image(Product::Hash(hash)) => hash == digest,
            What::Release { .. } => false,
        };
        self.fixes.iter().find(is_it).map(|fix| fix.vulnerability.as_str())
    }
}

impl Package {
    fn is(&self, image: &Repository, packages: &[String]) -> bool {
        let is_known = |known: &String| *known == self.name || self.purl.as_ref().is_some_and(|it| it.is_called(known));
        let is_image = self.purl.as_ref().is_some_and(|purl| purl.is(image));
        is_image || is_same(&self.name, image) || packages.iter().any(is_known)
    }
}

/// Whether a text is the name of an image, in whichever of its forms.
fn is_same(text: &str, image: &Repository) -> bool {
    Repository::parse(text).is_ok_and(|other| other.canonical() == image.canonical())
}

/// The tags of the first release at or above a version, and below another. Where it is no version, the tag that is called so.
fn first<'t>(listed: &[(&'t str, &str)], fixed: &str, until: Option<&str>) -> Vec<&'t str> {
    let Ok(from) = Version::parse(fixed) else {
        return listed.iter().filter(|(_, version)| *version == fixed).map(|(tag, _)| *tag).collect();
    };
    let until = until.and_then(|until| Version::parse(until).ok());
    let mut versions: Vec<(Version, &str)> =
        listed.iter().filter_map(|(tag, version)| Some((Version::parse(version).ok()?, *tag))).collect();
    versions.retain(|(version, _)| {
        let is_below = |until: &Version| version.cmp_precedence(until) == Ordering::Less;
        version.cmp_precedence(&from) != Ordering::Less && until.as_ref().is_none_or(is_below)
    });
    versions.sort_by(|(left, _), (right, _)| left.cmp_precedence(right));
    let Some((lowest, _)) = versions.first().cloned() else { return Vec::new() };
    let is_lowest = |(version, _): &(Version, &'t str)| version.cmp_precedence(&lowest) == Ordering::Equal;
    versions.into_iter().filter(is_lowest).map(|(_, tag)| tag).collect()
}

/// The names of vulnerabilities in the value of a label: between blanks or commas. One that is no such name is none: a label that says
/// `yes` names nothing.
#[must_use]
pub fn labelled(value: &str) -> Vec<&str> {
    let names = value.split(|c: char| c.is_whitespace() || c == ',').filter(|name| is_vulnerability(name));
    names.take(MAX_LABELLED).collect()
}

/// Whether a text is named as databases name vulnerabilities: `CVE-2026-12345`, `GHSA-xxxx-xxxx-xxxx`, `RUSTSEC-2026-0001`.
fn is_vulnerability(text: &str) -> bool {
    let Some((database, rest)) = text.split_once('-') else { return false };
    let is_database = !database.is_empty() && database.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit());
    let is_rest = rest.bytes().any(|it| it.is_ascii_digit())
        && rest.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b':' | b'.'));
    text.len() <= MAX_NAME && is_database && is_rest
}

/// The best name of several for one vulnerability: that of a CVE, or the first.
fn best<'n>(first: &'n str, others: impl IntoIterator<Item = &'n str>) -> String {
    let cve = std::iter::once(first).chain(others).find(|name| name.starts_with("CVE-") && is_vulnerability(name));
    words::one_line(cve.unwrap_or(first), MAX_NAME)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn labels_name_vulnerabilities() {
        assert_eq!(
            labelled("CVE-2026-1, GHSA-2c4m-59x9-fr2g\nRUSTSEC-2026-0001"),
            ["CVE-2026-1", "GHSA-2c4m-59x9-fr2g", "RUSTSEC-2026-0001"]
        );
        for nothing in ["", "yes", "true", "-", "CVE-", "cve-2026-1", "CVE-2026-1;rm", "fixes", "A-B"] {
            assert_eq!(labelled(nothing), [""; 0], "{nothing}");
        }
        assert_eq!(labelled(&"CVE-2026-1 ".repeat(1_000)).len(), MAX_LABELLED);
        assert!(labelled(&format!("CVE-{}", "1".repeat(MAX_NAME))).is_empty());
    }

    #[test]
    fn what_is_no_document_says_why() {
        let check = |text: &str| Advisory::parse("x", text).unwrap_err().to_string();
        assert_eq!(check("{"), "is not JSON (line 1, column 1)");
        let unknown = "is neither an OSV document nor an OpenVEX or CSAF-VEX one";
        for text in [
            "[]",
            "1",
            "{}",
            r#"{"id": 1, "affected": []}"#,
            r#"{"id": "x"}"#,
            r#"{"@context": "https://example.com"}"#,
        ] {
            assert_eq!(check(text), unknown, "{text}");
        }
        let wrong = check(r#"{"id": "x", "affected": [{"ranges": 1}]}"#);
        assert!(wrong.starts_with("is no OSV document as its schema has it: invalid type"), "{wrong}");
        let event = r#"{"fixed": "1.0.0"}"#;
        let events = vec![event; MAX_FIXES + 1].join(",");
        let text =
            format!(r#"{{"id": "x", "affected": [{{"ranges": [{{"type": "SEMVER", "events": [{events}]}}]}}]}}"#);
        assert_eq!(check(&text), "names more than 10000 releases as fixed");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(check(&deep).starts_with("is not JSON"), "depth is bounded");
    }
}
