//! Help, version, completions, usage errors, and what holds for every command.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::world::World;

#[test]
fn help_of_every_command() {
    let world = World::new();
    insta::assert_snapshot!(world.run(["--help"]).text(), @"
exit 0
-- stdout
Polls container registries, picks one tag per policy, and commits it to the marked fields of a Git
repository

Usage: tagwright [OPTIONS] <COMMAND>

Commands:
  run          Poll, plan, commit and push, once or as a bot
  select       Try a policy: print the tag it selects
  explain      Tell why a policy selects what it selects, and what becomes of its fields
  set          Rewrite the marked fields of a directory; no registry, no Git
  check        Check the configuration and the markers of a repository
  mark         Put markers on images and write the policies for them
  message      Render a commit message
  skip         Tell whether a commit is the bot's own (exit 0) or not (exit 1)
  status       Show what a bot selects, does and waits for
  history      Show what was committed, held back and failed
  poll         Let a running bot look at once
  hold         Keep the fields of a policy as they are
  release      End the hold of a policy, also one for a revert
  suspend      Let an automation do nothing
  resume       Let an automation work again
  demo         Do the whole job on an embedded registry and Git remote
  completions  Print a shell's completion script
  help         Print this message or the help of the given subcommand(s)

Options:
  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["run", "--help"]).text(), @"
exit 0
-- stdout
Poll, plan, commit and push, once or as a bot

Usage: tagwright run [OPTIONS]

Options:
      --once
          Run every automation once, then exit

      --dry-run
          Change nothing: print the unified diff, exit with 3 when there would be a commit

      --config <PATH>
          Configuration: a file or a folder; may be repeated
          
          [env: TAGWRIGHT_CONFIG]
          [default: policies]

      --secrets <DIR>
          Folder with secrets as files: NAMESPACE/NAME/KEY
          
          [env: TAGWRIGHT_SECRETS]

      --data-dir <DIR>
          Folder for what is kept for the next run: mirrors, state [default:
          $XDG_STATE_HOME/tagwright or ~/.local/state/tagwright; with --once a temporary folder]
          
          [env: TAGWRIGHT_DATA_DIR]

      --registry-mirror <HOST=URL>
          Ask the mirror at URL in place of the registry HOST; may be repeated

      --output <FORMAT>
          What to print on stdout

          Possible values:
          - text: Text for people
          - json: One JSON document
          
          [default: text]

      --grace <SECONDS>
          Seconds that runs under way get to finish when the bot is told to stop
          
          [default: 30]

      --listen <ADDRESS>
          Answer questions over HTTP here, such as :8080 or 127.0.0.1:8080: /livez, /readyz,
          /api/v1/status, /api/v1/history; to everyone who can reach it

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["select", "--help"]).text(), @r#"
exit 0
-- stdout
Try a policy: print the tag it selects

Usage: tagwright select [OPTIONS] <--semver <RANGE>|--numerical <asc|desc>|--alphabetical <asc|desc>> [TAGS]...

Arguments:
  [TAGS]...
          The tags; none reads stdin, one a line

Options:
      --semver <RANGE>
          The highest version in this range, such as ^1.4 or ">=1.0.0-0 <2"

      --numerical <asc|desc>
          The greatest (asc) or smallest (desc) number

      --alphabetical <asc|desc>
          The last (asc) or first (desc) in the order of bytes

      --filter-pattern <PATTERN>
          Only tags that match this pattern (Go's dialect, matches anywhere in the tag)

      --filter-extract <TEMPLATE>
          What to order by instead of the tag, such as $1, or $ts for a group named ts

      --list
          Print all tags the policy can order, best first, one a line

      --explain
          Print what became of every tag

      --image <REPOSITORY>
          Take the tags of this image repository from its registry

      --exclude <PATTERN>
          With --image: drop tags that match; may be repeated [default: ^.*\.sig$]

      --insecure
          With --image: allow plain HTTP

      --registry-mirror <HOST=URL>
          With --image: ask this mirror in place of a registry; may be repeated

      --output <FORMAT>
          What to print on stdout

          Possible values:
          - text: Text for people
          - json: One JSON document
          
          [default: text]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
"#);
    insta::assert_snapshot!(world.run(["explain", "--help"]).text(), @"
exit 0
-- stdout
Tell why a policy selects what it selects, and what becomes of its fields

Usage: tagwright explain [OPTIONS] <NS:NAME> [DIR]

Arguments:
  <NS:NAME>
          The policy, as markers name it

  [DIR]
          A checkout of the repository: tell what becomes of the fields in it

Options:
      --remote
          Tell what becomes of the fields in the remotes of the policy's automations; nothing is
          pushed

      --config <PATH>
          Configuration: a file or a folder; may be repeated
          
          [env: TAGWRIGHT_CONFIG]
          [default: policies]

      --secrets <DIR>
          Folder with secrets as files: NAMESPACE/NAME/KEY
          
          [env: TAGWRIGHT_SECRETS]

      --data-dir <DIR>
          Data folder of a bot: its Git mirrors, what it knows of tags, what is held by hand
          [default: a temporary folder]
          
          [env: TAGWRIGHT_DATA_DIR]

      --image <REPOSITORY>
          Take the tags of this image repository in place of the policy's own

      --tags <FILE>
          Take the tags from this file, one a line; `-` reads stdin

      --tag <TAG>
          Tell in one sentence what becomes of this tag

      --all
          Show every tag

      --registry-mirror <HOST=URL>
          Ask the mirror at URL in place of the registry HOST; may be repeated

      --output <FORMAT>
          What to print on stdout

          Possible values:
          - text: Text for people
          - json: One JSON document
          
          [default: text]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["set", "--help"]).text(), @r#"
exit 0
-- stdout
Rewrite the marked fields of a directory; no registry, no Git

Usage: tagwright set [OPTIONS] <DIRECTORY>

Arguments:
  <DIRECTORY>
          The directory, or one file

Options:
      --image <NS:NAME=REF>
          What a policy selects, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0; may be
          repeated

      --images <FILE.json>
          File with selections: [{"namespace", "name", "image", "tag", "digest"}]; `-` reads stdin

      --embedded
          Edit YAML in block scalars, too, such as the `values.yaml: |` of a ConfigMap

      --check
          Write nothing; exit with 3 when something would change

      --diff
          Write nothing; print the unified diff

      --output <FORMAT>
          What to print on stdout

          Possible values:
          - text: Text for people
          - json: One JSON document
          
          [default: text]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
"#);
    insta::assert_snapshot!(world.run(["mark", "--help"]).text(), @"
exit 0
-- stdout
Put markers on images and write the policies for them

Usage: tagwright mark [OPTIONS] <DIRECTORY>

Arguments:
  <DIRECTORY>
          The directory, or one file

Options:
      --write
          Write the markers, and the policies to --config or stdout

      --config <FILE.yaml>
          Where the policies go; a file that is there is added to

      --flux
          Write Flux's objects in place of one ImageAutomation

      --secrets <DIR>
          Folder with secrets that --config names, as files: NAMESPACE/NAME/KEY

      --namespace <NAMESPACE>
          The namespace of the policies
          
          [default: default]

      --name <NAME>
          The name of the automation [default: the last part of the Git URL]

      --git-url <URL>
          The Git remote that the policies are for [default: the remote of the directory's checkout]

      --branch <BRANCH>
          Its branch [default: the one checked out]

      --track-digests
          Mark images whose tags have no order, too: keep the tag, and follow the digest behind it

      --interactive
          Ask for every policy: accept, skip, or change it

      --offline
          Ask no registry what the policies would select

      --insecure
          Allow plain HTTP to registries

      --registry-mirror <HOST=URL>
          Ask the mirror at URL in place of the registry HOST; may be repeated

      --output <FORMAT>
          What to print on stdout

          Possible values:
          - text: Text for people
          - json: One JSON document
          
          [default: text]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["message", "--help"]).text(), @r#"
exit 0
-- stdout
Render a commit message

Usage: tagwright message [OPTIONS] --changes <FILE.json>

Options:
      --template <FILE>
          File with the template; `-` reads stdin [default: the default message]

      --changes <FILE.json>
          File with the changes: {"automation": {"namespace", "name"}, "values": {…}, "images":
          [{"policy", "image"}], "changes": […]}

      --trailers
          End the message with the trailers that name the automation and its policies

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
"#);
    insta::assert_snapshot!(world.run(["skip", "--help"]).text(), @"
exit 0
-- stdout
Tell whether a commit is the bot's own (exit 0) or not (exit 1)

Usage: tagwright skip [OPTIONS] [REVISION]

Arguments:
  [REVISION]
          The commit, in the checkout of the current directory
          
          [default: HEAD]

Options:
      --message-file <FILE>
          Look at the message in this file; `-` reads stdin

      --prefix <TEXT>
          A message that starts like this is the bot's, too; may be repeated

      --author <NAME|EMAIL>
          An author with this name or mail address is the bot, too; may be repeated

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["status", "--help"]).text(), @"
exit 0
-- stdout
Show what a bot selects, does and waits for

Usage: tagwright status [OPTIONS] [NAME]...

Arguments:
  [NAME]...
          Policies (NS:NAME) and automations (NS/NAME) to show; none shows all

Options:
      --data-dir <DIR>
          Data folder of the bot [default: the folder for state of the user]
          
          [env: TAGWRIGHT_DATA_DIR]

      --url <URL>
          Ask the bot that listens here, such as http://127.0.0.1:8080, in place of one of this
          machine

      --output <FORMAT>
          What to print on stdout

          Possible values:
          - text: Text for people
          - json: One JSON document
          
          [default: text]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["history", "--help"]).text(), @"
exit 0
-- stdout
Show what was committed, held back and failed

Usage: tagwright history [OPTIONS]

Options:
      --policy <NS:NAME>
          Only what concerns this policy

      --automation <NS/NAME>
          Only what concerns this automation

      --since <T>
          Only what is not older: a duration (24h, 7d), a day or a time (RFC 3339)

      --limit <N>
          At most so many entries
          
          [default: 100]

      --data-dir <DIR>
          Data folder of the bot [default: the folder for state of the user]
          
          [env: TAGWRIGHT_DATA_DIR]

      --url <URL>
          Ask the bot that listens here, such as http://127.0.0.1:8080, in place of one of this
          machine

      --config <PATH>
          Rebuild it from the Git remotes of this configuration, a file or a folder; may be repeated
          [default where no bot has left a history: policies]

      --secrets <DIR>
          Folder with secrets as files: NAMESPACE/NAME/KEY
          
          [env: TAGWRIGHT_SECRETS]

      --output <FORMAT>
          What to print on stdout

          Possible values:
          - text: Text for people
          - json: One JSON document
          
          [default: text]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["poll", "--help"]).text(), @"
exit 0
-- stdout
Let a running bot look at once

Usage: tagwright poll [OPTIONS] [NS:NAME]

Arguments:
  [NS:NAME]
          The policy whose image repository is polled; none polls everything

Options:
      --data-dir <DIR>
          Data folder of the bot [default: the folder for state of the user]
          
          [env: TAGWRIGHT_DATA_DIR]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["hold", "--help"]).text(), @"
exit 0
-- stdout
Keep the fields of a policy as they are

Usage: tagwright hold [OPTIONS] <NS:NAME>

Arguments:
  <NS:NAME>
          Policy (NS:NAME) or automation (NS/NAME); a name alone is in the namespace default

Options:
      --data-dir <DIR>
          Data folder of the bot [default: the folder for state of the user]
          
          [env: TAGWRIGHT_DATA_DIR]

      --reason <TEXT>
          Why, for those who will ask

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["release", "--help"]).text(), @"
exit 0
-- stdout
End the hold of a policy, also one for a revert

Usage: tagwright release [OPTIONS] <NS:NAME>

Arguments:
  <NS:NAME>
          Policy (NS:NAME) or automation (NS/NAME); a name alone is in the namespace default

Options:
      --data-dir <DIR>
          Data folder of the bot [default: the folder for state of the user]
          
          [env: TAGWRIGHT_DATA_DIR]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["suspend", "--help"]).text(), @"
exit 0
-- stdout
Let an automation do nothing

Usage: tagwright suspend [OPTIONS] <NS:NAME>

Arguments:
  <NS:NAME>
          Policy (NS:NAME) or automation (NS/NAME); a name alone is in the namespace default

Options:
      --data-dir <DIR>
          Data folder of the bot [default: the folder for state of the user]
          
          [env: TAGWRIGHT_DATA_DIR]

      --reason <TEXT>
          Why, for those who will ask

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["resume", "--help"]).text(), @"
exit 0
-- stdout
Let an automation work again

Usage: tagwright resume [OPTIONS] <NS:NAME>

Arguments:
  <NS:NAME>
          Policy (NS:NAME) or automation (NS/NAME); a name alone is in the namespace default

Options:
      --data-dir <DIR>
          Data folder of the bot [default: the folder for state of the user]
          
          [env: TAGWRIGHT_DATA_DIR]

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["demo", "--help"]).text(), @"
exit 0
-- stdout
Do the whole job on an embedded registry and Git remote

Usage: tagwright demo [OPTIONS]

Options:
      --keep <DIR>
          Leave everything in this new or empty directory to explore

  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
    insta::assert_snapshot!(world.run(["completions", "--help"]).text(), @"
exit 0
-- stdout
Print a shell's completion script

Usage: tagwright completions [OPTIONS] <SHELL>

Arguments:
  <SHELL>
          The shell
          
          [possible values: bash, elvish, fish, powershell, zsh]

Options:
  -h, --help
          Print help (see a summary with '-h')

Logging:
  -v, --verbose...
          Show more on stderr: what changed (-v), decisions (-vv), everything (-vvv)

      --log-format <FORMAT>
          How log lines on stderr look

          Possible values:
          - text: Text for people
          - json: One JSON object a line
          
          [env: TAGWRIGHT_LOG_FORMAT]
          [default: text]
-- stderr
");
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
