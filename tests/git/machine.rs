//! What of the machine's own git is obeyed: `.netrc`, certificates, commands for ssh, entries for some hosts.

use std::path::Path;

use access::{GitLogin, SshIdentity};
use git::{Error, Git, Want};

use crate::simulated::door::{Certificates, Clients};
use crate::simulated::{Fault, Registry, World};
use crate::support::{Behaviour, Server, access, anyone, machine};
use crate::{fetch, small, whole_way};

/// `Basic` of `bot:s3cret`.
const BOT: &str = "Basic Ym90OnMzY3JldA==";

fn asking(authorization: &str) -> Behaviour {
    Behaviour { authorization: Some(authorization.to_owned()), ..Behaviour::default() }
}

#[tokio::test]
async fn a_login_of_netrc_is_sent_when_asked_for_and_to_its_host_alone() {
    let remote = small();
    let server = Server::start(remote.root.path(), asking(BOT)).await;
    let (git, data) = machine(&[]);
    let netrc = data.path().join(".netrc");
    let ask = async || git.open(&server.url(), &anyone()).unwrap().advertise().await;
    for text in ["machine other.example.com login bot password s3cret", "default login bot password s3cret"] {
        std::fs::write(&netrc, text).unwrap();
        assert!(ask().await.unwrap_err().to_string().contains("with no login"), "{text}");
        assert!(server.seen().iter().all(|seen| seen.authorization.is_none()), "{text}");
    }
    std::fs::write(&netrc, "machine 127.0.0.1 login bot password s3cret").unwrap();
    whole_way(&server.url(), &remote, &git).await;
    server.seen();
    ask().await.unwrap();
    assert_eq!(server.seen().len(), 1, "it is remembered");

    // It is read again where it has ended, and another user's is another's.
    server.behave(Behaviour { refuses_with: Some(403), ..asking("Basic Ym90Om5ldw==") });
    assert!(ask().await.unwrap_err().to_string().contains("~/.netrc (user 'bot'), which lacks the right to read"));
    std::fs::write(&netrc, "machine 127.0.0.1 login bot password new").unwrap();
    ask().await.unwrap();
    let error = git.open(&server.url(), &access(GitLogin::User("ada".into()))).unwrap().advertise().await;
    assert!(error.is_err());
    // In the open it stays where it is.
    let proxy = Registry::start(World::default().failing("", Fault::header(401, "www-authenticate", "Basic"))).await;
    std::fs::write(&netrc, "machine git.example.com login bot password s3cret").unwrap();
    let through = access::Git { proxy: Some(access::Proxy { address: proxy.url(), login: None }), ..anyone() };
    let error = git.open("http://git.example.com/repo.git", &through).unwrap().advertise().await.unwrap_err();
    assert!(error.to_string().contains("the login of ~/.netrc does not go over plain HTTP"), "{error}");
    assert!(proxy.seen().iter().all(|seen| seen.authorization.is_none()));
}

/// A program that does what the other side would, and notes how it was called.
fn program(folder: &Path, name: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >{0}/{name}.log\nenv >>{0}/{name}.log\nfor last; do :; done\neval \"exec $last\"\n",
        folder.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// As git does: the variable before the entry, that before the program, and that before `ssh`.
#[tokio::test]
async fn the_owner_s_command_for_ssh_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let [command, entry, variable] = ["command", "entry", "variable"].map(|name| program(folder.path(), name));
    let with_options = format!("{command} -i \"$KEY\"");
    let entries = [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "core.sshCommand"), ("GIT_CONFIG_VALUE_0", &*entry)];
    let others = [("KEY", "/with space/key"), ("TAGWRIGHT_GIT_TOKEN", "t0ken"), ("GIT_DIR", "/elsewhere")];
    for (variables, used) in [
        ([&entries[..], &[("GIT_SSH_COMMAND", &*with_options), ("GIT_SSH", &*variable)]].concat(), "command"),
        ([&entries[..], &[("GIT_SSH", &*variable)]].concat(), "entry"),
        (vec![("GIT_SSH", &*variable)], "variable"),
    ] {
        let remote = small();
        let (git, _data) = machine(&[&variables[..], &others].concat());
        whole_way(&format!("ssh://git@git.example.com:2222{}", remote.path()), &remote, &git).await;
        let log = std::fs::read_to_string(folder.path().join(format!("{used}.log"))).unwrap();
        assert!(log.contains("\n-p\n2222\n-l\ngit\n--\ngit.example.com\ngit-receive-pack "), "{log}");
        assert_eq!(log.starts_with("-i\n/with space/key\n"), used == "command", "{log}");
        assert!(log.contains("BatchMode=yes\n") && !log.contains("t0ken") && !log.contains("/elsewhere"), "{log}");
        std::fs::remove_file(folder.path().join(format!("{used}.log"))).unwrap();
        assert!(std::fs::read_dir(folder.path()).unwrap().count() == 3, "one of them was called");
    }
    // A key of a secret comes with the host keys to accept; options of the command would win over both.
    let (git, _data) = machine(&[("GIT_SSH_COMMAND", &with_options)]);
    let identity = SshIdentity { key: "KEY".into(), passphrase: None, known_hosts: "HOSTS".to_owned() };
    let mirror = git.open("ssh://git@git.invalid/x.git", &access(GitLogin::Ssh(identity))).unwrap();
    mirror.advertise().await.unwrap_err();
    assert!(!folder.path().join("command.log").exists());
}

#[tokio::test]
async fn entries_for_some_hosts_may_have_a_star() {
    let remote = small();
    let server = Server::start(remote.root.path(), asking(BOT)).await;
    let through = access::Git { proxy: Some(access::Proxy { address: server.base.clone(), login: None }), ..anyone() };
    for (host, is_meant) in [("*.example.com", true), ("git.*.com", true), ("*.com", false), ("*", false)] {
        let key = format!("http.http://{host}.extraHeader");
        let value = format!("Authorization: {BOT}");
        let config = [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", &*key), ("GIT_CONFIG_VALUE_0", &*value)];
        let (git, _data) = machine(&config);
        let asked = git.open("http://git.example.com/repo.git", &through).unwrap().advertise().await;
        assert_eq!(asked.is_ok(), is_meant, "{host}: {asked:?}");
    }
}

/// The repository is not there, which only whoever has shown the certificate is told.
async fn is_let_in(git: &Git, url: &str) -> bool {
    let error = git.open(&format!("{url}/repo.git"), &anyone()).unwrap().advertise().await.unwrap_err();
    match error {
        Error::NotFound { .. } => true,
        Error::Untrusted { .. } => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn certificates_of_git_s_configuration_are_used() {
    let certificates = Certificates::new(Clients::Certified);
    let server = Registry::start_tls(World::default(), &certificates).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (authority, certificate) = (write("ca", &certificates.ca), write("cert", &certificates.client_certificate));
    let key = write("key", &certificates.client_key);
    let both = write("both", &format!("{}\n{}", certificates.client_certificate, certificates.client_key));
    let variables = [("GIT_SSL_CAINFO", &*authority), ("GIT_SSL_CERT", &*certificate), ("GIT_SSL_KEY", &*key)];
    assert!(is_let_in(&machine(&variables).0, &server.url()).await);
    assert!(is_let_in(&machine(&[("GIT_SSL_CAINFO", &*authority), ("GIT_SSL_CERT", &*both)]).0, &server.url()).await);
    assert!(!is_let_in(&machine(&variables[..1]).0, &server.url()).await);
    let scoped = format!("http.{}.sslCert", server.url());
    for (name, is_meant) in [(scoped.as_str(), true), ("http.https://elsewhere.example.com.sslCert", false)] {
        let config = [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", name), ("GIT_CONFIG_VALUE_0", &*both)];
        let (git, _data) = machine(&[&config[..], &variables[..1]].concat());
        assert_eq!(is_let_in(&git, &server.url()).await, is_meant, "{name}");
    }
    let nowhere = [("GIT_SSL_CERT", "/nonexistent/cert")];
    let error = git_error(&machine(&nowhere).0, &server.url()).await;
    assert_eq!(error, "cannot read /nonexistent/cert");
    let junk = write("junk", "no certificate");
    let error = git_error(&machine(&[("GIT_SSL_CERT", &*junk)]).0, &server.url()).await;
    assert!(error.contains("the client certificate for"), "{error}");
}

async fn git_error(git: &Git, url: &str) -> String {
    fetch(&git.open(&format!("{url}/repo.git"), &anyone()).unwrap(), Want::DefaultBranch)
        .await
        .err()
        .unwrap()
        .to_string()
}

/// A proxy that answers everything with these words, and how it is reached.
async fn proxy_that_says(answer: &'static str) -> access::Git {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://me:s3cret@{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 4096]).await;
            let _ = connection.write_all(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    access::Git { proxy: Some(access::Proxy { address, login: None }), ..anyone() }
}

#[tokio::test]
async fn a_proxy_that_is_in_the_way_is_named() {
    let (git, _data) = machine(&[]);
    let says = async |url: &str, access: &access::Git| {
        let error = git.open(url, access).unwrap().advertise().await.unwrap_err();
        let text = error.to_string();
        assert!(!text.contains("s3cret") && text.contains(url), "{text}");
        text
    };
    for answer in ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"] {
        let access = proxy_that_says(answer).await;
        let text = says("https://git.example.com/repo.git", &access).await;
        let expect = "the proxy http://127.0.0.1:";
        assert!(
            text.starts_with(expect) && text.contains("/ does not connect to https://git.example.com/repo.git: "),
            "{text}"
        );
    }
    let access = proxy_that_says("407 Proxy Authentication Required").await;
    let text = says("http://git.example.com/repo.git", &access).await;
    assert!(text.contains("wants a login, or another one (HTTP status 407)"), "{text}");
    for (address, name) in [("http://127.0.0.1:1", "127.0.0.1:1"), ("http://proxy.invalid:3128", "proxy.invalid:3128")]
    {
        let access =
            access::Git { proxy: Some(access::Proxy { address: address.to_owned(), login: None }), ..anyone() };
        let text = says("https://git.example.com/repo.git", &access).await;
        assert!(text.starts_with(&format!("cannot reach the proxy http://{name}/ on the way to ")), "{text}");
    }
}

/// A shell that greets before it hands over.
#[tokio::test]
async fn what_a_login_shell_says_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let remote = small();
    let inner = program(folder.path(), "ssh");
    let (git, _data) = machine(&[("GIT_SSH_COMMAND", &format!("echo Welcome to git; {inner}"))]);
    let url = format!("ssh://git@git.example.com{}", remote.path());
    let error = git.open(&url, &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(matches!(error, Error::Talk { .. }), "{error}");
    let expect = format!("{url} says something else before the Git protocol begins: Welcome to git");
    assert!(error.to_string().starts_with(&expect), "{error}");
}

#[tokio::test]
async fn a_command_for_ssh_that_is_not_there_is_a_mistake() {
    let (git, _data) = machine(&[("GIT_SSH_COMMAND", "/nonexistent/ssh -v")]);
    let error = git.open("git@git.example.com:x.git", &anyone()).unwrap().advertise().await.unwrap_err();
    assert_eq!(error.kind(), git::Kind::Config, "{error}");
    assert_eq!(error.to_string(), "cannot start the command for ssh of git's configuration or GIT_SSH_COMMAND");
}
