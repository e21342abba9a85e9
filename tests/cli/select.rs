//! `select`: the recorded vectors, the ways to give tags, the forms of output.

use std::collections::BTreeSet;

use crate::registry::{Auth, Bearer, Fault, World as Listed};
use crate::site::Live;
use crate::world::{World, fixture, list, text};

#[test]
fn recorded_policies_select_as_recorded() {
    let world = World::new();
    let flux = fixture("policies/flux.json");
    let own = fixture("policies/cases.json");
    let mut checked = 0;
    for case in list(&flux["cases"]).iter().chain(list(&own)) {
        let mut arguments = vec!["select".to_owned(), format!("--{}={}", text(case, "policy"), text(case, "arg"))];
        if let Some(filter) = case.get("filterTags") {
            arguments.push(format!("--filter-pattern={}", text(filter, "pattern")));
            arguments.push(format!("--filter-extract={}", text(filter, "extract")));
        }
        let tags: String = list(&case["tags"]).iter().map(|tag| format!("{}\n", tag.as_str().unwrap())).collect();
        let run = world.feed(&tags, &arguments);
        let recorded = &case["expect"][0];
        let expected = match case.get("differs").and_then(|differs| differs.get("tag")) {
            Some(tag) => tag,
            None if recorded.is_null() => &case["select"],
            None => &recorded["tag"],
        };
        let refused = case.get("error").or_else(|| case.get("differs")?.get("error"));
        let error = refused.and_then(|error| error.as_str()).unwrap_or_else(|| text(recorded, "error"));
        let error = error.trim_start_matches("failed to filter tags: ");
        if refused.is_some() || error.starts_with("invalid") {
            run.refuses(2, error);
        } else if let Some(tag) = expected.as_str() {
            run.prints(0, &format!("{tag}\n"));
            assert_eq!(run.stderr, "", "{case}");
        } else {
            run.refuses(1, "no tag selected: ");
        }
        checked += 1;
    }
    assert!(checked > 58, "{checked}");
}

/// The newest by what images say, and who says so beside the tag.
#[test]
fn the_newest_is_asked_of_the_registry() {
    let (world, mut listed) = (World::new(), Listed::with("team/app", Vec::<String>::new()));
    for (tag, created) in
        [("main-c", "2026-01-01"), ("main-a", "2026-01-03"), ("main-b", "2026-01-02"), ("x", "2026-02-01")]
    {
        let config =
            serde_json::json!({"os": "linux", "architecture": "amd64", "created": format!("{created}T00:00:00Z")});
        listed.push("team/app", tag, &config);
    }
    let registry = Live::start(listed);
    let image = format!("--image={}/team/app", registry.host());
    let newest = ["select", "--newest", &image, "--filter-pattern=^main-"];
    let run = world.run(newest);
    run.prints(0, "main-a\n");
    let says = "main-a is the newest: it was created at 2026-01-03T00:00:00Z, as it says itself, and nothing else tells when it came";
    assert!(run.stderr.contains(says), "{}", run.stderr);
    world.run(newest.iter().chain(&["--list"])).prints(0, "main-a\nmain-b\nmain-c\n");
    let json = world.run(newest.iter().chain(&["--output=json"])).json();
    assert_eq!((&json["selected"], &json["candidates"][1]), (&"main-a".into(), &"main-b".into()), "{json}");
    // Tags alone do not tell.
    world.run(["select", "--newest", "1.0.0", "2.0.0"]).refuses(2, "--newest needs --image");
    world.run(["select", "--newest", &image, "--filter-pattern=^z"]).refuses(1, "no tag selected: ");
}

#[test]
fn recorded_ranges_hold_the_recorded_versions() {
    let world = World::new();
    for name in ["semver/constraints.json", "semver/more-constraints.json"] {
        let fixture = fixture(name);
        let versions: Vec<&str> = list(&fixture["versions"]).iter().map(|version| version.as_str().unwrap()).collect();
        let input = versions.join("\n");
        for case in list(&fixture["cases"]) {
            let run = world.feed(&input, ["select", "--list", &format!("--semver={}", text(case, "constraint"))]);
            if case["error"].is_string() {
                run.refuses(2, "error: --semver: ");
                continue;
            }
            let found: BTreeSet<&str> = run.stdout.lines().collect();
            let matches = text(case, "match").bytes();
            let expected: BTreeSet<&str> =
                versions.iter().zip(matches).filter(|(_, bit)| *bit == b'1').map(|(version, _)| *version).collect();
            assert_eq!(found, expected, "{case}");
            assert_eq!(run.code, i32::from(expected.is_empty()), "{case}");
        }
    }
}

#[test]
fn recorded_tags_are_versions_or_not() {
    let world = World::new();
    let fixture = fixture("semver/tags.json");
    let tags = || list(&fixture).iter().map(|case| (text(case, "tag"), case["is_semver_for_flux"] == true));
    let expected: BTreeSet<&str> = tags().filter(|(_, is)| *is).map(|(tag, _)| tag).collect();
    let input: String = tags().map(|(tag, _)| format!("{tag}\n")).collect();
    let run = world.feed(&input, ["select", "--list", "--semver=*-0"]);
    assert_eq!(run.stdout.lines().collect::<BTreeSet<_>>(), expected);
    let all = tags().map(|(tag, _)| tag);
    let again = world.run(["select", "--list", "--semver=*-0", "--"].into_iter().chain(all));
    assert_eq!(again.stdout, run.stdout, "arguments and lines of stdin are the same");
}

#[test]
fn json_has_the_documented_shape() {
    let world = World::new();
    let run = world.run(["select", "--semver=1.x", "--output=json", "1.4.1", "latest", "1.5.0", "2.0.0", "1.6.0-rc.1"]);
    insta::assert_snapshot!(run.text(), @r#"
exit 0
-- stdout
{
  "selected": "1.5.0",
  "candidates": [
    "1.5.0",
    "1.4.1"
  ],
  "rejected": [
    {
      "tag": "latest",
      "reason": "'latest' is not a version"
    },
    {
      "tag": "2.0.0",
      "reason": "not in the range '1.x'"
    },
    {
      "tag": "1.6.0-rc.1",
      "reason": "a pre-release, which the range '1.x' does not ask for"
    }
  ]
}
-- stderr
"#);
    let none = world.run(["select", "--semver=3.x", "--output=json", "1.4.1"]);
    insta::assert_snapshot!(none.text(), @r#"
exit 1
-- stdout
{
  "selected": null,
  "candidates": [],
  "rejected": [
    {
      "tag": "1.4.1",
      "reason": "not in the range '3.x'"
    }
  ]
}
-- stderr
no tag selected: the only tag cannot be selected: 1 not in the range '3.x', such as '1.4.1'
"#);
}

#[test]
fn a_list_is_best_first_and_an_explanation_has_every_tag() {
    let world = World::new();
    let tags = ["main-1-100", "main-2-0200", "main-3-200", "main-4-x", "dev"];
    let policy = ["select", "--numerical=asc", "--filter-pattern=^main-[0-9]-(.*)$", "--filter-extract=$1"];
    let run = world.run(policy.into_iter().chain(["--list"]).chain(tags));
    run.prints(0, "main-3-200\nmain-2-0200\nmain-1-100\n");
    let run = world.run(policy.into_iter().chain(["--explain"]).chain(tags));
    insta::assert_snapshot!(run.text(), @"
exit 0
-- stdout
5 tags, 3 candidates, 2 rejected
* main-3-200   selected, ordered by 200
  main-2-0200  candidate, ordered by 0200
  main-1-100   candidate, ordered by 100
  main-4-x     rejected: 'x' is not a number
  dev          rejected: not matched by the filter
-- stderr
");
    let run = world.run(["select", "--alphabetical=desc", "--explain", "b"]);
    insta::assert_snapshot!(run.text(), @"
exit 0
-- stdout
1 tag, 1 candidate, 0 rejected
* b  selected
-- stderr
");
}

#[test]
fn no_match_is_counted_by_reason() {
    let world = World::new();
    let input: String = (0..1000).map(|n| format!("build-{n}\n")).chain(["0.9.0\n1.2\n2.0.0-rc.1\n".into()]).collect();
    insta::assert_snapshot!(world.feed(&input, ["select", "--semver=1.x"]).text(), @"
exit 1
-- stdout
-- stderr
no tag selected: none of 1003 tags can be selected: 1000 not a version, such as 'build-999', 2 not in the range '1.x', such as '2.0.0-rc.1', 1 with fewer than two dots, such as '1.2'
");
    insta::assert_snapshot!(world.feed("", ["select", "--semver=1.x"]).text(), @"
exit 1
-- stdout
-- stderr
no tag selected: there are no tags
");
    insta::assert_snapshot!(world.feed("7\n8\n", ["select", "--semver=1.x", "--list"]).text(), @"
exit 1
-- stdout
-- stderr
no tag selected: none of 2 tags can be selected: 2 with fewer than two dots, such as '8'
");
    insta::assert_snapshot!(world.run(["select", "--numerical=asc", "--filter-pattern=x", "7"]).text(), @"
exit 1
-- stdout
-- stderr
no tag selected: the only tag cannot be selected: 1 not matched by the filter, such as '7'
");
}

#[test]
fn lines_may_end_as_on_windows_and_tags_begin_with_a_dash() {
    let world = World::new();
    world.feed("1.0.0\r\n1.1.0\r\n\r\n", ["select", "--semver=1.x"]).prints(0, "1.1.0\n");
    world.run(["select", "--numerical", "desc", "--", "-5", "3"]).prints(0, "-5\n");
    world.run(["select", "--alphabetical", "", "a", "b"]).prints(0, "b\n");
}

#[test]
fn tags_come_from_a_registry() {
    let world = World::new();
    let tags = ["1.0.0", "1.1.0", "1.1.0.sig", "2.0.0", "1.9.9{{", "1.9.8\n"];
    let registry = Live::start(Listed::with("team/app", tags));
    let image = format!("--image={}/team/app", registry.host());
    let run = world.run(["select", "--semver=1.x", &image]).masked(&registry.host(), "REGISTRY");
    insta::assert_snapshot!(run.text(), @r"
exit 0
-- stdout
1.1.0
-- stderr
warning: REGISTRY/team/app lists tags that OCI does not allow (2, ignored): '1.9.8\n', '1.9.9{{'
");
    let list = world.run(["select", "--alphabetical=asc", "--list", &image]);
    list.prints(0, "2.0.0\n1.1.0\n1.0.0\n");
    let list = world.run(["select", "--alphabetical=asc", "--list", "--exclude=^2", "--exclude=0.sig$", &image]);
    list.prints(0, "1.1.0\n1.0.0\n");
    let mirror = format!("--registry-mirror=ghcr.io={}", registry.url());
    world.run(["select", "--semver=1.x", "--image=ghcr.io/team/app", &mirror]).prints(0, "1.1.0\n");
}

#[test]
fn a_registry_that_says_no_is_a_failure_with_a_hint() {
    let world = World::new();
    let registry = Live::start(Listed::with("team/app", ["1.0.0"]).guarded(Auth::Bearer(Bearer::of(Vec::new()))));
    let image = format!("--image={}/team/app", registry.host());
    let run = world.run(["select", "--semver=1.x", &image]).masked(&registry.host(), "REGISTRY");
    insta::assert_snapshot!(run.text(), @"
exit 1
-- stdout
-- stderr
error: 'REGISTRY' denied access: http://REGISTRY/token answered 401 (incorrect username or password); no credentials were sent, since none are configured for it
  hint: name a secret with `secretRef`, or log in with `docker login`
");
    let registry = Live::start(Listed::default().failing("/tags/list", Fault::body("<html>")));
    let image = format!("--image={}/team/app", registry.host());
    let run = world.run(["select", "--semver=1.x", &image]).masked(&registry.host(), "REGISTRY");
    insta::assert_snapshot!(run.text(), @"
exit 1
-- stdout
-- stderr
error: http://REGISTRY/v2/team/app/tags/list answered with a web page (status 200): perhaps it is not a registry, since host, port or path are other ones, or something on the way wants people to sign in
");
}

#[test]
fn mistakes_are_explained() {
    let world = World::new();
    let cases: &[&[&str]] = &[
        &["--semver=one", "1.0.0"],
        &["--numerical=up", "1"],
        &["--semver=1.x", "--filter-pattern=(", "1.0.0"],
        &["--semver=1.x", "--filter-extract=$1", "1.0.0"],
        &[
            "--numerical=asc",
            "--filter-pattern=^main-(?P<ts>[0-9]+)-(?P<n>[0-9]+)$",
            "--filter-extract=$ts_$n",
            "main-1-2",
        ],
        &["--semver=1.x", "--numerical=asc", "1.0.0"],
        &["1.0.0"],
        &["--semver=1.x", "--image=https://ghcr.io/a/b"],
        &["--semver=1.x", "--image=ghcr.io/acme/app:1.0.0"],
        &["--semver=1.x", "--image=ghcr.io/acme/app", "--exclude=("],
        &["--semver=1.x", "--image=ghcr.io/acme/app", "--registry-mirror=mirror"],
        &["--semver=1.x", "--image=ghcr.io/acme/app", "1.0.0"],
        &["--semver=1.x", "--list", "--explain", "1.0.0"],
    ];
    let mut said = String::new();
    for case in cases {
        let run = world.run(["select"].iter().chain(*case));
        run.refuses(2, "error: ");
        said.push_str(&format!("$ tagwright select {}\n{}", case.join(" "), run.stderr));
    }
    insta::assert_snapshot!(said, @r#"
$ tagwright select --semver=one 1.0.0
error: --semver: "one" is not a range of versions
  hint: ranges look like 6.x, ^1.2, '>=1.0.0 <2.0.0' or '1.x || 3.x'; '*' is every version
$ tagwright select --numerical=up 1
error: --numerical: up is neither asc nor desc
  hint: asc, which is the default, selects the greatest tag, desc the smallest
$ tagwright select --semver=1.x --filter-pattern=( 1.0.0
error: --filter-pattern: invalid regular expression pattern '(': error parsing regexp: missing closing ): `(`
  hint: patterns are regular expressions in Go's dialect (RE2)
$ tagwright select --semver=1.x --filter-extract=$1 1.0.0
error: the following required arguments were not provided:
  --filter-pattern <PATTERN>

Usage: tagwright select --filter-pattern <PATTERN> --filter-extract <TEMPLATE> <--semver <RANGE>|--calver <FORMAT>|--newest|--numerical <asc|desc>|--alphabetical <asc|desc>> <TAGS>...

For more information, try '--help'.
$ tagwright select --numerical=asc --filter-pattern=^main-(?P<ts>[0-9]+)-(?P<n>[0-9]+)$ --filter-extract=$ts_$n main-1-2
error: --filter-extract: `$ts_` names no group of the pattern
  hint: write `${ts}_${n}`; the groups of the pattern are `$ts` and `$n`
$ tagwright select --semver=1.x --numerical=asc 1.0.0
error: the argument '--semver <RANGE>' cannot be used with '--numerical <asc|desc>'

Usage: tagwright select <--semver <RANGE>|--calver <FORMAT>|--newest|--numerical <asc|desc>|--alphabetical <asc|desc>> <TAGS>...

For more information, try '--help'.
$ tagwright select 1.0.0
error: the following required arguments were not provided:
  <--semver <RANGE>|--calver <FORMAT>|--newest|--numerical <asc|desc>|--alphabetical <asc|desc>>

Usage: tagwright select <--semver <RANGE>|--calver <FORMAT>|--newest|--numerical <asc|desc>|--alphabetical <asc|desc>> <TAGS>...

For more information, try '--help'.
$ tagwright select --semver=1.x --image=https://ghcr.io/a/b
error: --image: image 'https://ghcr.io/a/b' should not include URL scheme; remove 'https://'
  hint: write a repository without tag, such as ghcr.io/stefanprodan/podinfo, or oci-layout:FOLDER
$ tagwright select --semver=1.x --image=ghcr.io/acme/app:1.0.0
error: --image: image 'ghcr.io/acme/app:1.0.0' should not include a tag; remove ':1.0.0'
  hint: write a repository without tag, such as ghcr.io/stefanprodan/podinfo, or oci-layout:FOLDER
$ tagwright select --semver=1.x --image=ghcr.io/acme/app --exclude=(
error: --exclude: invalid regular expression pattern '(': error parsing regexp: missing closing ): `(`
  hint: patterns are regular expressions in Go's dialect (RE2)
$ tagwright select --semver=1.x --image=ghcr.io/acme/app --registry-mirror=mirror
error: registry mirror "mirror": expected HOST=URL
  hint: write --registry-mirror HOST=URL, such as --registry-mirror docker.io=https://mirror.example.com
$ tagwright select --semver=1.x --image=ghcr.io/acme/app 1.0.0
error: the argument '--image <REPOSITORY>' cannot be used with '[TAGS]...'

Usage: tagwright select --image <REPOSITORY> <--semver <RANGE>|--calver <FORMAT>|--newest|--numerical <asc|desc>|--alphabetical <asc|desc>> [TAGS]...

For more information, try '--help'.
$ tagwright select --semver=1.x --list --explain 1.0.0
error: the argument '--list' cannot be used with '--explain'

Usage: tagwright select --list <--semver <RANGE>|--calver <FORMAT>|--newest|--numerical <asc|desc>|--alphabetical <asc|desc>> <TAGS>...

For more information, try '--help'.
"#);
    world.finish(&mut world.tagwright(["select", "--semver=1.x"]), b"\xff\xfe\n").refuses(2, "is not UTF-8 text");
}
