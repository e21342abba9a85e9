//! A case is a file `fixtures/inventory/NAME.yaml` with what is found in it in `NAME.txt`; with `UPDATE_FIXTURES=1` in the
//! environment those are written anew.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::Path;

use super::{Inventory, LineEnd, find};

fn written(inventory: &Inventory) -> String {
    let mut text = String::new();
    for image in &inventory.images {
        let tag = if image.tag.is_empty() { "-" } else { &image.tag };
        write!(text, "{}: {} {tag}", image.line(), image.shown).unwrap();
        if let Some(digest) = &image.digest {
            write!(text, " @{}", &digest.as_str()[..13]).unwrap();
        }
        if let Some(obstacle) = image.obstacle {
            write!(text, " [{obstacle:?}]").unwrap();
        }
        if image.own_form {
            text.push_str(" own");
        }
        for scalar in &image.scalars {
            let line_end = match &scalar.line_end {
                LineEnd::Free(_) => "free".to_owned(),
                LineEnd::Marked(policy) => policy.clone(),
                LineEnd::Taken(taken) => format!("{taken:?}"),
            };
            write!(text, " | {:?} {}:{} {line_end}", scalar.field, scalar.line, scalar.column).unwrap();
        }
        text.push('\n');
    }
    for it in &inventory.overrides {
        writeln!(text, "{}: override {} {}", it.scalars[0].line, it.keys, it.tag).unwrap();
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/inventory");
    let (mut count, mut wrong) = (0, String::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let found = written(&find(&std::fs::read(&path).unwrap()));
            if std::env::var_os("UPDATE_FIXTURES").is_some() {
                std::fs::write(path.with_extension("txt"), &found).unwrap();
            }
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

#[test]
fn overrides_find_the_image_they_mean() {
    let values = "web:\n  image:\n    repository: acme/web\n    tag: 1.0.0\n";
    let release =
        "kind: HelmRelease\nmetadata: {name: web}\nspec: {values: {image: {repository: acme/api, tag: 1.0.0}}}\n";
    let files = [
        ("charts/a/values.yaml", values),
        ("charts/a/values-prod.yaml", "web:\n  image:\n    tag: 1.1.0\n"),
        ("charts/a/values-dev.yaml", "api:\n  image:\n    tag: 1.1.0\n"),
        ("charts/b/values-prod.yaml", "web:\n  image:\n    tag: 1.1.0\n"),
        ("base/web.yaml", release),
        ("prod/web.yaml", "kind: HelmRelease\nmetadata: {name: web}\nspec:\n  values:\n    image:\n      tag: 1.2.0\n"),
        ("prod/api.yaml", "kind: HelmRelease\nmetadata: {name: api}\nspec:\n  values:\n    image:\n      tag: 1.2.0\n"),
        ("charts/c/values.yaml", values),
        ("charts/c/other.yaml", "web:\n  image:\n    repository: acme/other\n    tag: 1.0.0\n"),
        ("charts/c/values-prod.yaml", "web:\n  image:\n    tag: 1.1.0\n"),
    ];
    let mut found: Vec<(&str, Inventory)> = files.iter().map(|(path, text)| (*path, find(text.as_bytes()))).collect();
    super::resolve(found.iter_mut().map(|(path, inventory)| (*path, inventory)));
    let overridden = found.iter().filter(|(path, _)| path.contains("-") || path.starts_with("prod"));
    let texts: Vec<String> = overridden.map(|(_, inventory)| written(inventory)).collect();
    let expect = [
        "3: acme/web 1.1.0 | Tag 3:10 free\n",
        "3: override api.image 1.1.0\n",
        "3: override web.image 1.1.0\n",
        "6: acme/api 1.2.0 | Tag 6:12 free\n",
        "6: override spec.values.image 1.2.0\n",
        "3: override web.image 1.1.0\n",
    ];
    assert_eq!(texts, expect);
}

#[test]
fn charts_are_where_the_object_of_their_source_says() {
    let source = |namespace: &str, name: &str, url: &str| {
        format!("kind: HelmRepository\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{url: '{url}'}}\n")
    };
    let chart = |namespace: &str, source: &str| {
        format!(
            "kind: HelmRelease\nmetadata: {{name: web, namespace: {namespace}}}\nspec:\n  chart:\n    spec:\n      chart: web\n\
             \x20     version: 1.2.0+x\n      sourceRef: {{kind: HelmRepository, {source}}}\n"
        )
    };
    let files = [
        ("sources/a.yaml", source("flux", "a", "oci://r.io/charts/")),
        ("sources/b.yaml", source("flux", "b", "https://r.io/charts")),
        ("sources/c.yaml", source("apps", "c", "oci://r.io/c")),
        ("sources/d.yaml", source("other", "c", "oci://r.io/d")),
        ("web/a.yaml", chart("apps", "name: a, namespace: flux")),
        ("web/b.yaml", chart("apps", "name: b, namespace: flux")),
        ("web/c.yaml", chart("apps", "name: c")),
        // Kustomize may set the namespace: both may be meant.
        ("web/d.yaml", chart("", "name: c")),
        ("web/e.yaml", chart("apps", "name: e")),
    ];
    let mut found: Vec<(&str, Inventory)> = files.iter().map(|(path, text)| (*path, find(text.as_bytes()))).collect();
    super::resolve(found.iter_mut().map(|(path, inventory)| (*path, inventory)));
    let charts = found.iter().filter(|(path, _)| path.starts_with("web"));
    let texts: Vec<String> = charts.map(|(_, inventory)| written(inventory)).collect();
    let at = "1.2.0_x own | Tag 7:16 free\n";
    assert_eq!(
        texts,
        [
            format!("7: r.io/charts/web {at}"),
            String::new(),
            format!("7: r.io/c/web {at}"),
            String::new(),
            String::new()
        ]
    );
}

#[test]
fn generated_files_are_left_alone() {
    let found = find(b"---\n# This manifest was generated by flux. DO NOT EDIT.\nimage: acme/shop:1.4.2\n");
    assert!(found.generated && found.images.is_empty());
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "([a-z]{1,4}|image|tag|repository|: |\n|  |- |\\{|\\}|\\[|\\]|,|#|'|\"|\\||1\\.2|a/b:1){0,60}") {
        for image in find(text.as_bytes()).images {
            for scalar in &image.scalars {
                proptest::prop_assert!(image.obstacle.is_some() || image.repository.is_some());
                proptest::prop_assert!(text.get(scalar.span.clone()).is_some());
                if let LineEnd::Free(end) = scalar.line_end {
                    proptest::prop_assert!(matches!(text.as_bytes().get(end), None | Some(b'\n' | b'\r')));
                }
            }
        }
    }
}
