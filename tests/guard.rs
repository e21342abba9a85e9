//! The table of guards: files below `fixtures/guards`, each a list of cases for one rule, with the exact sentences.
//!
//! Every case has `case` (what it shows) and `expect`. Configuration is written as users write it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use image::{Digest, Reference, Repository};
use jiff::Timestamp;
use tagwright::config;
use tagwright_core::advisory::Advisory;
use tagwright_core::automation::{Automation, ImagePolicy};
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::explain::{self, Ages, Cause, Fate, Tags};
use tagwright_core::guard::{
    self, Hold, Identity, Known, Lineage, Patience, Proposed, Verdict, Version, Whose, Writer, Writing,
};
use tagwright_core::marker::{self, Embedded};
use tagwright_core::plan::{self, MarkedFile};
use yaml_rust2::{Yaml, YamlLoader};

/// The time of every case that does not say another one.
const NOW: &str = "2026-11-20T12:00:00Z";

#[test]
fn every_case_comes_out_as_the_table_says() {
    let mut paths: Vec<_> = fs::read_dir("fixtures/guards").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let (mut count, mut wrong) = (0, Vec::new());
    for path in paths {
        let rule = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let documents = YamlLoader::load_from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for case in documents[0].as_vec().unwrap() {
            let found = match rule.as_str() {
                "downgrade" => downgrade(case),
                "believe" => believe(case),
                "choose" => choose(case),
                "reverted" => reverted(case),
                "contested" => contested(case),
                "window" => window(case),
                "together" => together(case),
                "fast-lane" => fast_lane(case),
                other => panic!("no rule {other}"),
            };
            count += 1;
            let expect = texts(&case["expect"]);
            if found != expect {
                let name = case["case"].as_str().unwrap();
                wrong.push(format!("{rule}: {name}\n  found {found:#?}\n  expected {expect:#?}"));
            }
        }
    }
    assert!(count >= 60, "{count} cases");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_hold_by_hand_says_who_can_lift_it() {
    let hold = |reason: Option<&str>| {
        let reason = reason.map(str::to_owned);
        Hold::Manual { policy: "shop:web".to_owned(), since: at(NOW), reason }.to_string()
    };
    let lifted = "`tagwright release shop:web` lifts it";
    assert_eq!(hold(None), format!("held by hand since {NOW}; {lifted}"));
    assert_eq!(hold(Some("release\nfreeze")), format!("held by hand since {NOW} (release\\nfreeze); {lifted}"));
}

#[test]
fn every_kind_of_hold_has_a_word() {
    let window = Hold::Window { opens: None };
    assert_eq!(window.code(), "window");
    assert_eq!(window.to_string(), "no window for commits is open, so the change waits; none opens any more");
}

/// `image`: fields of the image beside name and image; `selected`: a tag or a whole reference; `before`: a file.
fn downgrade(case: &Yaml) -> Vec<String> {
    let policies = automation("", text(&case["image"])).policies.clone();
    let selected = text(&case["selected"]);
    let reference = if selected.contains('/') { selected.to_owned() } else { format!("ghcr.io/acme/web:{selected}") };
    let selection = Selection::Selected(Reference::parse(&reference).unwrap());
    let selections: Selections = [("shop:web", selection)].into_iter().collect();
    let scan = marker::scan(text(&case["before"]).as_bytes());
    assert!(!scan.markers.is_empty(), "{case:?}");
    let policy = |name: &str| policies.iter().map(Arc::as_ref).find(|_: &&ImagePolicy| name == "shop:web");
    let holds = guard::downgrades(&scan, &selections, &policy, &BTreeMap::new());
    holds.iter().map(|(index, hold)| format!("{}: {hold}", scan.markers[*index].line)).collect()
}

/// `known`, `in-use`, `now`: tags between blanks, `1..9` for numbers; `doubted`.
fn fast_lane(case: &Yaml) -> Vec<String> {
    let name = case["document"].as_str().unwrap();
    let text = fs::read_to_string(format!("fixtures/advisories/{name}")).unwrap();
    let document = Advisory::parse(name, &text).unwrap();
    let image = Repository::parse(case["image"].as_str().unwrap_or("ghcr.io/acme/app")).unwrap();
    let packages: Vec<String> = case["packages"].as_str().map(str::to_owned).into_iter().collect();
    let listed = case["listed"].as_str().unwrap().split(' ').map(|it| it.split_once('=').unwrap());
    let listed: Vec<(&str, &str)> = listed.collect();
    let versions: Vec<(&str, &str)> = listed.iter().map(|(tag, _)| (*tag, *tag)).collect();
    let by_version = document.fixed_tags(&image, &packages, &versions);
    let mut found: Vec<String> = Vec::new();
    for (tag, digit) in listed {
        let digest = Digest::parse(&format!("sha256:{}", digit.repeat(64))).unwrap();
        let fixed = by_version.get(tag).copied().or_else(|| document.fixed_by(&image, tag, &digest));
        found.extend(fixed.map(|fixed| format!("{tag} {fixed}")));
    }
    found.sort();
    found
}

fn believe(case: &Yaml) -> Vec<String> {
    let tags = |field: &str| -> Vec<String> { case[field].as_str().map(listed).unwrap_or_default() };
    let (known, in_use, now) = (tags("known"), tags("in-use"), tags("now"));
    let known = known.iter().map(String::as_str).collect::<Vec<_>>();
    let in_use = in_use.iter().map(String::as_str).collect::<Vec<_>>();
    let now = now.iter().map(String::as_str).collect::<Vec<_>>();
    let known = Known { tags: &known, in_use: &in_use, doubted: case["doubted"].as_bool().unwrap_or_default() };
    guard::believe(&known, &now).err().iter().map(Hold::to_string).collect()
}

/// `members`: each policy with the tags that it can select.
fn together(case: &Yaml) -> Vec<String> {
    let members = case["members"].as_hash().unwrap().iter();
    let member = |(policy, tags)| guard::Member { policy: text(policy), tags: text(tags).split_whitespace().collect() };
    let members: Vec<_> = members.map(member).collect();
    let agreement = guard::agree("backend", &members);
    let waiting = agreement.waiting.iter().map(|(policy, hold)| format!("{policy}: {hold}"));
    std::iter::once(agreement.tag.unwrap_or("nothing").to_owned()).chain(waiting).collect()
}

fn listed(text: &str) -> Vec<String> {
    let tags = |word: &str| match word.split_once("..") {
        Some((first, last)) => {
            (first.parse::<u32>().unwrap()..=last.parse().unwrap()).map(|number| number.to_string()).collect()
        }
        None => vec![word.to_owned()],
    };
    text.split_whitespace().flat_map(tags).collect()
}

/// `tags`: each tag with the time it was first seen, or nothing; `now`.
fn choose(case: &Yaml) -> Vec<String> {
    let automation = automation("", text(&case["image"]));
    let policy = &automation.policies[0];
    let since: BTreeMap<&str, Option<Timestamp>> =
        case["tags"].as_hash().unwrap().iter().map(|(tag, since)| (text(tag), since.as_str().map(at))).collect();
    let tags: Vec<&str> = since.keys().copied().collect();
    let since = |tag: &str| since[tag];
    let choice = guard::choose(policy, &tags, &since, now(case));
    // What is explained is what is chosen.
    let read = Tags::read(tags.iter().copied());
    let funnel = explain::guarded(policy, &read, Some(Ages { since: &since, now: now(case) }));
    assert_eq!(funnel.selected(), choice.selected, "{case:?}");
    let dropped: usize = funnel.dropped.iter().map(|group| group.count).sum();
    assert_eq!((dropped + funnel.candidates.len(), funnel.listed), (tags.len(), tags.len()), "{case:?}");
    let denied = funnel.dropped.iter().filter(|group| matches!(group.cause, Cause::Denied(..)));
    assert_eq!(denied.map(|group| group.count).sum::<usize>(), choice.denied, "{case:?}");
    let is_young = |tag: &str| matches!(funnel.fate(tag), Fate::Dropped { cause: Cause::TooYoung, .. });
    if let Some(Hold::TooYoung { tag, .. }) = &choice.waiting {
        assert!(is_young(tag), "{case:?}");
    }
    let mut found = vec![choice.selected.unwrap_or("nothing").to_owned()];
    found.extend(choice.waiting.iter().map(Hold::to_string));
    if choice.denied + choice.young > 0 {
        found.push(format!("{} denied, {} too young", choice.denied, choice.young));
    }
    assert_eq!(choice.considered.len() + choice.denied + choice.young, tags.len(), "{case:?}");
    found
}

/// `history`: newest first, `bot|own|unknown|person BEFORE -> AFTER [released]`, `-` for no value; `current`, `wanted`. `bot` is
/// another bot, where that matters.
fn reverted(case: &Yaml) -> Vec<String> {
    let (writings, _) = history(case);
    let parts = |value: &str| -> Vec<u32> {
        let tag = value.split('@').next().unwrap().rsplit(':').next().unwrap();
        tag.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
    };
    let wanted = text(&case["wanted"]);
    let proposed = Proposed {
        policy: "shop:web",
        current: text(&case["current"]),
        wanted,
        could_select: &|_| true,
        is_no_worse: &|value| parts(wanted) >= parts(value),
    };
    verdict(guard::reverted(&proposed, &writings))
}

/// As above, with the `image` of which the policy is; `now`; `patience` in hours.
fn contested(case: &Yaml) -> Vec<String> {
    let (writings, whose) = history(case);
    let policies = automation("", text(&case["image"])).policies.clone();
    let wanted = text(&case["wanted"]);
    let proposed = Proposed {
        policy: "shop:web",
        current: text(&case["current"]),
        wanted,
        could_select: &|tag| policies[0].could_select(tag),
        is_no_worse: &|tag| policies[0].policy.compare(wanted, tag).is_some_and(Ordering::is_ge),
    };
    let length = Duration::from_hours(case["patience"].as_i64().unwrap().try_into().unwrap());
    let patience = Patience { now: now(case), length };
    verdict(guard::contested(&proposed, &writings, &|writing| whose[&writing.commit], patience))
}

fn history(case: &Yaml) -> (Vec<Writing>, HashMap<String, Whose>) {
    let mut whose = HashMap::new();
    let mut number = 0_u8;
    let writing = |line: &Yaml| {
        let words: Vec<&str> = text(line).split_whitespace().collect();
        let value = |word: &str| (word != "-").then(|| word.to_owned());
        number += 1;
        let commit = format!("{number:x}").repeat(40);
        let author = match words[0] {
            "own" => Whose::Own,
            "unknown" => Whose::Unknown,
            _ => Whose::Other,
        };
        whose.insert(commit.clone(), author);
        let by = if words[0] == "person" { Writer::Person } else { Writer::Bot };
        Writing {
            by,
            before: value(words[1]),
            after: value(words[3]),
            released: words.get(4) == Some(&"released"),
            commit,
            author: if by == Writer::Bot { "fluxcdbot".to_owned() } else { "Ada Lovelace".to_owned() },
            time: at(NOW).as_second() - i64::from(number) * 3600,
        }
    };
    let writings = case["history"].as_vec().unwrap().iter().map(writing).collect();
    (writings, whose)
}

fn verdict(verdict: Verdict) -> Vec<String> {
    match verdict {
        Verdict::Hold(hold) => vec![hold.to_string()],
        Verdict::Free => vec!["free".to_owned()],
        Verdict::Open => vec!["open".to_owned()],
        Verdict::Unlikely => vec!["unlikely".to_owned()],
    }
}

/// `windows`: as in a configuration; `now`.
fn window(case: &Yaml) -> Vec<String> {
    let automation = automation(text(&case["windows"]), "policy: {semver: {range: 1.x}}");
    guard::window(&automation.windows, now(case)).iter().map(Hold::to_string).collect()
}

/// An automation with one image, `shop:web`.
fn automation(spec: &str, image: &str) -> Arc<Automation> {
    let indent = |text: &str, by: usize| -> String { text.lines().map(|line| format!("{:by$}{line}\n", "")).collect() };
    let text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop, namespace: shop}}\nspec:\n\
         {}  git: {{url: https://git.example.com/acme/config.git}}\n  images:\n  - name: web\n    \
         image: ghcr.io/acme/web\n{}",
        indent(spec, 2),
        indent(image, 4)
    );
    let configuration = config::parse("case.yaml", &text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    Arc::clone(&configuration.automations[0])
}

fn now(case: &Yaml) -> Timestamp {
    at(case["now"].as_str().unwrap_or(NOW))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}

fn texts(yaml: &Yaml) -> Vec<String> {
    yaml.as_vec().unwrap_or_else(|| panic!("no list: {yaml:?}")).iter().map(|item| text(item).to_owned()).collect()
}

/// A plan of one file with three fields of `shop:web`, which selects 1.2.0; the lines that change, and what is held.
fn planned(before: &str, guards: &dyn Fn(&[Arc<ImagePolicy>], &MarkedFile) -> plan::Guards<'static>) -> Vec<String> {
    let policies = automation("", "policy: {semver: {range: 1.x}}").policies.clone();
    let selection = Selection::Selected(Reference::parse("ghcr.io/acme/web:1.2.0").unwrap());
    let selections: Selections = [("shop:web", selection)].into_iter().collect();
    let file = MarkedFile::new("apps/web.yaml".to_owned(), before.as_bytes().to_vec());
    let guards = plan::Guards { policies: &policies, ..guards(&policies, &file) };
    let plan = plan::guarded([&file], &selections, &guards);
    let edits = plan.edits.iter().flat_map(|edit| edit.changes.iter().zip(&edit.changed));
    let edits = edits.map(|(change, index)| {
        assert_eq!(file.scan.markers[*index].line, change.line);
        format!("{} {} -> {}", change.line, change.old, change.new)
    });
    let holds = plan.holds.iter().map(|held| {
        assert_eq!((held.file.as_str(), held.setter.split(':').next()), ("apps/web.yaml", Some("shop")));
        format!("{} {} not {}: {}", held.line, held.current, held.wanted, held.hold.code())
    });
    edits.chain(holds).collect()
}

const THREE: &str = "one: 1.3.0 # {\"$imagepolicy\": \"shop:web:tag\"}\n\
                     two: 1.1.0 # {\"$imagepolicy\": \"shop:web:tag\"}\n\
                     three: 1.2.0 # {\"$imagepolicy\": \"shop:web:tag\"}\n";

fn held_by_hand() -> Hold {
    Hold::Manual { policy: "shop:web".to_owned(), since: at(NOW), reason: None }
}

#[test]
fn a_plan_lists_what_it_holds() {
    let found = planned(THREE, &|_, _| plan::Guards::default());
    assert_eq!(found, ["2 1.1.0 -> 1.2.0", "1 1.3.0 not 1.2.0: downgrade"]);
    let by_hand = |_: &[_], _: &_| plan::Guards {
        held: BTreeMap::from([("shop:web".to_owned(), held_by_hand())]),
        ..plan::Guards::default()
    };
    assert_eq!(planned(THREE, &by_hand), ["1 1.3.0 not 1.2.0: manual", "2 1.1.0 not 1.2.0: manual"]);
    let closed =
        |_: &[_], _: &_| plan::Guards { everything: Some(Hold::Window { opens: None }), ..plan::Guards::default() };
    assert_eq!(planned(THREE, &closed), ["1 1.3.0 not 1.2.0: downgrade", "2 1.1.0 not 1.2.0: window"]);
}

#[test]
fn a_field_that_is_held_takes_its_parts_along_and_no_others() {
    let second = |_: &[_], file: &MarkedFile| plan::Guards {
        fields: BTreeMap::from([((file.path.clone(), Identity::all(&file.scan).remove(1)), held_by_hand())]),
        ..plan::Guards::default()
    };
    let expect = ["1 1.3.0 not 1.2.0: downgrade", "2 1.1.0 not 1.2.0: manual"];
    assert_eq!(planned(THREE, &second), expect);
    let parts = "name: ghcr.io/acme/old # {\"$imagepolicy\": \"shop:web:name\"}\n\
                 tag: 1.1.0 # {\"$imagepolicy\": \"shop:web:tag\"}\n\
                 image: ghcr.io/acme/web:1.1.0 # {\"$imagepolicy\": \"shop:web\"}\n";
    let expect = [
        "3 ghcr.io/acme/web:1.1.0 -> ghcr.io/acme/web:1.2.0",
        "1 ghcr.io/acme/old not ghcr.io/acme/web: manual",
        "2 1.1.0 not 1.2.0: manual",
    ];
    assert_eq!(planned(parts, &second), expect);
}

#[test]
fn without_policies_nothing_is_guarded() {
    let selection = Selection::Selected(Reference::parse("ghcr.io/acme/web:1.2.0").unwrap());
    let file = MarkedFile::new("web.yaml".to_owned(), THREE.as_bytes().to_vec());
    let plan = plan::edits([&file], &[("shop:web", selection)].into_iter().collect());
    assert_eq!((plan.changes().count(), plan.holds), (2, vec![]));
}

#[test]
fn fields_are_recognised_in_other_versions_of_a_file() {
    let marked = |value: &str, marker: &str| format!("  - {value} # {{\"$imagepolicy\": \"{marker}\"}}\n");
    let document = |name: &str, items: &str| format!("kind: A\nmetadata: {{name: {name}}}\nitems:\n{items}---\n");
    let new = document("x", &(marked("1", "a:b") + &marked("2", "a:b") + &marked("3", "a:b:tag")))
        + &document("y", &marked("4", "a:b"));
    let scan = marker::scan(new.as_bytes());
    let identities = Identity::all(&scan);
    let values = |text: &str| -> Vec<Option<String>> {
        let version = Version::of(&marker::scan(text.as_bytes()));
        identities.iter().map(|identity| version.value(identity).map(str::to_owned)).collect()
    };
    let some = |value: &str| Some(value.to_owned());
    assert_eq!(values(&new), [some("1"), some("2"), some("3"), some("4")]);
    // Documents in another order, fields that came and went, comments above.
    let old = document("y", &marked("14", "a:b"))
        + "# more\n"
        + &document("x", &(marked("13", "a:b:tag") + &marked("11", "a:b")));
    assert_eq!(values(&old), [some("11"), None, some("13"), some("14")]);
    let lineage = Lineage::between(Version::of(&marker::scan(old.as_bytes())), Version::of(&scan));
    let ancestors: Vec<Option<&str>> = identities.iter().map(|it| Some(lineage.before(it, "9")?.1)).collect();
    assert_eq!(ancestors, [Some("11"), Some("11"), Some("13"), Some("14")], "one of two is new, and it may be either");
    // An object whose name is marked is the same one after an update.
    let named = |tag: &str, value: &str| {
        let name = format!("metadata:\n  name: {tag} # {{\"$imagepolicy\": \"a:c:tag\"}}\n");
        format!("kind: A\n{name}items:\n{}", marked(value, "a:b"))
    };
    let all = |text: &str| Identity::all(&marker::scan(text.as_bytes()));
    assert_eq!(all(&named("1.0", "1")), all(&named("1.1", "2")));
    // What is alike is told apart by its place among those alike.
    let distinct: BTreeSet<Identity> = identities.into_iter().collect();
    assert_eq!(distinct.len(), 4);
}

/// How fields with a name and a tag are written.
type Written<'a> = &'a dyn Fn(&[(&str, &str)]) -> String;

/// Each case: the fields before and after a person's commit, one per line as `NAME TAG`, and what each was before it, if it
/// was anything. 1.1 is what is wanted.
#[test]
fn a_field_is_recognised_whatever_comes_and_goes_beside_it() {
    let containers = |items: &[(&str, &str)]| -> String {
        let item = |(name, tag): &(&str, &str)| {
            format!("  - name: {name}\n    tag: {tag} # {{\"$imagepolicy\": \"a:b:tag\"}}\n")
        };
        format!(
            "kind: A\nmetadata: {name}\ncontainers:\n{}",
            items.iter().map(item).collect::<String>(),
            name = "{name: x}"
        )
    };
    let keys = |items: &[(&str, &str)]| -> String {
        let item = |(name, tag): &(&str, &str)| format!("{name}:\n  tag: {tag} # {{\"$imagepolicy\": \"a:b:tag\"}}\n");
        items.iter().map(item).collect()
    };
    let embedded = |items: &[(&str, &str)]| -> String {
        let item = |(name, tag): &(&str, &str)| {
            format!("  {name}.yaml: |\n    image:\n      tag: {tag} # {{\"$imagepolicy\": \"a:b:tag\"}}\n")
        };
        format!("kind: ConfigMap\ndata:\n{}", items.iter().map(item).collect::<String>())
    };
    let documents = |items: &[(&str, &str)]| -> String {
        let item = |(name, tag): &(&str, &str)| {
            format!("kind: A\nmetadata: {{name: {name}}}\ntag: {tag} # {{\"$imagepolicy\": \"a:b:tag\"}}\n---\n")
        };
        items.iter().map(item).collect()
    };
    type Items = &'static [(&'static str, &'static str)];
    let both: Items = &[("a", "1.1"), ("b", "1.1")];
    let cases: [(&str, Items, Items, &[Option<&str>]); 13] = [
        ("one goes back", both, &[("a", "1.1"), ("b", "1.0")], &[Some("1.1"), Some("1.1")]),
        (
            "another comes first",
            both,
            &[("c", "1.1"), ("a", "1.1"), ("b", "1.0")],
            &[Some("1.1"), Some("1.1"), Some("1.1")],
        ),
        (
            "another comes last",
            both,
            &[("a", "1.1"), ("b", "1.0"), ("c", "1.1")],
            &[Some("1.1"), Some("1.1"), Some("1.1")],
        ),
        ("a copy", both, &[("a", "1.1"), ("c", "1.0"), ("b", "1.0")], &[Some("1.1"), Some("1.1"), Some("1.1")]),
        ("the other goes", both, &[("b", "1.0")], &[Some("1.1")]),
        ("another order", both, &[("b", "1.0"), ("a", "1.1")], &[Some("1.1"), Some("1.1")]),
        ("another name", both, &[("a", "1.1"), ("c", "1.0")], &[Some("1.1"), Some("1.1")]),
        (
            "another name and one more",
            both,
            &[("a", "1.1"), ("c", "1.1"), ("d", "1.0")],
            &[Some("1.1"), Some("1.1"), Some("1.1")],
        ),
        ("other names for both, and the first goes", both, &[("c", "1.0")], &[Some("1.1")]),
        ("one was taken back before, the other goes", &[("a", "1.1"), ("b", "1.0")], &[("b", "1.0")], &[Some("1.0")]),
        (
            "one was taken back before, and is copied",
            &[("a", "1.1"), ("b", "1.0")],
            &[("a", "1.1"), ("b", "1.0"), ("c", "1.0")],
            &[Some("1.1"), Some("1.0"), Some("1.0")],
        ),
        (
            "one goes back, and what they have is exchanged",
            &[("a", "1.1"), ("b", "0.9")],
            &[("b", "0.9"), ("a", "1.0")],
            &[Some("0.9"), Some("1.1")],
        ),
        (
            "an old value of its own is new",
            both,
            &[("a", "1.1"), ("b", "1.1"), ("c", "1.0")],
            &[Some("1.1"), Some("1.1"), None],
        ),
    ];
    let forms: [(&str, Written<'_>); 4] =
        [("containers", &containers), ("keys", &keys), ("embedded", &embedded), ("documents", &documents)];
    let mut wrong = Vec::new();
    for (form, text) in forms {
        for (case, was, is, expect) in cases {
            let scan = |items| marker::scan_with(text(items).as_bytes(), Embedded::Everywhere);
            let after = scan(is);
            let lineage = Lineage::between(Version::of(&scan(was)), Version::of(&after));
            let found: Vec<Option<&str>> =
                Identity::all(&after).iter().map(|it| Some(lineage.before(it, "1.1")?.1)).collect();
            // A document is an object of its own, of which a copy is a new one.
            let is_other = form == "documents" && (case.contains("cop") || case.starts_with("another comes"));
            if found != expect && !is_other {
                wrong.push(format!("{form}, {case}: {found:?}, not {expect:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn where_several_may_be_the_one_before_it_is_the_one_that_was_taken_back() {
    let list = |tags: &[&str]| -> Version {
        let item = |tag: &&str| format!("- {tag} # {{\"$imagepolicy\": \"a:b\"}}\n");
        Version::of(&marker::scan(tags.iter().map(item).collect::<String>().as_bytes()))
    };
    let before = |was: &[&str], is: &[&str], wanted: &str| -> Vec<String> {
        let text: String = is.iter().map(|tag| format!("- {tag} # {{\"$imagepolicy\": \"a:b\"}}\n")).collect();
        let lineage = Lineage::between(list(was), list(is));
        let fields = Identity::all(&marker::scan(text.as_bytes()));
        fields.iter().map(|it| lineage.before(it, wanted).map_or("-", |(_, value)| value).to_owned()).collect()
    };
    assert_eq!(before(&["x:1", "x:2"], &["x:0"], "x:2"), ["x:2"]);
    assert_eq!(before(&["x:1", "x:2"], &["x:0"], "x:1"), ["x:1"]);
    assert_eq!(before(&["x:1", "x:2@sha256:aa"], &["x:0"], "x:2@sha256:bb"), ["x:2@sha256:aa"]);
    assert_eq!(before(&["x:1", "x:2"], &["x:1"], "x:2"), ["x:1"], "what has the same value is the same");
    assert_eq!(before(&["x:2", "x:2"], &["x:2", "x:0", "x:2"], "x:2"), ["x:2", "x:2", "x:2"]);
    assert_eq!(before(&[], &["x:0"], "x:2"), ["-"]);
}
