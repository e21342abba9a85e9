//! Templates: parsing and rendering end, within their limits, and always with the same text.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gotext::template::{MAX_OUTPUT, Template};
use libfuzzer_sys::{Corpus, fuzz_target};
use tagwright_core::change::{Change, ObjectIdentity};
use tagwright_core::difference::Differences;
use tagwright_core::message::{self, Facts};

/// What the messages are about.
static WORLD: LazyLock<World> = LazyLock::new(World::new);

struct World {
    values: BTreeMap<String, String>,
    changes: Vec<Change>,
    images: BTreeMap<String, String>,
    differences: Differences,
}

impl World {
    fn new() -> Self {
        let strings = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let changes = (1..4).map(|number| Change {
            file: format!("apps/{}.yaml", number % 2),
            line: number,
            object: ObjectIdentity {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                name: format!("web-{number}"),
                namespace: "shop".to_owned(),
            },
            old: format!("ghcr.io/org/app:1.{number}.0"),
            new: format!("ghcr.io/org/app:1.{}.0", number + 1),
            setter: "ns:app".to_owned(),
        });
        Self {
            values: strings(&[("cluster", "prod"), ("größe", "1")]),
            changes: changes.collect(),
            images: strings(&[("ns:app", "ghcr.io/org/app:1.4.0")]),
            differences: Differences::new(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            automation_namespace: "flux-system",
            automation_name: "shop",
            group: "",
            values: &self.values,
            changes: &self.changes,
            images: &self.images,
            differences: &self.differences,
        }
    }
}

fuzz_target!(|text: &str| -> Corpus {
    match Template::parse("message", text) {
        Err(error) => assert!(error.line > 0 && !error.message.is_empty(), "{error:?}"),
        Ok(template) => {
            let facts = WORLD.facts();
            let first = message::render(&template, &facts).map_err(|error| error.to_string());
            let second = message::render(&template, &facts).map_err(|error| error.to_string());
            assert_eq!(first, second);
            if let Ok(output) = first {
                assert!(output.len() <= MAX_OUTPUT);
                assert!(message::with_trailers(&output, &facts).len() >= output.trim_end().len());
            }
        }
    }
    Corpus::Keep
});
