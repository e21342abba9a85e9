//! Who wants colours.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::sync::OnceLock;

use crate::snippet::Style;

pub(crate) use crate::snippet::levels;

/// What the user has said about colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Choice {
    // What is said of them stands with the flag: it is printed with every command.
    #[default]
    Auto,
    Always,
    Never,
}

static CHOICE: OnceLock<Choice> = OnceLock::new();

/// Keeps what the command line says about colours, once per process.
pub(crate) fn choose(choice: Choice) {
    let _ = CHOICE.set(choice);
}

/// Whether text for a stream has colours.
#[must_use]
pub(crate) fn style(stream: impl IsTerminal) -> Style {
    let choice = CHOICE.get().copied().unwrap_or_default();
    decide(choice, stream.is_terminal(), |name| std::env::var_os(name))
}

/// The command line decides, then `NO_COLOR` (<https://no-color.org>), then `CLICOLOR_FORCE` (<https://bixense.com/clicolors>), and
/// otherwise it is a matter of the terminal.
fn decide<V: AsRef<OsStr>>(choice: Choice, is_terminal: bool, variable: impl Fn(&str) -> Option<V>) -> Style {
    let is = |name: &str, wanted: fn(&OsStr) -> bool| variable(name).is_some_and(|value| wanted(value.as_ref()));
    let is_wanted = match choice {
        Choice::Always => true,
        Choice::Never => false,
        Choice::Auto if is("NO_COLOR", |value| !value.is_empty()) => false,
        Choice::Auto if is("CLICOLOR_FORCE", |value| !value.is_empty() && value != "0") => true,
        Choice::Auto if is("CLICOLOR", |value| value == "0") || is("TERM", |value| value == "dumb") => false,
        Choice::Auto => is_terminal,
    };
    if is_wanted { Style::Colored } else { Style::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(choice: Choice, is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        decide(choice, is_terminal, variable) == Style::Colored
    }

    #[test]
    fn the_command_line_decides_then_the_environment_then_the_terminal() {
        use Choice::{Always, Auto, Never};
        for is_terminal in [true, false] {
            assert_eq!(check(Auto, is_terminal, &[]), is_terminal);
            assert!(check(Always, is_terminal, &[("NO_COLOR", "1")]));
            assert!(!check(Never, is_terminal, &[("CLICOLOR_FORCE", "1")]));
            assert!(!check(Auto, is_terminal, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
            assert!(check(Auto, is_terminal, &[("NO_COLOR", ""), ("CLICOLOR_FORCE", "1"), ("TERM", "dumb")]));
            assert_eq!(check(Auto, is_terminal, &[("CLICOLOR_FORCE", "0")]), is_terminal);
            assert!(!check(Auto, is_terminal, &[("CLICOLOR", "0")]));
            assert!(!check(Auto, is_terminal, &[("TERM", "dumb")]));
        }
    }
}
