//! Files that SOPS has encrypted.
//!
//! SOPS writes a mapping `sops` into each document of a file, with a MAC over all values, the plain ones included: whoever changes one of
//! them makes the whole file unreadable ("MAC mismatch"), for `sops` as for Flux. With `mac_only_encrypted: true` the MAC is over the
//! encrypted values alone, and plain ones may change. An encrypted value is `ENC[…]`, and nobody may change that.

use memchr::memmem;
use yamlspan::document;
use yamlspan::lines::{self, Lines};
use yamlspan::tree::Tree;

/// The key of the mapping.
const KEY: &str = "sops";

/// Whether a MAC covers the plain values of a YAML file. The time is linear in its size.
#[must_use]
pub(crate) fn covers_plain_values(text: &str, lines: &Lines) -> bool {
    let mentions = |part: &str| memmem::find(part.as_bytes(), KEY.as_bytes()).is_some();
    mentions(text)
        && lines::documents(text, lines).into_iter().any(|span| mentions(&text[span.clone()]) && covers(&text[span]))
}

fn covers(text: &str) -> bool {
    let Ok(document) = document::parse(text) else { return false };
    let tree = Tree::of(&document);
    let Some(root) = tree.collections.first().filter(|root| root.is_mapping) else { return false };
    let metadata = root.entries.iter().filter(|entry| entry.key == KEY);
    let metadata = metadata.filter_map(|entry| tree.collections.get(entry.collection?));
    let mut metadata =
        metadata.map(|it| ["mac", "mac_only_encrypted"].map(|key| tree.get(it, key).map(|text| text.value)));
    metadata.any(|[mac, only_encrypted]| mac.is_some_and(|mac| !mac.is_empty()) && only_encrypted != Some("true"))
}

/// Whether a value is an encrypted one.
#[must_use]
pub(crate) fn is_encrypted(value: &str) -> bool {
    value.starts_with("ENC[") && value.ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: bool) {
        assert_eq!(covers_plain_values(text, &Lines::of(text)), expect, "{text}");
    }

    #[test]
    fn a_mac_covers_plain_values_unless_it_says_otherwise() {
        check("a: b\nsops:\n  mac: ENC[x]\n  version: 3.8.1\n", true);
        check("a: b\nsops:\n  mac: ENC[x]\n  mac_only_encrypted: false\n", true);
        check("a: b\nsops:\n  mac: ENC[x]\n  mac_only_encrypted: true\n", false);
        check("{\"a\": \"b\", \"sops\": {\"mac\": \"ENC[x]\"}}", true);
        check("a: b\n---\nc: d\nsops: {mac: x}\n", true);
        check("a: b\nsops: {mac: x}\n---\nc: [\n", true);
        check("a: b\nsops: {mac: ''}\n", false);
        check("a: b\nsops: {age: []}\n", false);
        check("a: b\nsops: yes\n", false);
        check("spec:\n  sops: {mac: x}\n", false);
        check("- sops: {mac: x}\n", false);
        check("text: |\n  sops:\n    mac: x\n", false);
        check("# sops:\n#   mac: x\na: b\n", false);
        check("a: b\n", false);
    }

    #[test]
    fn encrypted_values_have_brackets() {
        assert!(is_encrypted("ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"));
        assert!(!is_encrypted("ENC") && !is_encrypted("1.0.0") && !is_encrypted("[ENC[x]]"));
    }
}
