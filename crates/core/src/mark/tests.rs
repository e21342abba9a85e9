//! The laws of marking; whole repositories are under `fixtures/mark`.
#![allow(clippy::unwrap_used)]

use gotext::version::Range;
use image::Repository;
use proptest::prelude::*;

use super::extend;
use super::policies::Dialect;
use super::{Edit, File, Known, Marking, Moving, Origin, Settings, edits, plan};
use crate::automation::DigestReflection;
use crate::policy::{Order, Policy};
use crate::{inventory, marker};

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), bytes: text.as_bytes().to_vec(), inventory: inventory::find(text.as_bytes()) }
}

fn settings() -> Settings {
    Settings { namespace: "default".to_owned(), ..Settings::default() }
}

fn marked(files: &[File], settings: &Settings) -> (Marking, Vec<Edit>) {
    let mut marking = plan(files, settings);
    let edits = edits(files, &mut marking);
    (marking, edits)
}

/// Marks one text; the result must be stable, and must differ at ends of lines only.
#[track_caller]
fn check(text: &str, expect: &str) {
    let (_, edits) = marked(&[file("a.yaml", text)], &settings());
    let new = edits.first().map_or_else(|| text.to_owned(), |edit| String::from_utf8(edit.new.clone()).unwrap());
    assert_eq!(new, expect);
    assert_only_ends_of_lines(text, &new);
    let (_, again) = marked(&[file("a.yaml", &new)], &settings());
    assert_eq!(again, [], "marking twice is marking once");
}

#[track_caller]
fn assert_only_ends_of_lines(old: &str, new: &str) {
    assert_eq!(old.split('\n').count(), new.split('\n').count());
    for (old, new) in old.split('\n').zip(new.split('\n')) {
        let (old, new) = (old.trim_end_matches('\r'), new.trim_end_matches('\r'));
        let rest = new.strip_prefix(old).unwrap_or_else(|| panic!("{old:?} became {new:?}"));
        assert!(rest.is_empty() || rest.trim_start().starts_with("# {\"$imagepolicy\": \"default:"), "{rest:?}");
    }
}

const SHOP: &str = "# {\"$imagepolicy\": \"default:shop";

#[test]
fn a_marker_goes_to_the_end_of_the_line() {
    check("image: acme/shop:1.4.2\n", &format!("image: acme/shop:1.4.2 {SHOP}\"}}\n"));
    check("image: acme/shop:1.4.2", &format!("image: acme/shop:1.4.2 {SHOP}\"}}"));
    check("image: \"acme/shop:1.4.2\"  \r\nx: 1\r\n", &format!("image: \"acme/shop:1.4.2\"  {SHOP}\"}}\r\nx: 1\r\n"));
    check("image:\n  acme/shop:1.4.2\n", &format!("image:\n  acme/shop:1.4.2 {SHOP}\"}}\n"));
    check("x: {image: acme/shop:1.4.2,\n  y: 1}\n", &format!("x: {{image: acme/shop:1.4.2, {SHOP}\"}}\n  y: 1}}\n"));
    check(
        "# about\n---\na: [\n---\nimage: acme/shop:1.4.2\n",
        &format!("# about\n---\na: [\n---\nimage: acme/shop:1.4.2 {SHOP}\"}}\n"),
    );
}

#[test]
fn split_fields_get_a_marker_each() {
    check(
        "image:\n  repository: acme/shop\n  tag: 1.4.2\n",
        &format!("image:\n  repository: acme/shop {SHOP}:name\"}}\n  tag: 1.4.2 {SHOP}:tag\"}}\n"),
    );
    check(
        "image:\n  repository: acme/shop # ours\n  tag: 1.4.2\n",
        &format!("image:\n  repository: acme/shop # ours\n  tag: 1.4.2 {SHOP}:tag\"}}\n"),
    );
    check(
        "images:\n- name: acme/shop\n  newTag: 1.4.2\n",
        &format!("images:\n- name: acme/shop\n  newTag: 1.4.2 {SHOP}:tag\"}}\n"),
    );
}

#[test]
fn what_has_no_room_stays() {
    for text in [
        "image: acme/shop:1.4.2 # by hand\n",
        "x: {image: acme/shop:1.4.2}\n",
        "x: {image: acme/shop:1.4.2, y: 1}\n",
        "image: |-\n  acme/shop:1.4.2\n",
        "image:\n  repository: acme/shop\n  tag: 1.4.2 # by hand\n",
        "image: acme/shop:latest\n",
        "image: acme/shop:5ae91c3\n",
    ] {
        check(text, text);
    }
}

#[test]
fn images_of_one_line_share_a_policy_that_starts_from_the_lowest() {
    let files = [
        file("a.yaml", "image: acme/shop:1.5.0\n"),
        file("b.yaml", "- image: acme/shop:1.4.2\n- image: acme/shop:2.0.1\n- image: acme/shop:1.4.2-alpine\n"),
        file("c.yaml", "- image: ghcr.io/other/shop:1.0.0\n- image: docker.io/acme/shop:1.6.0\n"),
    ];
    let (marking, _) = marked(&files, &settings());
    let groups: Vec<String> = marking
        .groups
        .iter()
        .map(|it| format!("{} {} {} {}", it.name, it.repository, it.tag, it.members.len()))
        .collect();
    let expect = [
        "shop acme/shop 1.4.2 2",
        "shop-2 acme/shop 2.0.1 1",
        "shop-alpine acme/shop 1.4.2-alpine 1",
        "other-shop ghcr.io/other/shop 1.0.0 1",
        "acme-shop docker.io/acme/shop 1.6.0 1",
    ];
    assert_eq!(groups, expect);
}

#[test]
fn a_policy_that_is_there_is_used_again() {
    let files = [
        file("a.yaml", "image: acme/shop:1.5.0 # {\"$imagepolicy\": \"flux-system:the-shop\"}\n"),
        file("b.yaml", "- image: acme/shop:1.4.2\n- image: acme/api:1.0.0\n- image: other/api:1.0.0\n"),
        file("c.yaml", "kind: ImagePolicy\nmetadata: {name: api, namespace: default}\nimage: ''\n"),
    ];
    let (marking, edits) = marked(&files, &settings());
    let groups: Vec<_> =
        marking.groups.iter().map(|it| format!("{}:{} {:?}", it.namespace, it.name, it.origin)).collect();
    assert_eq!(groups, ["flux-system:the-shop Known", "default:acme-api Derived", "default:other-api Derived"]);
    assert_eq!((marking.marked, edits.len()), (1, 1));
}

#[test]
fn a_moving_tag_can_be_tracked_where_a_digest_fits() {
    let files = [file("a.yaml", "- image: acme/shop:latest\n- repository: acme/api\n  tag: latest\n")];
    let (marking, edits) = marked(&files, &Settings { moving: Moving::Track, ..settings() });
    assert_eq!(marking.groups.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["shop"]);
    assert_eq!((marking.left.len(), edits[0].markers), (1, 1));
}

#[test]
fn documents_that_cannot_be_extended_are_refused() {
    let (marking, _) = marked(&[file("a.yaml", "image: acme/shop:1.4.2\n")], &settings());
    for text in [
        "",
        "a: [",
        "kind: ImageAutomation\nspec:\n  images: []\n",
        "kind: ImageAutomation\nspec:\n  images:\n    - name: x\n  suspend: true\n",
        "kind: ImageAutomation\nspec:\n  images:\n    - {name: x}\n---\nkind: Secret\n",
    ] {
        assert!(extend::extended(Dialect::Native, text, &marking.groups).is_err(), "{text}");
        assert!(extend::extended(Dialect::Flux, text, &marking.groups).is_err(), "{text}");
    }
    let elsewhere = "kind: ImageUpdateAutomation\nmetadata: {name: x, namespace: flux-system}\n";
    assert!(extend::extended(Dialect::Flux, elsewhere, &marking.groups).is_err());
}

#[test]
fn an_image_of_another_namespace_says_so() {
    let (marking, _) = marked(&[file("a.yaml", "image: acme/shop:1.4.2\n")], &settings());
    let text =
        "kind: ImageAutomation\nmetadata: {name: x, namespace: apps}\nspec:\n  images:\n  - name: x\n    image: a/x";
    let new = extend::extended(Dialect::Native, text, &marking.groups).unwrap();
    let added =
        "\n  # the latest 1.x from 1.4.2\n  - name: shop\n    image: acme/shop\n    namespace: default\n    policy:\n";
    assert!(new.strip_prefix(text).unwrap().starts_with(added), "{new}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn marking_touches_ends_of_lines_only(
        text in "(image: |- |  |tag: |repository: |newTag: |name: |images:|spec:|a/b:1\\.2\\.3|a/c|v1\\.0\\.0|\n|\r\n|\\{|\\}|,|'|\"| #|---\n|&a |\\*a){0,40}"
    ) {
        let (_, edits) = marked(&[file("a.yaml", &text)], &settings());
        if let Some(edit) = edits.first() {
            let new = String::from_utf8(edit.new.clone()).unwrap();
            assert_only_ends_of_lines(&text, &new);
            let old = marker::scan(text.as_bytes()).markers.len();
            prop_assert_eq!(marker::scan(&edit.new).markers.len(), old + edit.markers);
            let (_, again) = marked(&[file("a.yaml", &new)], &settings());
            prop_assert_eq!(again, vec![]);
        }
    }
}

/// Each is looked for where it may be, and found among the others.
#[test]
fn each_image_meets_its_own_target_or_policy() {
    let files: Vec<File> =
        (0..60).map(|at| file(&format!("{at:02}.yaml"), &format!("image: acme/w{at}:1.4.2\n"))).collect();
    let order = || Order::Semver(Range::parse("1.x").unwrap());
    let known = |at: usize| Known {
        namespace: "other".to_owned(),
        name: format!("w{at}"),
        repository: format!("acme/w{at}"),
        policy: Policy { filter: None, order: order() },
        digest: DigestReflection::Never,
    };
    let target = |at: usize| marker::Target {
        path: format!("{at:02}.yaml"),
        policy: format!("other:w{at}"),
        fields: marker::TargetFields::Image {
            repository: Repository::parse(&format!("acme/w{at}")).unwrap().canonical(),
            in_applications: false,
        },
    };
    let known_targets: Vec<_> = (0..60).step_by(3).map(target).collect();
    let settings = Settings { known: (0..60).step_by(2).map(known).collect(), known_targets, ..settings() };
    let marking = plan(&files, &settings);
    assert_eq!(marking.marked, 20, "those with a target");
    let names: Vec<(Origin, &str)> = marking.groups.iter().map(|it| (it.origin, it.name.as_str())).collect();
    let origin = |at: usize| if at.is_multiple_of(2) { Origin::Known } else { Origin::Derived };
    let expect: Vec<(Origin, String)> =
        (0..60_usize).filter(|at| !at.is_multiple_of(3)).map(|at| (origin(at), format!("w{at}"))).collect();
    assert_eq!(names, expect.iter().map(|(origin, name)| (*origin, name.as_str())).collect::<Vec<_>>());
}
