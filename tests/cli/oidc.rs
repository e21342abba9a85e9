//! A bot that takes tokens of an issuer, by its flags.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::bot::Bot;
use crate::issuer::{Signer, Simulated};
use crate::registry::door::{Certificates, Clients};
use crate::site::{SHOP, Site, native};
use crate::world::World;

const READ: &str = "--api-oidc-read=groups=dev";

fn flags<'f>(issuer: &'f str, more: &[&'f str]) -> Vec<&'f str> {
    let given = ["--listen=127.0.0.1:0", "--api-oidc-issuer", issuer, "--api-oidc-audience=bot"];
    given.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_bot_lets_those_in_whom_the_flags_say() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let key = Signer::p256("one");
    let issuer = runtime.block_on(Simulated::start(&[&key]));
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    let rules = [
        READ,
        "--api-oidc-act=/realm/roles=release",
        "--api-oidc-required-claim=tenant=acme",
        "--api-oidc-username-claim=preferred_username",
    ];
    let mut bot = Bot::start(&site, &flags(&issuer.url, &rules));
    let started = bot.says("started");
    let address = started.split_whitespace().find_map(|word| word.strip_prefix("listen=")).unwrap().to_owned();
    bot.says("pushed a commit");

    let end = jiff::Timestamp::now().as_second() + 3600;
    let token = |changes: Value| {
        let mut claims = json!({
            "iss": issuer.url, "aud": "bot", "sub": "u1", "preferred_username": "ann", "tenant": "acme", "exp": end,
        });
        changes.as_object().unwrap().iter().for_each(|(name, value)| claims[name] = value.clone());
        key.token(&claims)
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let status = |token: &str| {
        let asked = client.get(format!("http://{address}/api/v1/status")).bearer_auth(token).send();
        runtime.block_on(asked).unwrap().status().as_u16()
    };
    let hold = |token: &str| {
        let path = format!("http://{address}/api/v1/policies/default/app/hold");
        runtime.block_on(client.post(path).bearer_auth(token).send()).unwrap().status().as_u16()
    };
    let (dev, release) = (json!({"groups": ["dev"]}), json!({"realm": {"roles": ["x", "release"]}}));
    assert_eq!((status(&token(dev.clone())), hold(&token(dev))), (200, 403));
    assert_eq!((status(&token(release.clone())), hold(&token(release))), (200, 200));
    for nobody in
        [json!({}), json!({"groups": ["dev"], "tenant": "other"}), json!({"groups": ["dev"], "preferred_username": ""})]
    {
        assert_eq!((status(&token(nobody.clone())), hold(&token(nobody))), (403, 403));
    }
    assert_eq!(status(&token(json!({"groups": ["dev"], "aud": "another"}))), 401);
    assert_eq!(status(""), 401);

    // As for any other token, commands bring it along.
    let url = format!("--url=http://{address}");
    let shown = token(json!({"groups": ["dev"]}));
    let mut command = site.world.tagwright(["history", "--output=json", &url]);
    let run = site.world.finish(command.env("TAGWRIGHT_API_TOKEN", &shown), b"");
    assert_eq!(run.json()["entries"][0]["by"], "oidc:ann", "{run:?}");
    bot.signal("TERM");
    let (code, log) = bot.ends();
    assert_eq!(code, 0);
    assert!(!log.contains(&shown), "{log}");
}

/// An issuer that speaks TLS, with a certificate of an authority that no system knows: where its keys are, and the keys.
async fn private_issuer(certificates: &Certificates, key: &Signer) -> String {
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), certificates.acceptor());
    let url = format!("https://{}", listener.local_addr().unwrap());
    let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
    let keys = json!({"keys": [key.public()]}).to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Whoever does not trust the certificate ends here.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut stream = BufReader::new(stream);
            let (mut first, mut line) = (String::new(), String::new());
            stream.read_line(&mut first).await.unwrap();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).await.unwrap();
            }
            let body = if first.starts_with("GET /keys ") { &keys } else { &discovery };
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    url
}

/// Whoever runs an issuer of their own has a certificate of their own authority, too. Without it nobody is let in, whatever is shown.
#[test]
fn an_issuer_s_own_authority_is_trusted_where_the_flag_names_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (key, certificates) = (Signer::p256("one"), Certificates::new(Clients::Anybody));
    let url = runtime.block_on(private_issuer(&certificates, &key));
    let end = jiff::Timestamp::now().as_second() + 3600;
    let token = key.token(&json!({"iss": url, "aud": "bot", "sub": "u1", "groups": ["dev"], "exp": end}));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let another = Certificates::new(Clients::Anybody);
    for (authority, expected) in [(None, 503), (Some(&another.ca), 503), (Some(&certificates.ca), 200)] {
        let site = Site::new(&["1.0.0"], SHOP);
        site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
        let mut more = vec![READ];
        if let Some(authority) = authority {
            site.world.write("ca.pem", authority);
            more.push("--api-oidc-ca-file=ca.pem");
        }
        let mut bot = Bot::start(&site, &flags(&url, &more));
        let started = bot.says("started");
        let address = started.split_whitespace().find_map(|word| word.strip_prefix("listen=")).unwrap().to_owned();
        let asked = client.get(format!("http://{address}/api/v1/status")).bearer_auth(&token).send();
        assert_eq!(runtime.block_on(asked).unwrap().status().as_u16(), expected, "{}", authority.is_some());
        bot.signal("TERM");
        assert_eq!(bot.ends().0, 0);
    }
}

#[test]
fn flags_that_let_nobody_in_or_anybody_are_refused() {
    let world = World::new();
    let url = "https://issuer.example.com";
    let run = |arguments: &[&str]| world.run(["run"].iter().chain(arguments));
    run(&flags(url, &[])).refuses(2, "--api-oidc-issuer alone lets nobody in");
    run(&["--listen=127.0.0.1:0", "--api-oidc-issuer", url, READ]).refuses(2, "--api-oidc-audience");
    run(&["--listen=127.0.0.1:0", READ]).refuses(2, "--api-oidc-issuer");
    run(&flags(url, &["--api-oidc-read=groups"])).refuses(2, "write a claim and its value");
    run(&flags(url, &[READ, "--api-oidc-ca-file=nothing.pem"])).refuses(2, "nothing.pem");
    run(&["--once", "--api-oidc-issuer", url, "--api-oidc-audience=bot", READ]).refuses(2, "cannot be used with");
    run(&["--once", "--api-oidc-audience=bot"]).refuses(2, "cannot be used with");
    run(&["--once", READ]).refuses(2, "cannot be used with");
    let site = Site::new(&["1.0.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    let bot =
        |arguments: &[&str]| site.world.run(["run", "--config=config", "--data-dir=data"].iter().chain(arguments));
    bot(&flags("http://issuer.example.com", &[READ])).refuses(2, "begins with https://");
    site.world.write("no.pem", "no certificate");
    site.world.write("long.pem", "#\n".repeat(600_000));
    bot(&flags(url, &[READ, "--api-oidc-ca-file=long.pem"])).refuses(2, "have more than 1 MiB");
    bot(&flags(url, &[READ, "--api-oidc-ca-file=no.pem"]))
        .refuses(2, "the issuer https://issuer.example.com cannot be used");
}
