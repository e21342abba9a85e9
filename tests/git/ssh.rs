//! Remotes over ssh, with an `ssh` of the test.

use std::path::Path;

use access::{GitLogin, SshIdentity};
use git::{Git, Kind};

use crate::support::{access, anyone, settings};
use crate::{small, whole_way};

/// An `ssh` that does what the remote side would, and tells how it was called.
pub(crate) fn fake_ssh(folder: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("ssh");
    let log = folder.join("log");
    std::fs::write(&path, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >{}\n{script}\n", log.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn with_ssh(data: &Path, program: &str) -> Git {
    let mut settings = settings(data, &[]);
    settings.ssh_program = program.into();
    Git::new(settings).unwrap()
}

#[tokio::test]
async fn ssh_is_called_with_fixed_flags_and_private_files() {
    let remote = small();
    let folder = tempfile::tempdir().unwrap();
    let script = "for last; do :; done\neval \"exec $last\"";
    let program = fake_ssh(folder.path(), script);
    let git = with_ssh(folder.path(), &program);
    let url = format!("ssh://git.example.com:2222{}", remote.path());
    whole_way(&url, &remote, &git).await;
    let called = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let last: Vec<_> = called.lines().rev().take(7).collect();
    let command = format!("git-receive-pack '{}'", remote.path());
    assert_eq!(last, [command.as_str(), "git.example.com", "--", "2222", "-p", "-T", "BatchMode=yes"]);
    assert!(called.contains("StrictHostKeyChecking=yes\n"));

    let program = fake_ssh(
        folder.path(),
        &format!(
            "stat -c %a \"${{SSH_ASKPASS%/*}}\"/* >{0}/modes; $SSH_ASKPASS >{0}/passphrase\n{script}",
            folder.path().display()
        ),
    );
    let git = with_ssh(folder.path(), &program);
    let identity =
        SshIdentity { key: "KEY".into(), passphrase: Some("pass phrase".into()), known_hosts: "HOSTS".to_owned() };
    let mirror = git.open(&url, &access(GitLogin::Ssh(identity))).unwrap();
    mirror.advertise().await.unwrap();
    let called = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        called.contains("IdentitiesOnly=yes\n") && called.contains("\n-l\ngit\n") && !called.contains("pass phrase"),
        "{called}"
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("passphrase")).unwrap(), "pass phrase\n");
    assert_eq!(std::fs::read_to_string(folder.path().join("modes")).unwrap(), "700\n600\n600\n600\n");
    let key = called.lines().find_map(|line| line.strip_prefix("IdentityFile=")).unwrap().trim_matches('"').to_owned();
    drop(mirror);
    assert!(!Path::new(&key).exists());
}

#[tokio::test]
async fn ssh_failures_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    for (says, status, kind, expect) in [
        (
            "Host key verification failed.",
            255,
            Kind::Denied,
            "host key verification failed for git.example.com: Host key",
        ),
        (
            "git@git.example.com: Permission denied (publickey).",
            255,
            Kind::Denied,
            "denied access with the ssh keys of this machine (user 'git'): git@",
        ),
        ("ssh: Could not resolve hostname git.example.com", 255, Kind::Transient, "broke: ssh: Could not resolve"),
        ("ERROR: Repository not found.", 1, Kind::Transient, "reported an error: ERROR: Repository not found."),
    ] {
        let program = fake_ssh(folder.path(), &format!("echo '{says}' >&2; exit {status}"));
        let git = with_ssh(folder.path(), &program);
        let error = git.open("git@git.example.com:acme/x.git", &anyone()).unwrap().advertise().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expect), "{error}");
    }
    let git = with_ssh(folder.path(), "/nonexistent/ssh");
    let error = git.open("git@git.example.com:acme/x.git", &anyone()).unwrap().advertise().await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Config, "cannot start /nonexistent/ssh"));
}
