//! Keys as people have them (`fixtures/signing`): what they are known by, or why they do not sign.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::PathBuf;
use std::sync::Arc;

use access::Secret;
use signing::{Format, Key, Problem};

/// When they sign: 2026-12-01.
const NOW: i64 = 1_796_083_200;

fn read(name: &str) -> String {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/signing"));
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn open(what: &str, passphrase: &str) -> Result<Arc<Key>, Problem> {
    let (name, format) = what.split_once(" as ").unwrap_or((what, &what[..3]));
    let format = if format == "ssh" { Format::Ssh } else { Format::OpenPgp };
    let passphrase = (passphrase != "-").then(|| Secret::from(passphrase));
    Key::open(format, &Secret::from(read(name)), passphrase.as_ref())
}

#[test]
fn keys_sign_or_say_why_not() {
    let mut checked = 0;
    for line in read("verdicts.txt").lines().filter(|line| !line.starts_with('#')) {
        let [what, passphrase, expect] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let came = open(what, passphrase).and_then(|key| {
            let signature = key.sign(b"tree 1\n\nmessage\n", NOW)?;
            let label = if what.starts_with("ssh") { "SSH" } else { "PGP" };
            let (begin, end) =
                (format!("-----BEGIN {label} SIGNATURE-----\n"), format!("-----END {label} SIGNATURE-----"));
            assert!(signature.starts_with(&begin) && signature.trim_end().ends_with(&end), "{line}: {signature}");
            Ok(key.id().to_owned())
        });
        assert_eq!(came.unwrap_or_else(|problem| problem.to_string()), expect, "{line}");
        checked += 1;
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn a_key_is_opened_once_while_it_is_in_use_and_shows_nothing_of_itself() {
    let first = open("gpg-locked", "correct horse").unwrap();
    assert!(Arc::ptr_eq(&first, &open("gpg-locked", "correct horse").unwrap()));
    assert!(!Arc::ptr_eq(&first, &open("gpg-locked-ed25519", "correct horse").unwrap()));
    assert_eq!(open("gpg-locked", "wrong").unwrap_err(), Problem::Passphrase);
    let shown = format!("{first:?}");
    assert_eq!(shown, format!("Key {{ format: OpenPgp, id: \"{}\", .. }}", first.id()));
    let weak = Arc::downgrade(&first);
    drop(first);
    assert!(weak.upgrade().is_none(), "nobody has it, and it is still there");
}

/// A key that is valid for a day signs within it. Whoever signs before it was made has a clock that is slow.
#[test]
fn a_key_signs_until_it_expires() {
    let key = open("gpg-expired", "-").unwrap();
    let made = 1_577_836_800;
    key.sign(b"x", made + 86_399).unwrap();
    key.sign(b"x", made - 10).unwrap();
    assert_eq!(key.sign(b"x", made + 86_400).unwrap_err(), Problem::Expired(made + 86_400));
}

/// A secret may be large, and is no key then.
#[test]
fn nothing_is_read_that_is_too_large() {
    let key = Secret::from(read("ssh-ed25519") + &"\n".repeat(1 << 20));
    let problem = Key::open(Format::Ssh, &key, None).unwrap_err();
    assert_eq!(problem.to_string(), "it is not a key: it is larger than 1 MiB");
}
