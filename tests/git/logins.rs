//! Logins that end, that are asked for late, or that lack a right; and how each refusal is told.

use std::path::Path;

use git::{Error, Git, Kind, Want};

use crate::support::{Asks, Behaviour, Server, access, anyone, machine};
use crate::{basic, build, fetch, push_main, small};

/// The `Authorization` of `me` with this password.
fn header(password: &str) -> Option<String> {
    use base64::Engine as _;
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("me:{password}"))))
}

/// A machine whose credential helper answers with the content of a file, and notes what it was told.
fn helped(folder: &Path) -> (Git, tempfile::TempDir) {
    let helper = format!(
        "!f() {{ cat >/dev/null; echo $1 >>{0}/log; echo username=me; echo password=$(cat {0}/password); }}; f",
        folder.display()
    );
    machine(&[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "credential.helper"), ("GIT_CONFIG_VALUE_0", &helper)])
}

/// AWS CodeCommit's passwords live 15 minutes, and an old one is answered with 403; Azure DevOps shows a page to sign in.
#[tokio::test]
async fn a_password_that_has_ended_is_asked_for_again() {
    for refuses_with in [401, 403, 404, 203, 302] {
        let remote = small();
        let folder = tempfile::tempdir().unwrap();
        let wants = |password: &str| Behaviour {
            authorization: header(password),
            refuses_with: Some(refuses_with),
            ..Behaviour::default()
        };
        let server = Server::start(remote.root.path(), wants("first")).await;
        let (git, _data) = helped(folder.path());
        let ask = async || git.open(&server.url(), &anyone()).unwrap().advertise().await;
        std::fs::write(folder.path().join("password"), "first").unwrap();
        ask().await.unwrap();
        server.behave(wants("second"));
        std::fs::write(folder.path().join("password"), "second").unwrap();
        ask().await.unwrap_or_else(|error| panic!("{refuses_with}: {error}"));
        // In the middle of an operation it is the same.
        let mirror = git.open(&server.url(), &anyone()).unwrap();
        let advertisement = mirror.advertise().await.unwrap();
        server.behave(wants("third"));
        std::fs::write(folder.path().join("password"), "third").unwrap();
        if refuses_with != 302 {
            mirror.fetch(&advertisement, &[Want::DefaultBranch]).await.unwrap();
        }

        // Nobody knows a better one.
        server.behave(wants("fourth"));
        server.seen();
        let error = ask().await.unwrap_err();
        assert!(error.to_string().contains("git's credential helpers (user 'me')"), "{error}");
        assert_eq!(error.kind(), Kind::Denied, "{error}");
        assert!(server.seen().len() <= 2);
        std::fs::write(folder.path().join("password"), "fourth").unwrap();
        ask().await.unwrap();
        // Helpers are told of what is wrong, and not of what lacks a right: they would forget it.
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(log.contains("erase"), refuses_with == 401, "{refuses_with}: {log}");
    }
}

/// `LocationMatch "^/git/.*/git-receive-pack$"` is the example of `git-http-backend(1)`.
#[tokio::test]
async fn a_login_may_be_asked_for_in_answer_to_the_second_request() {
    for asks in [Asks::Posts, Asks::Pushes] {
        let remote = small();
        let server = Server::start(
            remote.root.path(),
            Behaviour { authorization: header("s3cret"), asks, ..Behaviour::default() },
        )
        .await;
        remote.config("http.receivepack", "true");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "s3cret").unwrap();
        let (helped, _data) = helped(folder.path());
        let token = [("TAGWRIGHT_GIT_TOKEN", "s3cret"), ("TAGWRIGHT_GIT_USERNAME", "me")];
        let (token, _data_too) = machine(&token);
        token.configure([server.url().as_str()]);
        for (n, git) in [helped, token].into_iter().enumerate() {
            let mirror = git.open(&server.url(), &anyone()).unwrap();
            let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
            let commit = build(&first, "apps/two.yaml", &format!("{n}\n")).await;
            assert!(push_main(&mirror, first.commit(), commit).await.is_complete());
            // From then on it is sent at once.
            server.seen();
            let commit = build(&mirror.snapshot(commit).await.unwrap(), "apps/two.yaml", &format!("{n}!\n")).await;
            let pushed = push_main(&mirror, commit_before(&remote), commit).await;
            assert!(pushed.is_complete(), "{pushed:?}");
            assert_eq!(server.seen().len(), 2);
        }
        let (git, _data) = machine(&[]);
        let mirror = git.open(&server.url(), &access(basic("me", "wrong"))).unwrap();
        let error = match fetch(&mirror, Want::DefaultBranch).await {
            Err(error) => error,
            Ok(first) => {
                let commit = build(&first, "apps/two.yaml", "wrong\n").await;
                mirror.push(&[crate::to_main(first.commit(), commit)], &[]).await.unwrap_err()
            }
        };
        let text = error.to_string();
        assert!(text.contains("with the configured user name and password (user 'me'), which is wrong"), "{text}");
    }
}

/// A host that refuses whoever has no login, and asks for none, gets the one that there is; one that has no such repository does not.
#[tokio::test]
async fn a_host_that_asks_nobody_gets_a_login_all_the_same() {
    for refuses_with in [403, 203, 302, 404] {
        let remote = small();
        let behaviour = Behaviour {
            authorization: header("s3cret"),
            refuses_with: Some(refuses_with),
            is_cold: true,
            ..Behaviour::default()
        };
        let server = Server::start(remote.root.path(), behaviour).await;
        let (git, _data) = machine(&[("TAGWRIGHT_GIT_TOKEN", "s3cret"), ("TAGWRIGHT_GIT_USERNAME", "me")]);
        git.configure([server.url().as_str()]);
        let asked = git.open(&server.url(), &anyone()).unwrap().advertise().await;
        assert_eq!(asked.is_ok(), refuses_with != 404, "{refuses_with}: {asked:?}");
    }
}

fn commit_before(remote: &crate::support::Remote) -> git::CommitId {
    git::CommitId::parse(&remote.at("main")).unwrap()
}

/// After a redirect to another host, that one asks in vain, with either request.
#[tokio::test]
async fn another_host_that_asks_late_gets_nothing() {
    let remote = small();
    let behaviour = Behaviour { authorization: header("s3cret"), asks: Asks::Posts, ..Behaviour::default() };
    let there = Server::start(remote.root.path(), behaviour).await;
    let redirect = Some(there.base.clone());
    let here = Server::start(remote.root.path(), Behaviour { redirect, ..Behaviour::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "s3cret").unwrap();
    let (helped, _data) = helped(folder.path());
    let token = [("TAGWRIGHT_GIT_TOKEN", "s3cret"), ("TAGWRIGHT_GIT_USERNAME", "me")];
    let (token, _data_too) = machine(&token);
    token.configure([here.url().as_str()]);
    for (git, login) in
        [(&helped, access::GitLogin::Machine), (&token, access::GitLogin::Machine), (&token, basic("me", "s3cret"))]
    {
        let mirror = git.open(&here.url(), &access(login)).unwrap();
        let error = fetch(&mirror, Want::DefaultBranch).await.err().unwrap();
        assert!(error.to_string().contains("because it redirects to another host"), "{error}");
        let seen = there.seen();
        assert!(seen.len() == 2 && seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
    }
    assert!(!folder.path().join("log").exists(), "the helper was not asked");
}

/// Each refusal says which login was used and what that lacks.
#[tokio::test]
async fn a_refusal_says_what_the_login_lacks() {
    let remote = small();
    let token = [("TAGWRIGHT_GIT_TOKEN", "t0ken")];
    for (status, login, variables, expect) in [
        (401, None, &[][..], "denied access with no login, and wants one: no"),
        (403, None, &[], "denied access with no login: no"),
        (
            401,
            Some("ada"),
            &[],
            "denied access with the configured user name and password (user 'ada'), which is wrong or has ended: no",
        ),
        (
            403,
            Some("ada"),
            &[],
            "denied access with the configured user name and password (user 'ada'), which lacks the right to read: no",
        ),
        (
            404,
            Some("ada"),
            &[],
            "was not found, or may not be seen with the configured user name and password (user 'ada'): no",
        ),
        // Who is longer may be a token.
        (
            401,
            Some("ghp_0123456789abcdefgh"),
            &[],
            "denied access with the configured user name and password, which is wrong or has ended: no",
        ),
        (
            401,
            None,
            &token,
            "denied access with TAGWRIGHT_GIT_TOKEN (user 'x-access-token'), which is wrong or has ended: no",
        ),
    ] {
        let answer = Some((status, "text/plain", "no"));
        let server = Server::start(remote.root.path(), Behaviour { answer, ..Behaviour::default() }).await;
        let (git, _data) = machine(variables);
        git.configure([server.url().as_str()]);
        let login = login.map_or(anyone(), |name| access(basic(name, "s3cret")));
        let error = git.open(&server.url(), &login).unwrap().advertise().await.unwrap_err();
        assert_eq!(error.to_string(), format!("{} {expect}", server.url()));
    }
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    for (login, expect) in [
        (anyone(), "denied access with no login, and may want one for a push"),
        (access(basic("ada", "s3cret")), "(user 'ada'), which lacks the right to push"),
    ] {
        let mirror = git.open(&server.url(), &login).unwrap();
        let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        let commit = build(&first, "apps/two.yaml", "x\n").await;
        server.behave(Behaviour { answer: Some((403, "text/plain", "")), ..Behaviour::default() });
        let error = mirror.push(&[crate::to_main(first.commit(), commit)], &[]).await.unwrap_err();
        assert!(error.to_string().ends_with(expect), "{error}");
        server.behave(Behaviour::default());
    }
}

#[tokio::test]
async fn a_page_to_sign_in_is_named() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let login = access(basic("ada", "s3cret"));
    let refusing =
        |status| Behaviour { authorization: header("another"), refuses_with: Some(status), ..Behaviour::default() };
    for (status, page) in [(203, "HTTP status 203"), (302, "HOST/_signin")] {
        let server = Server::start(remote.root.path(), refusing(status)).await;
        let error = git.open(&server.url(), &login).unwrap().advertise().await.unwrap_err();
        assert!(matches!(error, Error::SignIn { .. }), "{error}");
        let page = page.replace("HOST", &server.address());
        let expect = format!(
            "{} answers with a page to sign in ({page}) and not as a Git server does; it was asked with the configured user name and \
             password (user 'ada')",
            server.url()
        );
        assert_eq!((error.kind(), error.to_string()), (Kind::Denied, expect));
    }
}
