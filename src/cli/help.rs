//! The command line as its help shows it: the commands in groups, by what they are for.

use clap::{Command, CommandFactory};

use super::Arguments;

/// The groups of the commands, in the order of a newcomer's questions.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Begin", &["demo", "mark", "import", "check", "doctor"]),
    ("Update", &["run", "set", "submit"]),
    ("Understand", &["select", "explain", "images", "mcp", "message"]),
    ("A running bot", &["status", "history", "poll", "hold", "release", "suspend", "resume", "freeze", "unfreeze"]),
    ("Other pipelines", &["skip"]),
    ("This program", &["version", "completions", "man", "schema", "crds", "help"]),
];

/// Text of our own stands where clap would list the commands, which it cannot group.
const TEMPLATE: (&str, &str) = ("{about}\n\n{usage-heading} {usage}\n\n", "{options}{after-help}");

/// What `help` says of itself in the list; clap adds the command only later.
const HELP: &str = "Show this, or the help of a command";

const EXAMPLES: &str = "\
Examples:
  tagwright demo
  tagwright mark . --config policies/app.yaml
  tagwright run --once --dry-run

`tagwright COMMAND --help` has the flags of a command, and examples.";

/// The whole command line.
pub(super) fn command() -> Command {
    let command = Arguments::command();
    let groups: String = GROUPS.iter().map(|(title, names)| group(&command, title, names)).collect();
    let heading = format!("{}Options:{:#}\n", command.get_styles().get_header(), command.get_styles().get_header());
    let template = format!("{}{groups}{heading}{}", TEMPLATE.0, TEMPLATE.1);
    command.help_template(template).after_help(EXAMPLES)
}

fn group(command: &Command, title: &str, names: &[&str]) -> String {
    let (header, literal) = (command.get_styles().get_header(), command.get_styles().get_literal());
    let width = GROUPS.iter().flat_map(|(_, names)| names.iter()).map(|name| name.len()).max().unwrap_or_default();
    let lines = names.iter().map(|name| {
        let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
        let about = about.unwrap_or_else(|| HELP.to_owned());
        format!("  {literal}{name}{literal:#}{}  {about}\n", " ".repeat(width - name.len()))
    });
    format!("{header}{title}:{header:#}\n{}\n", lines.collect::<String>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn each_command_is_in_one_group() {
        let command = command();
        let known: BTreeSet<&str> = command.get_subcommands().map(Command::get_name).chain(["help"]).collect();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), known);
        assert_eq!(grouped.len(), known.len());
    }

    /// The words of an example as a shell would have them; quotes are the only thing in them that it would look at.
    fn split(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (n, part) in line.split('\'').enumerate() {
            let mut pieces = if n % 2 == 1 { vec![part] } else { part.split(' ').collect() }.into_iter();
            words.last_mut().unwrap().push_str(pieces.next().unwrap());
            words.extend(pieces.map(str::to_owned));
        }
        words.into_iter().filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn every_command_has_examples_and_they_are_understood() {
        for it in command().get_subcommands() {
            let help = it.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")).collect();
            assert!(!examples.is_empty(), "{} has no example", it.get_name());
            for example in examples {
                let line =
                    example.rsplit(" | ").next().unwrap().rsplit(" -- ").next().unwrap().split(" > ").next().unwrap();
                let words = split(line);
                assert_eq!(words[..2], ["tagwright", it.get_name()], "{example}");
                let understood = command().try_get_matches_from(words);
                assert!(understood.is_ok(), "{example}: {}", understood.unwrap_err());
            }
        }
        assert!(command().try_get_matches_from(["tagwright", "demo"]).is_ok());
    }
}
