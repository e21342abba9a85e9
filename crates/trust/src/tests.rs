//! Signatures that cosign and @sigstore/sign have made, and what becomes of them when something is changed.
//!
//! Cases are lines of `fixtures/trust/verdicts.txt`: what was recorded, who must have signed, what is done to it, and the verdict.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::Digest;
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const RELEASE: &str = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/trust")
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

fn root() -> Root {
    Root::parse(&read("trusted_root.json")).unwrap()
}

/// The root of a service without logs, such as that of GitHub for private repositories.
fn root_without_logs() -> Root {
    let mut root: Value = serde_json::from_str(&read("trusted_root.json")).unwrap();
    for logs in ["tlogs", "ctlogs"] {
        root.as_object_mut().unwrap().remove(logs);
    }
    Root::parse(&root.to_string()).unwrap()
}

/// What was recorded: an image, and a piece of evidence.
struct Recorded {
    image: Digest,
    value: Value,
}

fn recorded(case: &str) -> Recorded {
    let value: Value = serde_json::from_str(&read(&format!("cases/{case}.json"))).unwrap();
    Recorded { image: Digest::parse(value["image"].as_str().unwrap()).unwrap(), value }
}

impl Recorded {
    fn evidence(&self) -> Evidence {
        match self.value.get("bundle") {
            Some(bundle) => Evidence::Bundle(bundle.to_string().into_bytes()),
            None => {
                let simple = &self.value["simple"];
                let annotations: BTreeMap<String, String> =
                    serde_json::from_value(simple["annotations"].clone()).unwrap();
                let payload = STANDARD.decode(simple["payload"].as_str().unwrap()).unwrap();
                Evidence::Simple(Simple { payload, annotations })
            }
        }
    }

    /// Where what is signed is.
    fn payload(&mut self) -> &mut Value {
        match self.value.get("bundle").is_some() {
            true => &mut self.value["bundle"]["dsseEnvelope"]["payload"],
            false => &mut self.value["simple"]["payload"],
        }
    }

    /// Writes what is signed anew.
    fn rewrite(&mut self, from: &str, to: &str) {
        let text = String::from_utf8(STANDARD.decode(self.payload().as_str().unwrap()).unwrap()).unwrap();
        assert!(text.contains(from), "{text}");
        *self.payload() = STANDARD.encode(text.replace(from, to)).into();
    }

    fn material(&mut self) -> &mut Value {
        &mut self.value["bundle"]["verificationMaterial"]
    }
}

fn policy(name: &str) -> Policy {
    let (name, built_from) = match name.split_once(" from ") {
        Some((name, branch)) => {
            (name, Some(BuiltFrom::new("https://github.com/acme/app", Some(branch).filter(|it| *it != "any")).unwrap()))
        }
        None => (name, None),
    };
    let key = |name: &str| Key::parse(&read(&format!("keys/{name}.pub"))).unwrap();
    let keyless = |identity: Identity, issuer: &str| Signer::Keyless { identity, issuer: issuer.to_owned() };
    let (signer, root) = match name {
        "exact" => (keyless(Identity::Exact(RELEASE.to_owned()), ISSUER), Some(root())),
        "exact without logs" => (keyless(Identity::Exact(RELEASE.to_owned()), ISSUER), Some(root_without_logs())),
        "pattern" => {
            let pattern = r"https://github\.com/acme/app/\.github/workflows/release\.yml@refs/heads/.+";
            (keyless(Identity::pattern(pattern).unwrap(), ISSUER), Some(root()))
        }
        "part" => (keyless(Identity::pattern("github.com/acme/app|x").unwrap(), ISSUER), Some(root())),
        "both" => (Signer::Keys(vec![key("other"), key("p256")]), None),
        name => match name.strip_suffix("+root") {
            Some(name) => (Signer::Keys(vec![key(name)]), Some(root())),
            None => (Signer::Keys(vec![key(name)]), None),
        },
    };
    Policy { signer, root, built_from }
}

/// Does something to what was recorded.
fn change(recorded: &mut Recorded, change: &str) {
    let other = "sha256:".to_owned() + &"0".repeat(64);
    match change {
        "-" => {}
        "payload" => recorded.rewrite("cosign container image signature\"}", "cosign container image signature\" }"),
        "statement" => recorded.rewrite("\"predicateType\"", " \"predicateType\""),
        "renamed" => recorded.rewrite("https://spdx.dev/Document", SIGN),
        "replayed" => recorded.image = Digest::parse(&other).unwrap(),
        "moved" => {
            // Somebody writes the digest of another image into it.
            let own = recorded.image.as_str().strip_prefix("sha256:").unwrap().to_owned();
            recorded.rewrite(&own, &"0".repeat(64));
            recorded.image = Digest::parse(&other).unwrap();
        }
        "no log" => drop(recorded.material().as_object_mut().unwrap().remove("tlogEntries")),
        "no proof" => {
            let entry = &mut recorded.material()["tlogEntries"][0];
            entry.as_object_mut().unwrap().remove("inclusionProof");
        }
        "no annotation" => {
            let annotations = recorded.value["simple"]["annotations"].as_object_mut().unwrap();
            annotations.remove("dev.sigstore.cosign/bundle");
        }
        "another's log" => {
            let other =
                self::recorded("keyless-provenance").value["bundle"]["verificationMaterial"]["tlogEntries"].clone();
            recorded.material()["tlogEntries"] = other;
        }
        "backdated" => recorded.material()["tlogEntries"][0]["integratedTime"] = json!("1768478401"),
        "another's certificate" => {
            let other =
                self::recorded("keyless-provenance").value["bundle"]["verificationMaterial"]["certificate"].clone();
            recorded.material()["certificate"] = other;
        }
        "another's stamp" => {
            let other =
                &self::recorded("keyless-timed").value["bundle"]["verificationMaterial"]["timestampVerificationData"];
            recorded.material()["timestampVerificationData"] = other.clone();
        }
        "no stamp" => drop(recorded.material().as_object_mut().unwrap().remove("timestampVerificationData")),
        "other type" => recorded.value["bundle"]["dsseEnvelope"]["payloadType"] = json!("text/plain"),
        "two signatures" => {
            let signatures = recorded.value["bundle"]["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
            signatures.push(signatures[0].clone());
        }
        "garbage" => recorded.value["bundle"] = json!([1]),
        other => panic!("{other}"),
    }
}

/// Judges all there is, as whoever finds it does.
fn all(verifier: &Verifier, image: &Digest, evidence: &[Evidence]) -> Result<Verified, Unverified> {
    let mut refusals = Vec::new();
    for evidence in evidence {
        match verifier.judge(image, evidence) {
            Ok(verified) => return Ok(verified),
            Err(refusal) => refusals.push(refusal),
        }
    }
    Err(verifier.unverified(refusals))
}

fn verdict(case: &str, name: &str, changed: &str) -> String {
    let mut recorded = recorded(case);
    change(&mut recorded, changed);
    let verifier = Verifier::new(policy(name)).unwrap();
    let evidence = [recorded.evidence()];
    let shown = all(&verifier, &recorded.image, &evidence).map(|verified| {
        let time = verified.time.map_or(String::new(), |time| format!(" at {time}"));
        format!("by {}{time}", verified.by)
    });
    let own = recorded.image.as_str().to_owned();
    let shown = shown.unwrap_or_else(|unverified| unverified.to_string()).replace(&own, "IMAGE");
    // Digests and keys are new with each recording.
    let words = shown.split(' ').map(|word| match word.trim_matches(['(', ')', ',']).strip_prefix("sha256:") {
        Some(hash) if hash.len() == 64 => word.replace(hash, "OTHER"),
        Some(hash) => word.replace(hash, "KEY"),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn verdicts() {
    let file = folder().join("verdicts.txt");
    let text = fs::read_to_string(&file).unwrap();
    let mut wrong = Vec::new();
    let judged: Vec<String> = text
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(" | ").collect();
            let [case, policy, change, expect] = words.as_slice() else { return line.to_owned() };
            if line.starts_with('#') {
                return line.to_owned();
            }
            let found = verdict(case, policy, change);
            if found != *expect {
                wrong.push(format!("{case} | {policy} | {change}\n  is {found}\n not {expect}"));
            }
            format!("{case} | {policy} | {change} | {found}")
        })
        .collect();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        return fs::write(file, judged.join("\n") + "\n").unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let used = |case: &str| text.lines().any(|line| line.starts_with(&format!("{case} | ")));
    for entry in fs::read_dir(folder().join("cases")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(used(name.strip_suffix(".json").unwrap()), "{name} is recorded, and no case uses it");
    }
}

#[test]
fn any_good_signature_suffices_and_all_are_read() {
    let good = recorded("key-p256-bundle");
    let sbom = recorded("key-sbom");
    let other = recorded("key-other-bundle");
    let verifier = Verifier::new(policy("p256")).unwrap();
    let garbage = Evidence::Bundle(b"[".to_vec());
    let bad = [garbage, sbom.evidence(), other.evidence()];
    let every: Vec<Evidence> = bad.iter().cloned().chain([good.evidence()]).collect();
    assert!(all(&verifier, &good.image, &every).is_ok());
    let unverified = all(&verifier, &good.image, &bad).unwrap_err();
    assert_eq!(unverified.refusals.len(), 3);
    assert!(
        unverified.to_string().starts_with("none of its 2 signatures will do: one cannot be read: "),
        "{unverified}"
    );
    let same = [other.evidence(), other.evidence()];
    let unverified = all(&verifier, &good.image, &same).unwrap_err();
    assert!(unverified.to_string().starts_with("each of its 2 signatures is for another image"), "{unverified}");
    assert_eq!(all(&verifier, &good.image, &[]).unwrap_err().to_string(), "it has no signature");
}

#[test]
fn large_evidence_is_refused() {
    let image = recorded("key-p256-bundle").image;
    let verifier = Verifier::new(policy("p256")).unwrap();
    let said = |evidence: Evidence| all(&verifier, &image, &[evidence]).unwrap_err().to_string();
    let large = Evidence::Bundle(vec![b' '; MAX_BUNDLE + 1]);
    assert_eq!(said(large), "its signature cannot be read: it is larger than 4194304 bytes");
    let payload = vec![b' '; MAX_PAYLOAD + 1];
    let large = Evidence::Simple(Simple { payload, annotations: BTreeMap::new() });
    assert_eq!(said(large), "its signature cannot be read: its payload is larger than 65536 bytes");
}

#[test]
fn policies_that_cannot_be_used() {
    let key = read("keys/p256.pub");
    assert!(Key::parse(&key).is_ok() && Key::parse(&format!("\n{key}\n\n")).is_ok());
    assert_eq!(Key::parse("nothing"), Err(Problem::Key));
    assert_eq!(Key::parse("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"), Err(Problem::Key));
    let private = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----";
    assert_eq!(Key::parse(private), Err(Problem::PrivateKey));
    assert!(matches!(Root::parse("{"), Err(Problem::Root(_))));
    assert!(matches!(Root::parse(&" ".repeat(MAX_ROOT + 1)), Err(Problem::Root(_))));
    assert!(matches!(Identity::pattern("("), Err(Problem::Pattern(_))));
    assert!(matches!(Identity::pattern("a)|(b"), Err(Problem::Pattern(_))), "nothing gets out of the anchors");
    let ed25519 = Policy { root: Some(root()), ..policy("ed25519") };
    assert_eq!(ed25519.check(), Err(Problem::LoggedEd25519));
    let keyless = policy("exact").signer;
    assert_eq!(Policy { signer: keyless, root: None, built_from: None }.check(), Err(Problem::NoAuthority));
}

#[test]
fn policies_are_told_apart() {
    let names = ["p256", "other", "both", "p256+root", "exact", "pattern", "part", "exact from main", "exact from any"];
    let mut all: Vec<_> = names.iter().map(|name| policy(name).fingerprint()).collect();
    assert_eq!(all, names.map(|name| policy(name).fingerprint()), "the same policy is the same");
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), names.len());
}

#[test]
fn identities_are_anchored() {
    let identity = Identity::pattern("https://github.com/acme/.*|mail@acme.example").unwrap();
    for (text, is) in [
        ("https://github.com/acme/app", true),
        ("mail@acme.example", true),
        ("https://evil.example/https://github.com/acme/app", false),
        ("mail@acme.example.evil", false),
        ("https://github.com/acme/app\nx", false),
    ] {
        assert_eq!(identity.is(text), is, "{text}");
    }
}
