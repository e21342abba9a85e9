//! Debian's docker-registry with real tokens: JWTs that a token server signs and the registry verifies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use image::Repository;
use registry::{Budget, Budgets, Client, DockerConfig, Settings};
use serde_json::{Value, json};

use crate::registry::Registry;
use crate::world::{World, text};

const SERVICE: &str = "registry.test";
const ISSUER: &str = "tokens.test";

/// Tags of each repository.
const TAGS: usize = 200;
/// Polls under way at once, as of a bot.
const POLLS: usize = 16;

/// A token server on loopback.
struct Tokens {
    world: Arc<World>,
    /// How often each scope was asked for.
    asked: Mutex<BTreeMap<String, usize>>,
}

impl Tokens {
    /// Makes the key and its certificate, which the registry trusts.
    fn new(world: &Arc<World>) -> Arc<Self> {
        let (key, certificate) = (world.path("token.key"), world.path("token.crt"));
        let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens"];
        world.succeed("openssl", make.into_iter().chain(["-keyout", text(&key), "-out", text(&certificate)]));
        Arc::new(Self { world: Arc::clone(world), asked: Mutex::default() })
    }

    /// A token for scopes, each `repository:NAME:pull`, signed with RS256.
    fn sign(&self, scopes: &[String]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let access = |scope: &String| match scope.split(':').collect::<Vec<_>>()[..] {
            [kind, name, action] => json!({"type": kind, "name": name, "actions": [action]}),
            _ => panic!("{scope}"),
        };
        let certificate = std::fs::read_to_string(self.world.path("token.crt")).unwrap();
        let certificate: String = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
        let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]});
        let claims = json!({
            "iss": ISSUER, "sub": "", "aud": SERVICE, "nbf": now - 5, "iat": now, "exp": now + 300, "jti": scopes[0],
            "access": scopes.iter().map(access).collect::<Vec<_>>(),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let name: String = scopes[0].chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let (input, key) = (self.world.write(&format!("signed/{name}"), &signed), self.world.path("token.key"));
        let signature = self.world.succeed("openssl", ["dgst", "-sha256", "-sign", text(&key), text(&input)]);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn token(State(tokens): State<Arc<Tokens>>, RawQuery(query): RawQuery) -> Json<Value> {
    let query = query.unwrap();
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert!(pairs.contains(&("service".to_owned(), SERVICE.to_owned())));
    let scopes: Vec<String> = pairs.into_iter().filter(|(name, _)| name == "scope").map(|(_, scope)| scope).collect();
    for scope in &scopes {
        *tokens.asked.lock().unwrap().entry(scope.clone()).or_default() += 1;
    }
    let token = tokio::task::block_in_place(|| tokens.sign(&scopes));
    Json(json!({"token": token, "expires_in": 300}))
}

fn access() -> access::Registry {
    let (tls, timeout) = (access::Tls::default(), Duration::from_secs(120));
    access::Registry { logins: Vec::new(), provider: None, account: None, tls, proxy: None, insecure: true, timeout }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_token_for_each_scope_and_no_request_beyond_the_budget() {
    poll_all(30).await;
}

/// The same at full size, about two minutes: `tests/run --test servers -- --ignored a_thousand`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "writes 200,000 tags, and waits for the budget"]
async fn a_thousand_repositories() {
    poll_all(1000).await;
}

/// Polls so many repositories. Two policies ask for each. A registry without pages is asked what comes behind a list of 200.
async fn poll_all(count: usize) {
    let world = Arc::new(World::new());
    let tokens = Tokens::new(&world);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let realm = format!("http://{}/token", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/token", get(token)).with_state(Arc::clone(&tokens));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let registry = Registry::with_tokens(&world, &realm, SERVICE, ISSUER, &world.path("token.crt"));
    let names: Vec<String> = (0..count).map(|n| format!("team-{}/app-{n}", n % 7)).collect();
    names.iter().for_each(|name| registry.fill(&world, name, TAGS));
    let budget = Budget { at_once: 8, a_second: 40 };
    let settings =
        Settings { docker_config: DockerConfig::none(), budgets: Budgets::of_each(budget), ..Settings::default() };
    let (client, access) = (Client::new(settings).unwrap(), access());
    let repository = |name: &String| Repository::parse(&format!("{}/{name}", registry.authority())).unwrap();
    let images: Vec<Repository> = names.iter().chain(&names).map(repository).collect();
    let start = Instant::now();
    let polls = futures_util::stream::iter(&images).map(|image| client.tags(image, &access));
    for list in polls.buffer_unordered(POLLS).collect::<Vec<_>>().await {
        assert_eq!(list.unwrap().tags.len(), TAGS);
    }
    let took = start.elapsed();
    serving.abort();
    let asked = tokens.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), count);
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    let seen = registry.requests(&world);
    let lists = seen.iter().filter(|line| line.contains("/tags/list")).count();
    // Those that began before the first challenge was met come again with a token.
    let most = 2 * 2 * count + POLLS;
    assert!((2 * count..=most).contains(&lists), "{lists} lists");
    assert!(took.as_secs() >= (seen.len() as u64 - 1) / 40, "{} requests in {took:?}", seen.len());
}
