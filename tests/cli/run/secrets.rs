//! No secret shows up anywhere: streams, logs, commits, mirrors, arguments of child processes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::registry::{Account, Auth, World as Listed};
use crate::remote::{Behaviour, Server};
use crate::site::{SHOP, Site, background, native};
use crate::world::Run;

const PASSWORD: &str = "planted-password-of-git";
const PULL: &str = "planted-password-of-the-registry";
const TOKEN: &str = "planted-token-of-the-environment";

/// Every form in which a secret could be seen.
fn forms() -> Vec<String> {
    let logins = [format!("bot:{PASSWORD}"), format!("puller:{PULL}"), format!("bot:{TOKEN}")];
    logins.iter().map(|login| STANDARD.encode(login)).chain(["planted-".to_owned()]).collect()
}

fn has_no_secret(run: &Run) {
    for form in forms() {
        assert!(!run.stdout.contains(&form) && !run.stderr.contains(&form), "{form} is in {run:?}");
    }
}

#[test]
fn secrets_stay_secret() {
    let listed = Listed::with("team/app", super::TAGS).guarded(Auth::Basic(vec![Account::new("puller", PULL)]));
    let site = Site::with(listed, SHOP);
    let runtime = background();
    let behaviour = Behaviour {
        authorization: Some(format!("Basic {}", STANDARD.encode(format!("bot:{PASSWORD}")))),
        ..Behaviour::default()
    };
    let server = runtime.block_on(Server::start(site.remote.root.path(), behaviour));
    let config = native("shop", "app", "secretRef: {name: git}", "secretRef: {name: pull}");
    site.configure("shop.yaml", &config.replace("REMOTE", &server.url()));
    let auth = STANDARD.encode(format!("puller:{PULL}"));
    let docker = serde_json::json!({"auths": {site.registry.host(): {"auth": auth}}}).to_string();
    site.world.write("secrets/default/pull/.dockerconfigjson", docker);
    site.world.write("secrets/default/git/username", "bot");
    let arguments = ["--secrets=secrets", "--data-dir=data", "-vvv", "--log-format=json"];

    site.world.write("secrets/default/git/password", "planted-and-wrong");
    let run = site.run(&arguments);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("denied access"), "{run:?}");
    has_no_secret(&run);

    site.world.write("secrets/default/git/password", PASSWORD);
    let run = site.run(&arguments);
    assert_eq!((run.code, site.commits("main")), (0, 2), "{run:?}");
    has_no_secret(&run);
    let history = crate::remote::git(&site.remote.bare(), &["log", "-p", "--all", "--format=raw"]);
    let mirrors = site.world.finish(site.world.program("grep").args(["-r", "-l", "-a", "planted-", "data"]), b"");
    assert!(!history.contains("planted-"), "{history}");
    assert_eq!((mirrors.code, mirrors.stdout.as_str()), (1, ""), "a mirror has a secret");
}

#[test]
fn child_processes_get_no_secret_as_an_argument() {
    let site = Site::new(&super::TAGS, SHOP);
    // Stands before the real git and writes down how it was called.
    let real = site.world.finish(site.world.program("sh").args(["-c", "command -v git"]), b"").stdout;
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >> {}\nexec {} \"$@\"\n",
        site.world.path("calls").display(),
        real.trim()
    );
    let git = site.world.write("bin/git", script);
    std::fs::set_permissions(&git, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    site.world.write(
        "home/.gitconfig",
        format!("[url \"{}\"]\n\tinsteadOf = https://git.example.com/a.git\n", site.remote.path()),
    );
    site.configure("shop.yaml", &native("shop", "app", "", "").replace("REMOTE", "https://git.example.com/a.git"));
    let mut command = site.world.tagwright(["run", "--once", "--config=config", "-vvv"]);
    let path = format!("{}:{}", site.world.path("bin").display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).env("TAGWRIGHT_GIT_USERNAME", "bot").env("TAGWRIGHT_GIT_TOKEN", TOKEN);
    let run = site.world.finish(&mut command, b"");
    assert_eq!((run.code, site.commits("main")), (0, 2), "{run:?}");
    has_no_secret(&run);
    let calls = site.world.read("calls");
    assert!(calls.contains("upload-pack") && calls.contains("receive-pack"), "{calls}");
    assert!(!calls.contains("planted-"), "{calls}");
}

/// Wherever an address may be written, what may be secret in it is not shown: on no stream, in no form, at no level of the log.
#[test]
fn addresses_are_shown_without_what_may_be_secret() {
    let site = Site::new(&super::TAGS, SHOP);
    let (login, query) = (format!("http://bot:{PASSWORD}@127.0.0.1:1"), format!("http://127.0.0.1:1/?t={TOKEN}"));
    let broken = [format!("bot:{PASSWORD}@127.0.0.1/x"), format!("http:/bot:{PASSWORD}@127.0.0.1/x")];
    let mut addresses = vec![login.clone(), query, format!("{login}/?t={TOKEN}#{TOKEN}")];
    addresses.extend(broken);
    let image = |text: &str| format!("--image={text}");
    for address in &addresses {
        let mirror = format!("--registry-mirror=reg.example={address}");
        for arguments in [
            vec!["status", "--url", address],
            vec!["history", "--url", address],
            vec!["poll", "--all", "--url", address],
            vec!["hold", "default:app", "--url", address],
            vec!["select", "--semver=*", "--image=reg.example/app", &mirror],
            vec!["run", "--once", "--config=config", &mirror],
            vec!["select", "--semver=*", &image(address)],
            vec!["explain", "--config=config", "--image", address],
            vec!["mark", ".", "--git-url", address],
            vec!["mark", ".", "--offline", "--output=json", "--git-url", address],
        ] {
            let run = site.world.finish(&mut site.world.tagwright(&arguments), b"");
            has_no_secret(&run);
        }
        for field in ["url", "image"] {
            let text = native("shop", "app", "", "");
            let text = match field {
                "url" => text.replace("REMOTE", &format!("\"{address}\"")),
                _ => text
                    .replace("REGISTRY/team/app", &format!("\"{address}\""))
                    .replace("REMOTE", "https://git.example.com/a.git"),
            };
            site.configure("shop.yaml", &text);
            for arguments in [
                vec!["run", "--once", "--config=config"],
                vec!["check", "--config=config", "--output=json"],
                vec!["check", "--config=config", "--output=sarif", "."],
                vec!["explain", "--config=config"],
            ] {
                has_no_secret(&site.world.finish(&mut site.world.tagwright(&arguments), b""));
            }
        }
    }
}

#[test]
fn a_mistake_beside_a_secret_does_not_show_it() {
    let site = Site::new(&super::TAGS, SHOP);
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: git, namespace: default}}\nstringData: {{username: bot, password: {PASSWORD}, passwrd: [x]}}\n"
    );
    site.configure("secret.yaml", &secret);
    site.configure(
        "shop.yaml",
        &native("shop", "app", "secretRef: {name: git}", "")
            .replace("REMOTE", &format!("https://bot:{TOKEN}@git.example.com:x/a")),
    );
    let run = site.run(&[]);
    assert_eq!(run.code, 2, "{run:?}");
    has_no_secret(&run);
}

/// What is sent without being asked for here, to a proxy or to what `--url` names, is not shown when it comes back.
#[test]
fn what_proxies_and_bots_repeat_is_masked() {
    use crate::registry::{Fault, World as Listed};
    use crate::site::Live;
    let site = Site::new(&super::TAGS, SHOP);
    let echo = format!("you sent Basic {} for {PASSWORD}", STANDARD.encode(format!("bot:{PASSWORD}")));
    let start = |status, kind: &str, body: String| {
        let fault = Fault::Answer(status, vec![("content-type", kind.to_owned())], body.into_bytes());
        Live::start(Listed { broken: [(String::new(), fault)].into(), ..Listed::default() })
    };
    let proxy = start(407, "text/plain", echo.clone());
    let through = format!("http://bot:{PASSWORD}@{}", proxy.host());
    site.configure("shop.yaml", &native("shop", "app", "", "").replace("REMOTE", "http://git.example.com/a.git"));
    for (name, value) in
        [("HTTP_PROXY", through.as_str()), ("http_proxy", through.as_str()), ("ALL_PROXY", through.as_str())]
    {
        let mut command = site.world.tagwright(["run", "--once", "--config=config", "-vvv"]);
        let run = site.world.finish(command.env(name, value), b"");
        assert!(run.stderr.contains("you sent Basic *** for ***"), "{name}: {run:?}");
        has_no_secret(&run);
    }
    site.world.write("home/.gitconfig", format!("[http]\n\tproxy = {through}\n"));
    let run = site.run(&["-vvv"]);
    assert!(run.stderr.contains("you sent Basic *** for ***"), "{run:?}");
    has_no_secret(&run);

    let bot = start(403, "application/json", serde_json::json!({"error": echo}).to_string());
    let run = site.world.run(["status", "--url", &format!("http://bot:{PASSWORD}@{}", bot.host())]);
    assert!(run.stderr.contains("you sent Basic *** for ***"), "{run:?}");
    has_no_secret(&run);
}
