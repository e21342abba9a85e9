//! What README and docs/ promise is what happens: commands, outputs, JSON, flags, findings and differences.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};
use tagwright_core::change::Code;

use crate::guide::Reader;
use crate::page::Page;
use crate::site::{SHOP, Site, native};
use crate::world::{Run, World};

#[test]
fn five_minutes_are_as_written() {
    let readme = Page::at("README.md");
    let five = readme.below("## Five minutes");
    let mut reader = Reader::of(readme);
    reader.follow(five);
    // The diff on top is what the dry run prints, the configuration what `mark` writes.
    let diff = readme.blocks("diff")[0].lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert!(reader.printed.iter().any(|printed| printed.contains(&diff)), "{:?}", reader.printed);
    let native = five.blocks("yaml").into_iter().find(|block| block.contains("kind: ")).unwrap();
    assert_eq!(reader.read("policies/podinfo.yaml").trim_end(), native);
    reader.bash("git -C config pull -q").prints(0, "");
    let file = reader.read("config/clusters/prod/podinfo.yaml");
    let marker = " # {\"$imagepolicy\": \"default:podinfo\"}";
    let before = include_str!("../../fixtures/guides/README/config/clusters/prod/podinfo.yaml");
    assert_eq!(file, before.replace("6.5.4", &format!("6.7.0{marker}")), "nothing else changes");
}

#[test]
fn the_two_commands_are_there() {
    let block = Page::at("README.md").below("## Two commands").blocks("sh")[0];
    assert!(block.contains("cargo run --release -- demo") && block.contains("tests/run "), "{block}");
    let script = std::fs::metadata(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run")).unwrap();
    assert_ne!(std::os::unix::fs::PermissionsExt::mode(&script.permissions()) & 0o111, 0);
}

#[test]
fn yaml_is_yaml_and_json_is_json() {
    for page in Page::all() {
        for block in page.blocks("json") {
            let read: Result<Value, _> = serde_json::from_str(block);
            read.unwrap_or_else(|error| panic!("{}: {error}: {block}", page.path));
        }
        for block in page.blocks("yaml") {
            let read = yaml_rust2::YamlLoader::load_from_str(block);
            read.unwrap_or_else(|error| panic!("{}: {error}: {block}", page.path));
        }
    }
    let world = World::new();
    world.write("marked.yaml", Page::at("README.md").blocks("yaml")[0]);
    let run = world.run(["set", "marked.yaml", "--image=default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1), "{run:?}");
}

/// The example below a heading of the page about JSON; what it leaves to another one is empty.
fn example(heading: &str) -> Value {
    let block = Page::at("docs/reference/json.md").below(&format!("## {heading}")).blocks("jsonc")[0];
    serde_json::from_str(&block.replace("/* as for set */", "")).unwrap_or_else(|error| panic!("{error}: {block}"))
}

/// The names of all members, with those of members within lists.
fn shape(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| {
                shape(value).into_iter().map(move |inner| format!("{name}.{inner}")).chain([name.clone()])
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(shape).collect(),
        _ => BTreeSet::new(),
    }
}

/// That the examples have all members of their types is held by `tests/documents/json.rs`.
#[test]
fn json_is_as_printed_and_as_read() {
    let world = World::new();
    let found = world.run(["select", "--semver=1.x", "--output=json", "latest", "1.5.0", "1.4.1"]);
    assert_eq!(found.json(), example("`select`"));
    let app = "a: x # {\"$imagepolicy\": \"default:app\"}\nb: x # {\"$imagepolicy\": \"default:ap\"}\n";
    world.write("app.yaml", app);
    let found = world.run(["set", "app.yaml", "--image=default:app=app:2", "--check", "--output=json"]);
    assert_eq!(shape(&found.json()), shape(&example("`set`")));
    world.write("bad.yaml", "a: x # {\"$imagepolicy\": \"default:app:tags\"}\n");
    let found = world.run(["check", "bad.yaml", "--output=json"]);
    assert_eq!((found.code, shape(&found.json())), (3, shape(&example("`check`"))));
    let found = world.run(["doctor", "--config=nowhere", "--output=json"]);
    assert_eq!((found.code, shape(&found.json())), (2, shape(&example("`doctor`"))));

    // A field that would go backwards, a marker of nobody's, and a tag that is too young.
    let file = SHOP.replace("1.0.0", "1.9.0") + "# {\"$imagepolicy\": \"default:ap\"}\n";
    let site = Site::new(&["1.0.0", "1.1.0"], &file);
    site.configure("shop.yaml", &native("shop", "app", "", ""));
    site.configure("young.yaml", &native("young", "young", "", "minimumAge: 72h\n      pin: digest"));
    let (found, run) = (site.run(&["--output=json"]).json(), example("`run --once`"));
    // Nothing here is proposed in groups, of which `tests/documents/json.rs` knows the members.
    let of_run: BTreeSet<String> = shape(&run).into_iter().filter(|name| !name.contains(".groups.")).collect();
    assert!(of_run.is_subset(&shape(&found)), "{found}");
    let members = |value: &Value| value["automations"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&found), members(&run), "in this order");

    let images = example("What `set --images` reads").to_string();
    assert_eq!(world.feed(&images, ["set", "app.yaml", "--images=-"]).code, 0);
    let found = world.feed(&example("What `message --changes` reads").to_string(), ["message", "--changes=-"]);
    found.prints(0, "Update from image update automation");
}

#[test]
fn the_schema_is_printed() {
    let run = World::new().run(["schema"]);
    run.prints(0, include_str!("../../docs/schema/imageautomation.json"));
    let run = World::new().run(["crds"]);
    let definitions = [
        include_str!("../../docs/schema/imageautomation.crd.yaml"),
        include_str!("../../docs/schema/receiver.crd.yaml"),
        include_str!("../../docs/schema/notification.crd.yaml"),
    ];
    run.prints(0, &definitions.join("---\n"));
}

/// The help of every command, by name.
fn helps(world: &World) -> Vec<(String, String)> {
    let names = crate::help::commands(world);
    names.into_iter().map(|name| (name.clone(), world.run([name.as_str(), "--help"]).stdout)).collect()
}

#[test]
fn every_command_is_documented_and_every_flag_of_the_documents_exists() {
    let world = World::new();
    let helps = helps(&world);
    let commands: BTreeSet<&str> = helps.iter().map(|(name, _)| name.as_str()).collect();
    let rows = Page::at("docs/reference/commands.md").rows();
    let documented: BTreeSet<&str> =
        rows.iter().map(|row| row[0].trim_start_matches('`').split([' ', '`']).next().unwrap()).collect();
    assert_eq!(documented, commands);
    let flag = Regex::new(r"(?:^|[^-\w])(--[a-z][a-z-]*)").unwrap();
    // Other programs have flags of their own: in commands, in code, and in what they print.
    let foreign = Regex::new(
        r"(?m)^(?:\$ )?(?:git|cargo|sed|diff|kubectl|gh|flux|helm|cosign|gpg|curl) .*$|`(?:gh|git|kubectl|docker|curl|cargo|flux|helm|cosign|gpg|az) [^`]*`|--- a/",
    )
    .unwrap();
    for page in Page::all() {
        let text = page.blocks("diff").iter().fold(page.text.to_owned(), |text, diff| text.replace(diff, ""));
        for (_, [name]) in flag.captures_iter(&foreign.replace_all(&text, "")).map(|found| found.extract()) {
            let known = |help: &str| Regex::new(&format!(r"{name}(?:[^a-z-]|$)")).unwrap().is_match(help);
            let exists = helps.iter().any(|(_, help)| known(help));
            assert!(exists, "{name} is in {} and in no help", page.path);
        }
    }
    for row in &rows {
        let command = row[0].trim_start_matches('`').split([' ', '`']).next().unwrap();
        let (_, help) = helps.iter().find(|(name, _)| name == command).unwrap();
        for (_, [name]) in flag.captures_iter(row[0]).map(|found| found.extract()) {
            assert!(help.contains(name), "{name} is not in the help of {command}");
        }
    }
}

#[test]
fn every_exit_code_is_shown() {
    let world = World::new();
    world.write("app.yaml", "a: x # {\"$imagepolicy\": \"default:app\"}\n");
    let run = |arguments: &[&str]| world.run(arguments).code;
    let codes = Page::at("docs/reference/exit-codes.md").rows().into_iter().map(|row| row[0]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let shown = [
        (0, run(&["select", "--semver=1.x", "1.0.0"])),
        (2, run(&["set", ".", "--image=other:app=app:2"])),
        (1, run(&["select", "--semver=1.x", "2.0.0"])),
        (1, world.feed("Fix\n", ["skip", "--message-file=-"]).code),
        (1, run(&["select", "--semver=1.x", &format!("--image={nobody}/a/b")])),
        (2, run(&["select"])),
        (2, run(&["run", "--once", "--config=nowhere"])),
        (3, run(&["set", ".", "--image=default:app=app:2", "--check"])),
        // Nothing that a user does leads there.
        (70, i32::from(tagwright::run::Kind::Internal.exit_code())),
    ];
    for (expected, found) in shown {
        assert_eq!(found, expected);
    }
    let documented: BTreeSet<i32> = codes.map(|code| code.parse().unwrap()).collect();
    assert_eq!(documented, shown.iter().map(|(code, _)| *code).collect());
}

#[test]
fn every_finding_has_its_row() {
    let page = Page::at("docs/reference/findings.md").below("## Every finding");
    let documented: Vec<String> = page.rows().iter().map(|row| row[0].to_owned()).collect();
    let known = Code::ALL.map(|code| format!("**{code}** {}", code.severity().as_str()));
    assert_eq!(documented, known);
}

/// Writes a file, sets `default:app` to `app:2`, and returns the run and the file.
fn set(before: &str) -> (Run, String) {
    let world = World::new();
    world.write("dir/file.yaml", before);
    let run = world.run(["set", "dir", "--image=default:app=app:2"]);
    let after = world.read("dir/file.yaml");
    (run, after)
}

fn selects(policy: &[&str], tags: &[&str]) -> String {
    let world = World::new();
    world.run(["select"].iter().chain(policy).chain(["--"].iter()).chain(tags)).stdout.trim_end().to_owned()
}

const MARKER: &str = "# {\"$imagepolicy\": \"default:app\"}";

/// Where another test shows the difference.
const ELSEWHERE: [(&str, &str); 15] = [
    ("writes an older tag when the newer one is gone from the registry", "tests/runs/guards.rs"),
    ("writes again what a person reverted", "tests/runs/guards.rs"),
    ("each automation clones the repository anew at every interval", "tests/runs/memory.rs"),
    ("one bad policy or reference stops all automations of the namespace", "run::edges"),
    ("writes through symbolic links, and into `.git`", "set::links_and_git_s_folder_are_left_alone"),
    ("looks the digest for `Always` up when the list of tags changed, and every `interval`", "tests/bot/digests.rs"),
    ("no reference given means `master`", "run::pushes::without_a_reference_it_is_the_remote_s_default_branch"),
    ("a lost push race waits for the next interval", "tests/servers/push.rs"),
    ("a refspec whose destination is up to date fails the run", "run::pushes::a_refspec_is_a_second_destination"),
    ("digest look-ups ignore `insecure`", "tests/registry/digests.rs"),
    ("a Docker Hub login must be named `index.docker.io`", "tests/registry/logins.rs"),
    (
        "in a cluster, may do anything with all objects of Flux, and lists and watches every Secret",
        "tests/deploy/rights.rs",
    ),
    (
        "in a cluster, writes the status up to six times in a pass, and an Event at each pass that changes nothing",
        "tests/cluster/objects.rs",
    ),
    ("in a cluster, a run of an automation that is skipped leaves an earlier failure", "fixtures/flux/automation"),
    ("one Secret for both `secretRef` and `certSecretRef` fails", "fixtures/config/good"),
];

#[test]
fn every_difference_from_flux_is_true() {
    for row in Page::at("docs/explanation/flux.md").rows() {
        match row[0] {
            "writes the whole file anew" => {
                let odd = format!("# first\n\na:   [ 1,2 ]\nb:    x   {MARKER}\n\n\n- bad: [");
                assert_eq!(set(&odd).1, odd, "a broken document stays as it is");
                let odd = format!("---\n# first\n\na:   [ 1,2 ]\nb:    x   {MARKER}\n\n");
                assert_eq!(set(&odd).1, odd.replace("x ", "app:2 "));
            }
            "one tag that is no number fails a numerical policy" => {
                assert_eq!(selects(&["--numerical=asc"], &["1", "latest", "2"]), "2");
            }
            "compares numbers as 64-bit floats, so that long timestamps are equal" => {
                let tags = ["20240102030405678902", "20240102030405678901", "NaN"];
                assert_eq!(selects(&["--numerical=asc"], &tags), tags[0]);
            }
            "after a filter, ties are decided at random" => {
                let policy = ["--semver=*", "--filter-pattern=^[a-z]-(.*)", "--filter-extract=$1"];
                for tags in [["a-1.0.0", "b-v1.0.0"], ["b-v1.0.0", "a-1.0.0"]] {
                    assert_eq!(selects(&policy, &tags), "b-v1.0.0");
                }
            }
            "of tags with one extracted value the first in the order of bytes is written, over the one in use" => {
                let policy = ["--semver=*", "--filter-pattern=^([0-9.]+)-", "--filter-extract=$1"];
                assert_eq!(selects(&policy, &["1.0.0-aaa", "1.0.0-bbb"]), "1.0.0-bbb");
            }
            "an `extract` that names a group which the pattern lacks takes nothing for it" => {
                let policy = ["select", "--semver=*", "--filter-pattern=^(?P<v>.*)$", "--filter-extract=$v_"];
                World::new().run(policy.into_iter().chain(["1.0.0"])).refuses(2, "`$v_` names no group of the pattern");
            }
            "`:digest` without a digest writes `\"\"`" => {
                let before = "a: x # {\"$imagepolicy\": \"default:app:digest\"}\n";
                let (run, after) = set(before);
                assert!(after == before && run.stderr.contains("TW009"), "{run:?}");
            }
            "a tag, name or image that is pinned to a digest, or a variable, is written over" => {
                let pinned = format!("a: app:1@sha256:{} {MARKER}\n", "0".repeat(64));
                for (before, code) in [(pinned, "TW025"), (format!("a: app:${{TAG}} {MARKER}\n"), "TW024")] {
                    let (run, after) = set(&before);
                    assert!(after == before && run.stderr.contains(code), "{run:?}");
                }
                assert_eq!(set(&format!("a: app:${{TAG:-1}} {MARKER}\n")).1, format!("a: app:${{TAG:-2}} {MARKER}\n"));
            }
            "`tag: 1.0` becomes `tag: !!float 1.2.3`" => {
                assert_eq!(set(&format!("image: 1.0 {MARKER}\n")).1, format!("image: app:2 {MARKER}\n"));
            }
            "a file with one broken document, a root sequence or `{a: b} # {…}` is skipped silently" => {
                for (before, new) in [
                    (format!("a: [\n---\nb: x {MARKER}\n"), "app:2"),
                    (format!("- x {MARKER}\n"), "app:2"),
                    (format!("{{a: x}} {MARKER}\n"), "'app:2'"),
                ] {
                    assert_eq!(set(&before).1, before.replace('x', new));
                }
                assert!(set(&format!("a: [ {MARKER}\n---\nb: 1\n")).0.stderr.contains("TW005"));
            }
            "`kind: List` is split into new files" => {
                let list = format!("apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  image: x {MARKER}\n");
                assert_eq!(set(&list).1, list.replace("x #", "app:2 #"));
            }
            "`.Updated` in a template is an error" => {
                let world = World::new();
                world.write("template", "{{ range .Updated.Images }}{{ . }}{{ end }}");
                let changes = json!({"images": [{"policy": "a:b", "image": "app:2"}],
                                     "changes": [{"file": "app.yaml", "old": "app:1", "new": "app:2", "policy": "a:b"}]});
                let run = world.feed(&changes.to_string(), ["message", "--template=template", "--changes=-"]);
                run.prints(0, "app:2");
            }
            other => assert!(ELSEWHERE.iter().any(|(row, _)| *row == other), "no test shows: {other}"),
        }
    }
}
