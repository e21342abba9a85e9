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
    credential helper 'docker-credential-missing' cannot be started: No such file or directory (os error 2) (asked about 'REGISTRY')
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
