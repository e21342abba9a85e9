//! A case is a file `fixtures/inventory/NAME.yaml` with what is found in it in `NAME.txt`.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::Path;

use super::{Inventory, Place, find};

fn written(inventory: &Inventory) -> String {
    let mut text = String::new();
    for image in &inventory.images {
        let tag = if image.tag.is_empty() { "-" } else { &image.tag };
        write!(text, "{}: {} {tag}", image.line(), image.repository).unwrap();
        if let Some(digest) = &image.digest {
            write!(text, " @{}", &digest.as_str()[..13]).unwrap();
        }
        if let Some(obstacle) = image.obstacle {
            write!(text, " [{obstacle:?}]").unwrap();
        }
        for site in &image.sites {
            let place = match &site.place {
                Place::Free(_) => "free".to_owned(),
                Place::Marked(policy) => policy.clone(),
                Place::Taken(taken) => format!("{taken:?}"),
            };
            write!(text, " | {:?} {}:{} {place}", site.field, site.line, site.column).unwrap();
        }
        text.push('\n');
    }
    for policy in &inventory.policies {
        writeln!(text, "policy {}:{}", policy.namespace, policy.name).unwrap();
    }
    for unread in &inventory.unread {
        writeln!(text, "{}: unread", unread.line).unwrap();
    }
    text
}

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inventory");
    let (mut count, mut wrong) = (0, String::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let found = written(&find(&std::fs::read(&path).unwrap()));
            let expect = std::fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
            if found != expect {
                write!(wrong, "--- {}\n{found}", path.display()).unwrap();
            }
            count += 1;
        }
    }
    assert!(count > 5, "the fixtures are there");
    assert!(wrong.is_empty(), "found otherwise than expected:\n{wrong}");
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "([a-z]{1,4}|image|tag|repository|: |\n|  |- |\\{|\\}|\\[|\\]|,|#|'|\"|\\||1\\.2|a/b:1){0,60}") {
        for image in find(text.as_bytes()).images {
            for site in &image.sites {
                proptest::prop_assert!(text.get(site.span.clone()).is_some());
                if let Place::Free(end) = site.place {
                    proptest::prop_assert!(matches!(text.as_bytes().get(end), None | Some(b'\n' | b'\r')));
                }
            }
        }
    }
}
