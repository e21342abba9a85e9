//! Command lines in files, tried with the program.

use std::process::Command;

/// Checks that the program understands a command line. Nothing is run.
#[track_caller]
pub(crate) fn assert_understood(arguments: &[&str]) {
    // Help is given once all before it was understood.
    let run = Command::new(env!("CARGO_BIN_EXE_tagwright")).args(arguments).arg("--help").output().unwrap();
    assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
}

/// The value of an option, which stands behind it or behind its `=`.
pub(crate) fn value<'a>(arguments: &[&'a str], option: &str) -> Option<&'a str> {
    let joined = |argument: &&'a str| argument.strip_prefix(option)?.strip_prefix('=');
    if let Some(value) = arguments.iter().find_map(joined) {
        return Some(value);
    }
    let at = arguments.iter().position(|argument| *argument == option)?;
    Some(arguments.get(at + 1).copied().unwrap_or_default())
}

#[test]
fn what_is_wrong_is_not_understood() {
    for wrong in [&["run", "--none"][..], &["run", "--listen", "nowhere"], &["run", "--grace", "long"], &["runs"]] {
        let run = Command::new(env!("CARGO_BIN_EXE_tagwright")).args(wrong).arg("--help").output().unwrap();
        assert!(!run.status.success(), "{wrong:?}");
    }
}
