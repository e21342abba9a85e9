//! Native documents: those that are right and those that are wrong, for whatever holds a schema against them.

#![allow(clippy::unwrap_used, dead_code, reason = "each user takes a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Number, Value};
use yaml_rust2::{Yaml, YamlLoader};

use crate::page::Page;

/// Mistakes of native documents that a schema does not see, by why.
pub(crate) const UNSEEN: &[(&str, &[&str])] = &[
    (
        "what it refers to, or another document",
        &[
            "broken-list",
            "fast-lane-no-document",
            "fast-lane-no-file",
            "cert-secret-empty",
            "cert-secret-without-certificate",
            "flux-policy-twice-across-faces",
            "missing-secret",
            "provider-github-key",
            "request-asks-too-much",
            "request-forge-unknown",
            "request-group-one-branch",
            "request-group-push-branch",
            "request-of-default-branch",
            "request-secret-empty",
            "request-to-the-same-branch",
            "provider-github-no-installation",
            "provider-github-two-installations",
            "provider-github-without-app",
            "secret-other-namespace",
            "commit-forge-alone",
            "commit-forge-beside-request",
            "signing-by-forge-author",
            "signing-by-forge-host",
            "proxy-empty-address",
            "proxy-scheme",
            "proxy-without-address",
            "registry-secret-bad-json",
            "registry-secret-missing",
            "registry-secret-without-key",
            "secret-base64-key",
            "secret-bearer-and-login",
            "secret-ca-not-pem",
            "secret-encrypted",
            "secret-github-app",
            "secret-not-base64",
            "signing-secrets",
            "secret-of-ssh-for-https",
            "secret-password-alone",
            "secret-ssh-no-key",
            "secret-ssh-without-known-hosts",
            "secret-tls-without-key",
            "secret-twice",
            "secret-unknown-field",
            "two-automations-of-one-name",
            "two-policies-of-one-name",
            "verify-empty-secret",
            "verify-no-secret",
        ],
    ),
    (
        "a grammar of its own: ranges, patterns, templates, cron, zones",
        &[
            "bad-checkout-range",
            "bad-cron",
            "freeze-backwards",
            "freeze-bad-zone",
            "bad-exclusion",
            "bad-range",
            "bad-regex",
            "bad-time-zone",
            "cron-never",
            "exclude-bad-pattern",
            "fast-lane-names",
            "extract-unknown-group",
            "long-line",
            "template-folded",
            "template-line",
            "template-literal",
            "template-random",
            "template-unclosed",
            "verify-bad-pattern",
            "verify-bad-root",
            "verify-branch",
            "verify-built-from",
            "verify-no-key",
            "verify-private-key",
            "window-bad-zone",
            "window-never",
        ],
    ),
    ("how long a duration is", &["endless-duration", "max-delay-shorter", "minimum-age-too-long"]),
    (
        "what follows from other fields",
        &[
            "provider-beside",
            "provider-codecommit-elsewhere",
            "provider-github-ssh",
            "provider-github-without-secret",
            "push-not-inferable",
            "verify-both",
            "verify-ed25519-root",
            "verify-nothing",
            "verify-two-identities",
            "verify-without-identity",
            "verify-without-root",
        ],
    ),
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A document as an editor has it.
pub(crate) fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Boolean(value) => Value::Bool(*value),
        Yaml::Integer(value) => Value::Number((*value).into()),
        Yaml::Real(text) => text.parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(entries) => {
            let mut fields = Map::new();
            for (name, value) in entries.iter().map(|(name, value)| (name, json(value))) {
                match (name.as_str(), value) {
                    (Some("<<"), value) => merge(&mut fields, value),
                    (Some(name), value) => drop(fields.insert(name.to_owned(), value)),
                    (None, value) => drop(fields.insert(format!("{name:?}"), value)),
                }
            }
            fields.into()
        }
        _ => Value::Null,
    }
}

/// Takes over the fields of a merge key that are not there.
fn merge(fields: &mut Map<String, Value>, merged: Value) {
    match merged {
        Value::Object(others) => others.into_iter().for_each(|(name, value)| {
            fields.entry(name).or_insert(value);
        }),
        Value::Array(others) => others.into_iter().for_each(|other| merge(fields, other)),
        _ => {}
    }
}

/// All documents of a kind of ours in a text that any parser reads.
pub(crate) fn native(text: &str, kind: &str) -> Vec<Value> {
    let text = text.trim_start_matches('\u{feff}');
    let documents: Vec<Value> = YamlLoader::load_from_str(text).unwrap_or_default().iter().map(json).collect();
    // Flux has a `Receiver`, too. That one of ours names its version wrongly is a mistake of it.
    let is_ours = |document: &Value| {
        let version = document["apiVersion"].as_str().unwrap_or_default();
        document["kind"] == kind && (kind == "ImageAutomation" || version.starts_with("tagwright.dev/"))
    };
    documents.into_iter().filter(is_ours).collect()
}

/// The files of a folder that hold configuration, by their names.
pub(crate) fn files(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let yaml = entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        Some((name, fs::read_to_string(path).ok()?))
    };
    let mut files: Vec<_> = yaml.filter_map(read).collect();
    files.sort();
    files
}

/// All documents of a kind of ours that are right, each with the name of its file or page.
pub(crate) fn good(kind: &str) -> Vec<(String, Value)> {
    let of = |page: Page| page.blocks("yaml").into_iter().map(move |block| (page.path.to_owned(), block.to_owned()));
    let pages = Page::all().into_iter().flat_map(of).filter(|(_, block)| block.contains(&format!("kind: {kind}\n")));
    let files = files("fixtures/config/good").into_iter().chain(files("policies")).chain(pages);
    files
        .flat_map(|(name, text)| native(&text, kind).into_iter().map(move |document| (name.clone(), document)))
        .collect()
}

/// The documents of a kind of ours in each file that is wrong, if it has any, with the name of the file.
pub(crate) fn bad(kind: &str) -> Vec<(String, Vec<Value>)> {
    let files = files("fixtures/config/bad").into_iter().map(|(name, text)| (name, native(&text, kind)));
    files.filter(|(_, documents)| !documents.is_empty()).collect()
}

/// What the reader takes for a text or a flag, an API server wants to be one.
pub(crate) fn strict(schema: &Value, value: &mut Value) {
    match (schema["type"].as_str(), &mut *value) {
        (Some("string"), Value::Number(_) | Value::Bool(_)) => *value = value.to_string().into(),
        (Some("boolean"), Value::String(text)) => match text.as_str() {
            "yes" | "on" => *value = true.into(),
            "no" | "off" => *value = false.into(),
            _ => {}
        },
        (_, Value::Object(members)) => {
            for (name, member) in members {
                let inner = schema["properties"].get(name).or(schema.get("additionalProperties"));
                strict(inner.unwrap_or(&Value::Null), member);
            }
        }
        (_, Value::Array(items)) => items.iter_mut().for_each(|item| strict(&schema["items"], item)),
        _ => {}
    }
}
