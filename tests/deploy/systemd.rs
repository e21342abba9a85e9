//! The service of systemd: it runs the bot, lets it end well, and gives it no rights.

use std::collections::BTreeMap;

use crate::arguments::{assert_understood, value};
use crate::tree::File;

/// The settings of a section; what is set several times has its last value.
fn section(name: &str) -> BTreeMap<String, String> {
    let text = File::read("deploy/systemd/tagwright.service").text;
    let (_, rest) = text.split_once(&format!("\n[{name}]\n")).unwrap();
    let lines = rest.lines().take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_program_understands_its_arguments() {
    let service = section("Service");
    let mut words = service["ExecStart"].split_whitespace();
    assert_eq!(words.next(), Some("/usr/local/bin/tagwright"));
    let arguments: Vec<&str> = words.collect();
    assert!(arguments[0] == "run" && !arguments.contains(&"--once"), "{arguments:?}");
    assert_understood(&arguments);
    assert_eq!(value(&arguments, "--config"), Some("/etc/tagwright/policies"));
}

#[test]
fn its_state_is_in_the_folder_that_it_may_write() {
    let service = section("Service");
    let (name, value) = variables(&service["Environment"]).next().unwrap();
    assert_eq!(value, format!("%S/{}", service["StateDirectory"]));
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_tagwright")).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains(&format!("[env: {name}]")), "{help}");
}

fn variables(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split_whitespace().filter_map(|setting| setting.split_once('='))
}

#[test]
fn memory_is_managed_as_in_the_image() {
    let of_image = File::read("Dockerfile").text;
    let memory = |text: &str| -> BTreeMap<String, String> {
        let named = variables(text).filter(|(name, _)| name.starts_with("MALLOC_"));
        named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let of_image = memory(&of_image);
    assert_eq!(of_image.len(), 2);
    assert_eq!(memory(&section("Service")["Environment"]), of_image);
}

#[test]
fn a_push_under_way_is_finished() {
    let service = section("Service");
    let seconds: u64 = service["TimeoutStopSec"].parse().unwrap();
    assert!(seconds > tagwright::schedule::SHUTDOWN_GRACE.as_secs(), "{seconds}");
    assert_eq!(service["KillMode"], "mixed", "git and ssh are not told to stop before the bot has ended");
    assert!(service["ExecReload"].ends_with(" -HUP $MAINPID"));
}

#[test]
fn a_wrong_configuration_is_not_tried_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_tagwright"))
        .args(["run", "--config", "nowhere", "--data-dir", "data"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let service = section("Service");
    assert_eq!(run.status.code().map(|code| code.to_string()).as_ref(), service.get("RestartPreventExitStatus"));
    assert_eq!(service["Restart"], "on-failure");
}

#[test]
fn it_has_no_rights() {
    let service = section("Service");
    for setting in [
        "DynamicUser",
        "LockPersonality",
        "MemoryDenyWriteExecute",
        "NoNewPrivileges",
        "PrivateDevices",
        "PrivateTmp",
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "RestrictNamespaces",
        "RestrictRealtime",
        "RestrictSUIDSGID",
    ] {
        assert_eq!(service[setting], "yes", "{setting}");
    }
    for (setting, value) in [
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("StateDirectoryMode", "0700"),
        ("SystemCallArchitectures", "native"),
        ("SystemCallFilter", "@system-service"),
        ("UMask", "0077"),
    ] {
        assert_eq!(service[setting], value, "{setting}");
    }
    assert_eq!(section("Install")["WantedBy"], "multi-user.target");
}
