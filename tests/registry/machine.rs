//! The machine's Docker configuration and its credential helpers.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use registry::{Client, DockerConfig, Error, Kind, Listing, Settings};

use crate::simulated::{Account, Auth, Registry, World};
use crate::{access, repository, settings, with_logins};

async fn guarded() -> Registry {
    let account = Account::new("me", "right");
    Registry::start(World::with("team/app", ["1.0"]).and("other/app", ["2.0"]).guarded(Auth::Basic(vec![account])))
        .await
}

/// Lists with a Docker configuration in which `HOST` stands for the registry.
async fn list(registry: &Registry, directory: &Path, config: &str) -> Result<Listing, Error> {
    let file = directory.join("config.json");
    std::fs::write(&file, config.replace("HOST", &registry.host())).unwrap();
    let path = std::env::join_paths([directory, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let docker_config = DockerConfig::file(file).with_helper_path(path);
    let settings = Settings { docker_config, helper_timeout: Duration::from_secs(10), ..settings() };
    Client::new(settings).unwrap().tags(&repository(&registry.host(), "team/app"), &access()).await
}

fn helper(directory: &Path, name: &str, script: &str) {
    let path = directory.join(format!("docker-credential-{name}"));
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn entries_of_the_file() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    let good = [
        r#"{"auths": {"HOST": {"auth": "bWU6cmlnaHQ="}}}"#,
        r#"{"auths": {"https://HOST/v1/": {"username": "me", "password": "right"}}}"#,
        r#"{"auths": {"HOST": {"auth": "eDp5"}, "HOST/team": {"auth": "bWU6cmlnaHQ="}}}"#,
        r#"{"auths": {"HOST": {"auth": "bWU6cmlnaHQ="}, "HOST/other": {"auth": "eDp5"}}}"#,
    ];
    for config in good {
        assert_eq!(list(&registry, directory.path(), config).await.unwrap().tags, ["1.0"], "{config}");
    }
    let error = list(&registry, directory.path(), r#"{"auths": {"HOST": {}}}"#).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
}

#[tokio::test]
async fn helpers_are_asked() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    let asked = directory.path().join("asked");
    let answer = r#"printf '{"ServerURL": "%s", "Username": "me", "Secret": "right"}' "$server""#;
    let note = format!("read server; echo \"$1 $server\" >> '{}'", asked.display());
    helper(directory.path(), "good", &format!("{note}; {answer}"));
    helper(directory.path(), "empty", "echo 'credentials not found in native keychain'; exit 1");
    let good = [
        r#"{"credHelpers": {"HOST": "good"}}"#,
        r#"{"credsStore": "good", "auths": {"HOST": {}}}"#,
        r#"{"credHelpers": {"HOST": "empty"}, "credsStore": "good"}"#,
        r#"{"credHelpers": {"HOST": "good"}, "auths": {"HOST": {"auth": "eDp5"}}}"#,
    ];
    for config in good {
        assert_eq!(list(&registry, directory.path(), config).await.unwrap().tags, ["1.0"], "{config}");
    }
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), format!("get {}\n", registry.host()).repeat(good.len()));
    let error = list(&registry, directory.path(), r#"{"credsStore": "empty"}"#).await.unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
}

#[tokio::test]
async fn a_helper_is_asked_once_for_many() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    let asked = directory.path().join("asked");
    helper(
        directory.path(),
        "good",
        &format!("echo >> '{}'; echo '{{\"Username\": \"me\", \"Secret\": \"right\"}}'", asked.display()),
    );
    let file = directory.path().join("config.json");
    std::fs::write(&file, r#"{"credsStore": "good"}"#).unwrap();
    let path = std::env::join_paths([directory.path(), Path::new("/bin")]).unwrap();
    let client =
        Client::new(Settings { docker_config: DockerConfig::file(file).with_helper_path(path), ..settings() }).unwrap();
    let image = repository(&registry.host(), "team/app");
    let all =
        futures_util::future::join_all((0..20).map(async |_| client.tags(&image, &access()).await.unwrap())).await;
    assert_eq!((all.len(), std::fs::read_to_string(&asked).unwrap().as_str()), (20, "\n"));
}

#[tokio::test]
async fn helpers_that_fail() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    helper(directory.path(), "broken", "echo 'vault is locked\u{1b}[0m'; exit 1");
    helper(directory.path(), "chatty", "echo 'not json: secret'");
    let mut texts = Vec::new();
    for name in ["broken", "chatty", "missing", "../../bin/evil"] {
        let error = list(&registry, directory.path(), &format!(r#"{{"credsStore": "{name}"}}"#)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{name}");
        texts.push(error.to_string().replace(&registry.host(), "REGISTRY"));
    }
    insta::assert_snapshot!(texts.join("\n"), @"
    credential helper 'docker-credential-broken' failed: vault is locked\\u{1b}[0m (asked about 'REGISTRY')
    credential helper 'docker-credential-chatty' answered something else than JSON credentials (asked about 'REGISTRY')
    credential helper 'docker-credential-missing' cannot be started: no such file or directory (asked about 'REGISTRY')
    credential helper 'docker-credential-../../bin/evil' is not a name of a program (asked about 'REGISTRY')
    ");
}

#[tokio::test]
async fn a_helper_that_hangs_is_ended() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    helper(directory.path(), "slow", "exec sleep 1000");
    let file = directory.path().join("config.json");
    std::fs::write(&file, r#"{"credsStore": "slow"}"#).unwrap();
    let path = std::env::join_paths([directory.path(), Path::new("/bin"), Path::new("/usr/bin")]).unwrap();
    let docker_config = DockerConfig::file(file).with_helper_path(path);
    let client =
        Client::new(Settings { docker_config, helper_timeout: Duration::from_millis(300), ..settings() }).unwrap();
    let error = client.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap_err();
    let text = error.to_string().replace(&registry.host(), "REGISTRY");
    insta::assert_snapshot!(text, @"credential helper 'docker-credential-slow' did not answer within 0.3 s (asked about 'REGISTRY')");
}

#[tokio::test]
async fn files_that_cannot_be_used() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    let error = list(&registry, directory.path(), "{\"auths\": secret").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    let text = error.to_string().replace(directory.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(text, @"cannot use the Docker configuration 'DIR/config.json': not the JSON of a Docker configuration (line 1, column 11)");
}

#[tokio::test]
async fn logins_of_the_configuration_leave_the_machine_out() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    let file = directory.path().join("config.json");
    std::fs::write(&file, "broken").unwrap();
    let client = Client::new(Settings { docker_config: DockerConfig::file(file), ..settings() }).unwrap();
    let image = repository(&registry.host(), "team/app");
    assert_eq!(client.tags(&image, &with_logins(&[(&registry.host(), "me", "right")])).await.unwrap().tags, ["1.0"]);
    let none = client.tags(&image, &with_logins(&[("elsewhere.example.com", "me", "right")])).await.unwrap_err();
    assert_eq!(none.kind(), Kind::Denied, "anonymous, as configured");
}

/// Whether a process runs; one that has ended and that nobody asked about does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// A helper ends with all that it has started: when it takes too long, when it has failed, and when it has answered.
#[tokio::test]
async fn what_a_helper_starts_ends_with_it() {
    let answer = "echo '{\"Username\": \"me\", \"Secret\": \"right\"}'";
    for end in ["wait", "exit 1", &format!("exec 2>&-; {answer}")] {
        let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
        let pid = directory.path().join("pid");
        helper(directory.path(), "busy", &format!("sleep 1000 >/dev/null & echo $! > '{}'; {end}", pid.display()));
        let file = directory.path().join("config.json");
        std::fs::write(&file, r#"{"credsStore": "busy"}"#).unwrap();
        let path = std::env::join_paths([directory.path(), Path::new("/bin"), Path::new("/usr/bin")]).unwrap();
        let docker_config = DockerConfig::file(file).with_helper_path(path);
        let client =
            Client::new(Settings { docker_config, helper_timeout: Duration::from_secs(2), ..settings() }).unwrap();
        let _ = client.tags(&repository(&registry.host(), "team/app"), &access()).await;
        let pid = std::fs::read_to_string(&pid).unwrap();
        let ended = async {
            while runs(&pid) {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap_or_else(|_| panic!("{end}: it runs on"));
    }
}

/// However much a helper says, little of it is read; on its error stream, nothing.
#[tokio::test]
async fn helpers_that_flood() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    helper(directory.path(), "out", "exec yes");
    helper(directory.path(), "err", "yes >&2 & echo '{\"Username\": \"me\", \"Secret\": \"right\"}'");
    let error = list(&registry, directory.path(), r#"{"credsStore": "out"}"#).await.unwrap_err();
    assert!(matches!(error, Error::Helper { .. }) && error.to_string().len() < 600, "{error}");
    assert_eq!(list(&registry, directory.path(), r#"{"credsStore": "err"}"#).await.unwrap().tags, ["1.0"]);
}

/// What is no file is not read: nobody might ever write into the pipe, and a device never ends.
#[tokio::test]
async fn a_pipe_is_no_configuration() {
    let (registry, directory) = (guarded().await, tempfile::tempdir().unwrap());
    let pipe = directory.path().join("pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe, "/dev/zero".into()] {
        let client = Client::new(Settings { docker_config: DockerConfig::file(&path), ..settings() }).unwrap();
        let error = client.tags(&repository(&registry.host(), "team/app"), &access()).await.unwrap_err();
        assert!(error.to_string().ends_with("it is not a file"), "{error}");
    }
}
