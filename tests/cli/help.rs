//! Help, version, completions, usage errors, and what holds for every command.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::world::World;

/// The commands, as the help names them.
pub(crate) fn commands(world: &World) -> Vec<String> {
    let help = world.run(["--help"]).stdout;
    let (_, groups) = help.split_once("\n\n").unwrap();
    let row = regex::Regex::new(r"(?m)^  ([a-z]+) +[A-Z]").unwrap();
    row.captures_iter(groups).map(|found| found[1].to_owned()).filter(|name| name != "help").collect()
}

/// One file for each command; `UPDATE_FIXTURES=1` writes them anew.
#[test]
fn help_of_every_command() {
    let world = World::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cli/help");
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let commands = commands(&world);
    let mut wrong = Vec::new();
    for command in [None].into_iter().chain(commands.iter().map(Some)) {
        let run = world.run(command.into_iter().map(String::as_str).chain(["--help"]));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{command:?}");
        let path = folder.join(command.map_or("tagwright", String::as_str)).with_extension("txt");
        let shown: String = run.stdout.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        if update {
            std::fs::write(&path, &shown).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != shown {
            wrong.push(format!("{}:\n{shown}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, commands.len() + 1, "a file for each command, and none more");
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let world = World::new();
    let mut command = world.tagwright(["run", "--help"]);
    for name in ["TAGWRIGHT_CONFIG", "TAGWRIGHT_SECRETS", "TAGWRIGHT_DATA_DIR"] {
        command.env(name, "planted");
    }
    assert!(!world.finish(&mut command, b"").stdout.contains("planted"));
}

#[test]
fn the_version_is_that_of_the_package() {
    let world = World::new();
    world.run(["--version"]).prints(0, concat!("tagwright ", env!("CARGO_PKG_VERSION"), "\n"));
    world.run(["version"]).prints(0, concat!("tagwright ", env!("CARGO_PKG_VERSION"), "\n"));
    let run = world.run(["version", "--output=json"]);
    assert_eq!(run.json(), serde_json::json!({"version": env!("CARGO_PKG_VERSION")}));
}

#[test]
fn completions_are_what_the_shells_take() {
    let world = World::new();
    for (shell, has) in
        [("bash", "complete -F _tagwright"), ("zsh", "#compdef tagwright"), ("fish", "complete -c tagwright")]
    {
        let run = world.run(["completions", shell]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert!(run.stdout.contains(has) && run.stdout.contains("registry-mirror"), "{shell}");
        world.write(&format!("tagwright.{shell}"), &run.stdout);
    }
    let check = world.finish(world.program("bash").args(["-n", "tagwright.bash"]), b"");
    assert_eq!((check.code, check.stderr.as_str()), (0, ""));
    world.run(["completions", "tcsh"]).refuses(2, "possible values: bash, elvish, fish, powershell, zsh");
}

#[test]
fn every_command_has_a_manual_page() {
    let world = World::new();
    let page = world.run(["man"]);
    assert_eq!((page.code, page.stderr.as_str()), (0, ""));
    assert!(page.stdout.contains(".TH tagwright 1"), "{page:?}");
    world.run(["man", "--dir=man/man1"]).prints(0, "");
    assert_eq!(world.read("man/man1/tagwright.1"), page.stdout);
    for command in commands(&world) {
        let page = world.read(&format!("man/man1/tagwright-{command}.1"));
        assert!(page.contains(&format!("tagwright {command} ")) && page.contains("Examples:"), "{page}");
    }
    world.write("file", "");
    world.run(["man", "--dir=file/man1"]).refuses(2, "cannot make the folder file/man1");
}

#[test]
fn wrong_usage_is_exit_code_2_and_said_on_stderr() {
    let world = World::new();
    for (arguments, says) in [
        (&[][..], "Usage: tagwright"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["run", "--dry-run"], "--once"),
        (&["run", "--once", "--dryrun"], "--dry-run"),
        (&["set"], "<DIRECTORY>"),
        (&["set", ".", "--output", "yaml"], "possible values: text, json"),
        (&["set", ".", "--diff", "--output", "json"], "cannot be used with"),
        (&["skip", "HEAD", "--message-file", "x"], "cannot be used with"),
        (&["--log-format", "xml", "demo"], "possible values: text, json"),
    ] {
        world.run(arguments).refuses(2, says);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::new();
    let tags: String = (0..200_000).map(|n| format!("1.0.{n}\n")).collect();
    world.write("tags", tags);
    let mut child = world
        .tagwright(["select", "--list", "--semver=1.x"])
        .stdin(std::fs::File::open(world.path("tags")).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 11];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"1.0.199999\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_full_disk_is_a_failure() {
    let world = World::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = world.tagwright(["select", "--semver=1.x", "1.0.0"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output"));
}

#[test]
fn a_closed_stderr_is_nobody_s_problem() {
    let world = World::new();
    let binary = env!("CARGO_BIN_EXE_tagwright");
    let mut shell: Command = world.program("bash");
    shell.args(["-c", &format!("'{binary}' select --semver=1.x latest 2>&-")]);
    assert_eq!(world.finish(&mut shell, b"").code, 1);
}
