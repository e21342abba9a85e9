//! What README promises is what happens: its commands, outputs, JSON, flags, findings and differences.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};
use tagwright_core::change::Code;

use crate::registry::World as Listed;
use crate::remote::Remote;
use crate::site::{Live, SHOP, Site, native};
use crate::world::{Run, World};

const README: &str = include_str!("../../README.md");
const PODINFO: &str = include_str!("../../fixtures/cli/readme/podinfo.yaml");

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    fenced(README, language)
}

fn fenced(text: &'static str, language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split_once("\n```").unwrap().0).collect()
}

/// The fenced blocks of a language from a heading to the next one of the same level.
fn blocks_below(heading: &str, language: &str) -> Vec<&'static str> {
    let (_, rest) = README.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let level = heading.split(' ').next().unwrap();
    fenced(rest.split(&format!("\n{level} ")).next().unwrap(), language)
}

/// The rows of the next table below a text, as cells.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = README.split_once(heading).unwrap_or_else(|| panic!("no heading {heading}"));
    let table = rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    // A bar within a cell is escaped.
    let cells = |line: &'static str| {
        let bar = Regex::new(r"(?:^|[^\\])\|").unwrap();
        bar.split(line).map(str::trim).filter(|cell| !cell.is_empty()).collect()
    };
    table.skip(2).map(cells).collect()
}

/// A command of a console block, and what README says it prints.
struct Step {
    command: String,
    prints: String,
}

fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), prints: String::new() });
            continue;
        }
        let step = steps.last_mut().unwrap();
        if step.command.ends_with(['|', '\\']) {
            step.command.push('\n');
            step.command.push_str(line);
        } else {
            step.prints.push_str(line);
            step.prints.push('\n');
        }
    }
    steps
}

#[test]
fn five_minutes_are_as_written() {
    let world = World::new();
    let registry = Live::start(Listed::with("stefanprodan/podinfo", ["6.5.4", "6.7.0", "7.0.0-beta.1"]));
    let unmarked = PODINFO.replace(" # {\"$imagepolicy\": \"default:podinfo\"}", "");
    let remote = Remote::with(&[("clusters/prod/podinfo.yaml", &unmarked)]);
    let config = format!(
        "[url \"{}\"]\n\tinsteadOf = https://git.example.com/acme/config.git\n[user]\n\tname = Ada\n\temail = ada@example.com\n",
        remote.path()
    );
    world.write("home/.gitconfig", config);
    // README's names lead here; apart from the mirror, commands run as they are written.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in run*|mark*|*--image*) set -- \"$@\" --registry-mirror=ghcr.io={} ;; esac\nexec '{}' \"$@\"\n",
        registry.url(),
        env!("CARGO_BIN_EXE_tagwright")
    );
    let shim = world.write("bin/tagwright", script);
    std::fs::set_permissions(&shim, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());

    let hash = Regex::new("pushed [0-9a-f]{7} ").unwrap();
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let masked = |text: &str| trimmed(&hash.replace_all(text, "pushed SHORT "));
    let mut exported = String::new();
    for step in blocks_below("## Five minutes", "console").into_iter().flat_map(steps) {
        if step.command.starts_with("export ") {
            exported = step.command;
            continue;
        }
        let before = remote.at("main");
        let mut bash = world.program("bash");
        bash.env("PATH", &path).args(["-c", &format!("{exported}\n{}", step.command)]);
        let run = world.finish(&mut bash, b"");
        if step.command.contains("--dry-run") {
            assert_eq!((run.code, before == remote.at("main")), (3, true), "{run:?}");
            assert_eq!(trimmed(run.stdout.trim_end()), trimmed(blocks("diff")[0]), "the diff on top of README");
            continue;
        }
        assert_eq!(run.code, 0, "{}: {run:?}", step.command);
        // Where the result is a diff or a file, README shows what is said about it.
        let talks = step.command.starts_with("tagwright mark") || step.command.starts_with("tagwright check");
        let said = if talks { &run.stderr } else { &run.stdout };
        if !(talks && step.prints.is_empty()) {
            assert_eq!(masked(said), masked(&step.prints), "{}: {run:?}", step.command);
        }
    }
    let native = blocks_below("## Five minutes", "yaml").into_iter().find(|block| block.contains("kind: ")).unwrap();
    assert_eq!(world.read("policies/podinfo.yaml").trim_end(), native);
    assert_eq!(remote.show("main:clusters/prod/podinfo.yaml"), PODINFO.replace("6.5.4", "6.7.0"));
}

#[test]
fn the_two_commands_are_there() {
    let block = blocks("sh")[0];
    assert!(block.contains("cargo run --release -- demo") && block.contains("tests/run "), "{block}");
    let script = std::fs::metadata(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run")).unwrap();
    assert_ne!(std::os::unix::fs::PermissionsExt::mode(&script.permissions()) & 0o111, 0);
}

#[test]
fn yaml_is_yaml() {
    for block in blocks("yaml") {
        yaml_rust2::YamlLoader::load_from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"));
    }
    let world = World::new();
    world.write("marked.yaml", blocks("yaml")[0]);
    let run = world.run(["set", "marked.yaml", "--image=default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1), "{run:?}");
}

/// The JSON documents of a block with comments.
fn documents(block: &str) -> Vec<Value> {
    let comments = Regex::new(r"(?m)^//.*$|/\*.*?\*/").unwrap();
    let text = comments.replace_all(block, "");
    serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect()
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

#[test]
fn json_is_as_printed_and_as_read() {
    let world = World::new();
    let [printed, read] = blocks("jsonc")[..] else { panic!("two blocks") };
    // Those of `explain` are held by its own tests.
    let documented = documents(printed);
    let with = |member: &str| documented.iter().find(|document| document.get(member).is_some()).unwrap();
    let (select, set, check, run) = (with("rejected"), with("changes"), with("findings"), with("automations"));
    let found = world.run(["select", "--semver=1.x", "--output=json", "latest", "1.5.0", "1.4.1"]);
    assert_eq!(&found.json(), select);
    let app = "a: x # {\"$imagepolicy\": \"default:app\"}\nb: x # {\"$imagepolicy\": \"default:ap\"}\n";
    world.write("app.yaml", app);
    let found = world.run(["set", "app.yaml", "--image=default:app=app:2", "--check", "--output=json"]);
    assert_eq!(shape(&found.json()), shape(set));
    world.write("bad.yaml", "a: x # {\"$imagepolicy\": \"default:app:tags\"}\n");
    let found = world.run(["check", "bad.yaml", "--output=json"]);
    assert_eq!((found.code, shape(&found.json())), (3, shape(check)));

    // A field that would go backwards, a marker of nobody's, and a tag that is too young.
    let file = SHOP.replace("1.0.0", "1.9.0") + "# {\"$imagepolicy\": \"default:ap\"}\n";
    let site = Site::new(&["1.0.0", "1.1.0"], &file);
    site.configure("shop.yaml", &native("shop", "app", "", ""));
    site.configure("young.yaml", &native("young", "young", "", "minimumAge: 72h"));
    let found = site.run(&["--output=json"]);
    assert!(shape(run).is_subset(&shape(&found.json())), "{found:?}");
    let members = |value: &Value| value["automations"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&found.json()), members(run));

    let [images, changes] = &documents(read)[..] else { panic!("two documents") };
    assert_eq!(world.feed(&images.to_string(), ["set", "app.yaml", "--images=-"]).code, 0);
    let found = world.feed(&changes.to_string(), ["message", "--changes=-"]);
    found.prints(0, "Update from image update automation");
}

/// The help of every command, by name.
fn helps(world: &World) -> Vec<(String, String)> {
    let top = world.run(["--help"]).stdout;
    let (_, commands) = top.split_once("Commands:\n").unwrap();
    let names = commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    let names: Vec<String> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    names.into_iter().map(|name| (name.clone(), world.run([name.as_str(), "--help"]).stdout)).collect()
}

#[test]
fn every_command_is_in_readme_and_every_flag_of_readme_exists() {
    let world = World::new();
    let helps = helps(&world);
    let commands: BTreeSet<&str> = helps.iter().map(|(name, _)| name.as_str()).collect();
    let rows = rows("\n## Commands\n");
    let documented: BTreeSet<&str> =
        rows.iter().map(|row| row[0].trim_start_matches('`').split([' ', '`']).next().unwrap()).collect();
    assert_eq!(documented, commands);
    let flag = Regex::new(r"(?:^|[^-\w])(--[a-z][a-z-]*)").unwrap();
    for (_, [name]) in flag.captures_iter(&README.replace(blocks("diff")[0], "")).map(|found| found.extract()) {
        let known = |help: &str| Regex::new(&format!(r"{name}(?:[^a-z-]|$)")).unwrap().is_match(help);
        // Those of cargo, curl, docker and kubectl.
        let foreign = ["--release", "--unix-socket", "--volume", "--kustomize", "--namespace"];
        let exists = foreign.contains(&name) || helps.iter().any(|(_, help)| known(help));
        assert!(exists, "{name} is in README and in no help");
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
    let codes = rows("| a completion script |\n").into_iter().map(|row| row[0]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let shown = [
        (0, run(&["select", "--semver=1.x", "1.0.0"])),
        (0, run(&["set", ".", "--image=other:app=app:2"])),
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
    let documented: Vec<String> =
        rows("Codes never change their meaning.\n").iter().map(|row| row[0].to_owned()).collect();
    let known = Code::ALL.map(|code| format!("**{code}** {}", code.severity().as_str()));
    assert_eq!(documented, known);
}

#[test]
fn explain_is_as_written() {
    let world = World::new();
    let tags =
        ["sha256-0a1b.sig", "sha256-1f2e.sig", "latest", "7.0.0", "5.2.1", "6.8.0-rc.1", "6.7.0", "6.6.3", "6.5.4"];
    let registry = Live::start(Listed::with("stefanprodan/podinfo", tags));
    let remote = Remote::with(&[("clusters/prod/podinfo.yaml", PODINFO)]);
    let config = format!("[url \"{}\"]\n\tinsteadOf = https://git.example.com/acme/config.git\n", remote.path());
    world.write("home/.gitconfig", config);
    let native = "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {name: podinfo}\nspec:\n  git: \
                  {url: https://git.example.com/acme/config.git, branch: main, paths: [clusters/prod]}\n  images:\n  - \
                  {name: podinfo, image: ghcr.io/stefanprodan/podinfo, policy: {semver: {range: 6.x}}}\n";
    world.write("policies/podinfo.yaml", native);
    let mirror = format!("--registry-mirror=ghcr.io={}", registry.url());
    for step in blocks_below("### Explain", "console").into_iter().flat_map(steps) {
        let arguments = step.command.split(' ').skip(1).chain([mirror.as_str()]);
        let run = world.run(arguments);
        assert_eq!(run.stdout.trim_end(), step.prints.trim_end(), "{}: {run:?}", step.command);
    }
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
const ELSEWHERE: [(&str, &str); 12] = [
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
    ("one Secret for both `secretRef` and `certSecretRef` fails", "fixtures/config/good"),
];

#[test]
fn every_difference_from_flux_is_true() {
    for row in rows("\n## Differences from Flux\n") {
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
                                     "changes": [{"old": "app:1", "new": "app:2", "policy": "a:b"}]});
                let run = world.feed(&changes.to_string(), ["message", "--template=template", "--changes=-"]);
                run.prints(0, "app:2");
            }
            other => assert!(ELSEWHERE.iter().any(|(row, _)| *row == other), "no test shows: {other}"),
        }
    }
}
