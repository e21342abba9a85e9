//! Laws of selecting and writing, over generated policies, tag lists and fields: whatever bots see of the tags, and in whatever
//! turn they write, no field goes to a tag that is not better than the one it has.
//!
//! What is better is told by an order of this test's own, which knows no versions, patterns or numbers but those that it writes.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;

use image::Reference;
use jiff::Timestamp;
use proptest::prelude::*;
use tagwright::config;
use tagwright_core::automation::Automation;
use tagwright_core::edit::{Selection, Selections};
use tagwright_core::guard;
use tagwright_core::plan::{self, Guards, MarkedFile};

/// A policy as its user writes it, the tags that it can be shown, and the rank of the tag of a number.
struct Case {
    policy: &'static str,
    /// The tags of the numbers from 0, by variant; of one number all rank equal.
    tags: fn(u8, usize) -> String,
    /// Whether a greater number is better.
    ascending: bool,
}

/// How many spellings of one number [`Case::tags`] has.
const VARIANTS: usize = 3;

/// How many numbers there are.
const NUMBERS: u8 = 5;

/// Tags that no policy here can select.
const OTHERS: [&str; 3] = ["latest", "x.9", "sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"];

const CASES: [Case; 9] = [
    Case {
        policy: "policy: {semver: {range: '*'}}",
        tags: |number, variant| format!("{}1.{number}.0", ["", "v", "0"][variant]),
        ascending: true,
    },
    Case {
        policy: "policy: {semver: {range: '*'}}, filterTags: {pattern: '^([0-9]+[.][0-9]+[.][0-9]+)[.]', extract: $1}",
        tags: |number, variant| format!("1.{number}.0.{}", ["5999-a", "6001-b", "7"][variant]),
        ascending: true,
    },
    Case {
        policy: "policy: {semver: {range: '*'}}, filterTags: {pattern: '^(.*)_(.*)$', extract: '$1+$2'}",
        tags: |number, variant| format!("1.0.{number}_{}", ["a", "b", "c"][variant]),
        ascending: true,
    },
    Case {
        policy: "policy: {numerical: {order: asc}}",
        tags: |number, variant| format!("{}{number}{}", ["", "00", ""][variant], ["", "", ".0"][variant]),
        ascending: true,
    },
    Case {
        policy: "policy: {numerical: {order: desc}}",
        tags: |number, variant| format!("{number}{}", ["", ".0", ".00"][variant]),
        ascending: false,
    },
    Case {
        policy: "policy: {numerical: {order: asc}}, filterTags: {pattern: '^main-[a-z]+-(?P<n>[0-9]+)$', extract: $n}",
        tags: |number, variant| format!("main-{}-{number}", ["aaa", "mmm", "zzz"][variant]),
        ascending: true,
    },
    Case {
        policy: "policy: {numerical: {order: desc}}, filterTags: {pattern: '^main-[a-z]+-(?P<n>[0-9]+)$', extract: '${n}'}",
        tags: |number, variant| format!("main-{}-{number}", ["a", "b", "c"][variant]),
        ascending: false,
    },
    Case {
        policy: "policy: {alphabetical: {order: asc}}, filterTags: {pattern: '^(?P<day>2024-01-0[0-9])-', extract: $day}",
        tags: |number, variant| format!("2024-01-0{number}-{}", ["f00", "0ff", "abc"][variant]),
        ascending: true,
    },
    Case {
        policy: "policy: {alphabetical: {order: desc}}, filterTags: {pattern: '^(?P<day>2024-01-0[0-9])-', extract: $day}, allowDowngrade: false",
        tags: |number, variant| format!("2024-01-0{number}-{}", ["f00", "0ff", "abc"][variant]),
        ascending: false,
    },
];

impl Case {
    fn automation(&self) -> Arc<Automation> {
        let text = format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop}}\nspec:\n  \
             git: {{url: https://git.example.com/acme/config.git}}\n  images:\n  \
             - {{name: web, image: ghcr.io/acme/web, {}}}\n",
            self.policy
        );
        Arc::clone(&config::parse("case.yaml", &text).unwrap_or_else(|error| panic!("{error}")).automations[0])
    }

    /// The rank of a tag, greater being better; none if the policy cannot select it.
    fn rank(&self, tag: &str) -> Option<i16> {
        let numbers = (0..NUMBERS).filter(|number| (0..VARIANTS).any(|variant| (self.tags)(*number, variant) == tag));
        let rank = numbers.map(i16::from).next()?;
        Some(if self.ascending { rank } else { -rank })
    }

    /// A tag by its number and variant; beyond the numbers one of the others.
    fn tag(&self, (number, variant): (u8, usize)) -> String {
        if number < NUMBERS { (self.tags)(number, variant) } else { OTHERS[variant].to_owned() }
    }
}

/// The marked file: two fields for an image, two for a tag.
fn text(tags: &[String]) -> String {
    let [first, second, third, fourth] = tags else { panic!("four fields") };
    format!(
        "a: ghcr.io/acme/web:{first} # {{\"$imagepolicy\": \"default:web\"}}\n\
         b: 'ghcr.io/acme/web:{second}' # {{\"$imagepolicy\": \"default:web\"}}\n\
         c: \"{third}\" # {{\"$imagepolicy\": \"default:web:tag\"}}\n\
         d: {{tag: \"{fourth}\"}} # {{\"$imagepolicy\": \"default:web:tag\"}}\n"
    )
}

/// The tags in the marked file.
fn tags_in(text: &str) -> Vec<String> {
    let scan = tagwright_core::marker::scan(text.as_bytes());
    scan.markers.iter().map(|marker| marker.value.rsplit(':').next().unwrap().to_owned()).collect()
}

/// What a run makes of the file when the registry lists these tags.
fn run(automation: &Automation, listed: &[String], text: &str) -> String {
    let policy = &automation.policies[0];
    let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    let choice = guard::choose(policy, &listed, &|_| None, Timestamp::UNIX_EPOCH);
    let Some(selected) = choice.selected else { return text.to_owned() };
    let as_good: Vec<String> =
        policy.policy.as_good_as(selected, &choice.considered).into_iter().map(str::to_owned).collect();
    let files = [MarkedFile::new("web.yaml".to_owned(), text.as_bytes().to_vec())];
    let reference = Reference::parse(&format!("ghcr.io/acme/web:{selected}")).unwrap();
    let reference = plan::in_use(&files, "default:web", &reference, &as_good, &BTreeMap::new());
    let selections: Selections = [("default:web", Selection::Selected(reference))].into_iter().collect();
    let guards = Guards { policies: &automation.policies, ..Guards::default() };
    let plan = plan::guarded(&files, &selections, &guards);
    assert!(plan.diagnostics.is_empty(), "{:?}", plan.diagnostics);
    plan.edits.into_iter().next().map_or_else(|| text.to_owned(), |edit| String::from_utf8(edit.new).unwrap())
}

fn some_tag() -> impl Strategy<Value = (u8, usize)> {
    (0..NUMBERS + 1, 0..VARIANTS)
}

fn some_list() -> impl Strategy<Value = Vec<(u8, usize)>> {
    prop::collection::vec(some_tag(), 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Every list is what one more bot sees, or the same bot later; tags come and go.
    #[test]
    fn nothing_goes_backwards_or_sideways(
        case in 0..CASES.len(),
        fields in prop::collection::vec(some_tag(), 4),
        lists in prop::collection::vec(some_list(), 1..8),
    ) {
        let case = &CASES[case];
        let automation = case.automation();
        let mut text = text(&fields.into_iter().map(|tag| case.tag(tag)).collect::<Vec<_>>());
        for list in lists {
            let listed: Vec<String> = list.into_iter().map(|tag| case.tag(tag)).collect();
            let new = run(&automation, &listed, &text);
            let (before, after) = (tags_in(&text), tags_in(&new));
            let best = listed.iter().filter_map(|tag| case.rank(tag)).max();
            for (old, new) in before.iter().zip(&after).filter(|(old, new)| old != new) {
                prop_assert!(case.rank(new).is_some() && case.rank(new) == best, "{} -> {} of {:?}", old, new, listed);
                prop_assert!(listed.contains(new), "{} -> {} of {:?}", old, new, listed);
                prop_assert!(case.rank(old).is_none_or(|rank| Some(rank) < best), "{} -> {} of {:?}", old, new, listed);
            }
            for tag in &after {
                prop_assert!(best.is_none() || case.rank(tag) >= best, "{} stays, with {:?}", tag, listed);
            }
            prop_assert_eq!(&run(&automation, &listed, &new), &new, "twice is once");
            text = new;
        }
    }

    /// Of equals, the fields that move go to one that is in use, if there is one that is listed.
    #[test]
    fn fields_go_to_the_equal_that_is_in_use(
        case in 0..CASES.len(),
        fields in prop::collection::vec(some_tag(), 4),
        list in some_list(),
    ) {
        let case = &CASES[case];
        let before: Vec<String> = fields.into_iter().map(|tag| case.tag(tag)).collect();
        let listed: Vec<String> = list.into_iter().map(|tag| case.tag(tag)).collect();
        let after = tags_in(&run(&case.automation(), &listed, &text(&before)));
        let best = listed.iter().filter_map(|tag| case.rank(tag)).max();
        let in_use: Vec<&String> =
            before.iter().filter(|tag| listed.contains(*tag) && best.is_some() && case.rank(tag) == best).collect();
        let moved: Vec<&String> = before.iter().zip(&after).filter(|(old, new)| old != new).map(|(_, new)| new).collect();
        prop_assert!(moved.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", moved);
        prop_assert!(in_use.is_empty() || moved.iter().all(|tag| in_use.contains(tag)), "{:?} {:?}", moved, in_use);
    }

    /// Policies order as the order of this test does, and the selection depends on the set of tags alone.
    #[test]
    fn policies_rank_as_the_order_of_this_test(
        case in 0..CASES.len(),
        (first, second) in (some_tag(), some_tag()),
        list in some_list(),
    ) {
        let case = &CASES[case];
        let automation = case.automation();
        let policy = &automation.policies[0].policy;
        let (first, second) = (case.tag(first), case.tag(second));
        let expected = case.rank(&first).zip(case.rank(&second)).map(|(first, second)| first.cmp(&second));
        prop_assert_eq!(policy.compare(&first, &second), expected, "{} {}", first, second);
        let listed: Vec<String> = list.into_iter().map(|tag| case.tag(tag)).collect();
        let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
        let best = listed.iter().filter_map(|tag| case.rank(tag)).max();
        let selected = policy.select(&listed);
        prop_assert_eq!(selected.and_then(|tag| case.rank(tag)), best);
        if let Some(selected) = selected {
            let mut equal: Vec<&str> = listed.iter().copied().filter(|tag| *tag != selected && case.rank(tag) == best).collect();
            equal.sort_unstable_by(|left, right| right.cmp(left));
            equal.dedup();
            prop_assert_eq!(policy.as_good_as(selected, &listed), equal);
        }
    }
}
