//! The token flow.

use access::Registry as Access;
use futures_util::future::join_all;
use registry::{Client, Kind, Settings, TokenServers};

use crate::simulated::{Account, Auth, Bearer, Fault, Registry, World};
use crate::{access, client, list, message, repository, settings, with_logins};

fn world(bearer: Bearer) -> World {
    World::with("team/app", ["1.0"]).and("other/app", ["2.0"]).guarded(Auth::Bearer(bearer))
}

fn one_account() -> Bearer {
    Bearer::of(vec![Account::new("me", "right")])
}

async fn with_account(bearer: Bearer) -> (Registry, Access) {
    let registry = Registry::start(world(bearer)).await;
    let access = with_logins(&[(&registry.host(), "me", "right")]);
    (registry, access)
}

async fn ask(client: &Client, registry: &Registry, path: &str, access: &Access) {
    assert_eq!(client.tags(&repository(&registry.host(), path), access).await.unwrap().tags.len(), 1);
}

#[tokio::test]
async fn a_token_is_fetched_used_and_kept() {
    for answer in [
        r#"{"token": "TOKEN"}"#,
        r#"{"access_token": "TOKEN", "expires_in": 300}"#,
        r#"{"token": "", "access_token": "TOKEN"}"#,
    ] {
        let (registry, access) = with_account(Bearer { answer, ..one_account() }).await;
        let client = client();
        ask(&client, &registry, "team/app", &access).await;
        ask(&client, &registry, "team/app", &access).await;
        ask(&client, &registry, "other/app", &access).await;
        let seen = registry.seen();
        let asked = &seen[1];
        assert_eq!(asked.query, "kept=1&service=simulated&scope=repository%3Ateam%2Fapp%3Apull");
        assert_eq!(asked.authorization.as_deref(), Some("Basic bWU6cmlnaHQ="));
        assert_eq!(seen[2].authorization.as_deref(), Some("Bearer token-1-team.app"));
        insta::allow_duplicates! {
            insta::assert_snapshot!(registry.take_lines().join("\n"), @"
            GET /v2/team/app/tags/list
            GET /token
            GET /v2/team/app/tags/list
            GET /v2/team/app/tags/list
            GET /token
            GET /v2/other/app/tags/list
            ");
        }
    }
}

#[tokio::test]
async fn strangers_get_tokens_where_a_registry_gives_them() {
    let registry = Registry::start(world(Bearer { strangers: true, ..Bearer::of(Vec::new()) })).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1.0"]);
    assert_eq!(registry.seen()[1].authorization, None);
}

#[tokio::test]
async fn many_who_want_one_token_cause_one_request() {
    let (registry, access) = with_account(one_account()).await;
    let client = client();
    join_all((0..50).map(|_| ask(&client, &registry, "team/app", &access))).await;
    assert_eq!(registry.count("/token"), 1);
    registry.revoke();
    join_all((0..50).map(|_| ask(&client, &registry, "team/app", &access))).await;
    assert_eq!(registry.count("/token"), 2, "one more for all whose token was rejected");
}

#[tokio::test]
async fn many_who_are_denied_a_token_cause_one_request() {
    let registry = Registry::start(world(one_account())).await;
    let access = with_logins(&[(&registry.host(), "me", "wr0ng")]);
    let client = client();
    let repository = repository(&registry.host(), "team/app");
    let errors = join_all((0..50).map(async |_| client.tags(&repository, &access).await.unwrap_err())).await;
    insta::assert_snapshot!(message(&errors[0], &registry), @"'REGISTRY' denied access: http://REGISTRY/token answered 401 (incorrect username or password); the credentials sent were not accepted");
    assert!(errors.iter().all(|error| error.kind() == Kind::Denied && !format!("{error:?}").contains("wr0ng")));
    assert!(registry.count("/token") < 10, "{}", registry.count("/token"));
}

#[tokio::test]
async fn a_token_that_has_ended_is_replaced() {
    let (registry, access) =
        with_account(Bearer { answer: r#"{"token": "TOKEN", "expires_in": 0}"#, ..one_account() }).await;
    let client = client();
    ask(&client, &registry, "team/app", &access).await;
    ask(&client, &registry, "team/app", &access).await;
    assert_eq!(registry.count("/token"), 2);
    assert_eq!(registry.count("tags/list"), 3, "a token known to have ended is not tried");
}

#[tokio::test]
async fn a_rejected_token_is_fetched_anew_once() {
    let (registry, access) = with_account(one_account()).await;
    let client = client();
    ask(&client, &registry, "team/app", &access).await;
    registry.revoke();
    registry.take_lines();
    ask(&client, &registry, "team/app", &access).await;
    insta::assert_snapshot!(registry.take_lines().join("\n"), @"
    GET /v2/team/app/tags/list
    GET /token
    GET /v2/team/app/tags/list
    ");
}

#[tokio::test]
async fn a_registry_that_rejects_its_own_tokens_is_left_alone() {
    let issuer = Registry::start(world(one_account())).await;
    let bearer = Bearer { realm: Some(format!("{}/token", issuer.url())), ..one_account() };
    let (registry, access) = with_account(bearer).await;
    let error = list(&registry, "team/app", &access).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"'REGISTRY' denied access: http://REGISTRY/v2/team/app/tags/list answered 401 (UNAUTHORIZED: authentication required); the credentials sent were not accepted");
    assert_eq!((registry.count("tags/list"), issuer.count("/token")), (2, 1));
}

#[tokio::test]
async fn two_logins_of_one_registry_get_tokens_of_their_own() {
    let first = Account { username: "a", password: "1", repositories: "team/" };
    let second = Account { username: "b", password: "2", repositories: "other/" };
    let registry = Registry::start(world(Bearer::of(vec![first, second]))).await;
    let client = client();
    for _ in 0..2 {
        ask(&client, &registry, "team/app", &with_logins(&[(&registry.host(), "a", "1")])).await;
        ask(&client, &registry, "other/app", &with_logins(&[(&registry.host(), "b", "2")])).await;
    }
    let sent: Vec<Option<String>> =
        registry.seen().into_iter().filter(|seen| seen.path == "/token").map(|seen| seen.authorization).collect();
    assert_eq!(sent, [Some("Basic YTox".to_owned()), Some("Basic Yjoy".to_owned())]);
    let (image, first) = (repository(&registry.host(), "other/app"), with_logins(&[(&registry.host(), "a", "1")]));
    let error = client.tags(&image, &first).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "the other's token is not lent");
}

#[tokio::test]
async fn a_refresh_token_is_exchanged() {
    for oauth in [true, false] {
        let accounts = vec![Account::new("<token>", "refresh")];
        let registry = Registry::start(world(Bearer { oauth, ..Bearer::of(accounts) })).await;
        let mut access = with_logins(&[(&registry.host(), "", "")]);
        access.logins[0].identity_token = Some("refresh".into());
        assert_eq!(list(&registry, "team/app", &access).await.unwrap().tags, ["1.0"], "{oauth}");
        let lines = registry.take_lines();
        let expect: &[&str] = if oauth { &["POST /token"] } else { &["POST /token", "GET /token"] };
        assert_eq!(lines[1..lines.len() - 1], *expect, "older token servers are asked the old way");
    }
}

#[tokio::test]
async fn a_failing_token_server_is_tried_again() {
    let bearer = Bearer { strangers: true, ..Bearer::of(Vec::new()) };
    let faults =
        world(bearer).failing("/token", Fault::status(500)).failing("/token", Fault::header(429, "retry-after", "0"));
    let registry = Registry::start(faults).await;
    assert_eq!(list(&registry, "team/app", &access()).await.unwrap().tags, ["1.0"]);
    assert_eq!(registry.count("/token"), 3);
}

#[tokio::test]
async fn realms_to_which_no_credentials_go() {
    let other = Registry::start(world(one_account())).await;
    let aside = other.url().replace("127.0.0.1", "127.0.0.2");
    let bearer = Bearer { realm: Some(format!("{aside}/token")), ..one_account() };
    let (registry, access) = with_account(bearer).await;
    let error = list(&registry, "team/app", &access).await.unwrap_err();
    let text = message(&error, &registry).replace(&aside, "ASIDE");
    insta::assert_snapshot!(text, @"'REGISTRY' names ASIDE/token for tokens, which is a private address and not the registry's own");
    assert_eq!(other.seen(), []);
}

#[tokio::test]
async fn challenges_without_a_realm() {
    let fault = Fault::header(401, "www-authenticate", "Bearer service=\"x\"");
    let registry = Registry::start(World::with("team/app", ["1.0"]).failing("tags/list", fault)).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"http://REGISTRY/v2/team/app/tags/list wants credentials, but does not say where to get a token");
}

/// A registry that asks for several proofs at once, in one header or in several.
fn asking(world: World, challenges: &[String]) -> World {
    let headers = challenges.iter().map(|challenge| ("www-authenticate", challenge.clone())).collect();
    world.failing("tags/list", Fault::Answer(401, headers, Vec::new()))
}

#[tokio::test]
async fn a_token_comes_before_a_login_wherever_it_stands() {
    let tokens = Registry::start(world(Bearer { strangers: true, ..one_account() })).await;
    let bearer = format!("Bearer realm=\"{}/token\",service=\"simulated\"", tokens.url());
    let basic = "Basic realm=\"Registry\"".to_owned();
    let several = [
        vec![format!("{basic}, {bearer}")],
        vec![format!("{bearer}, {basic}")],
        vec![basic.clone(), bearer.clone()],
        vec!["Negotiate".to_owned(), basic.clone(), bearer.clone()],
        vec![format!("Negotiate, {basic} {bearer}")],
        vec![bearer.replace('"', "").replace("Bearer", "bearer"), basic.clone()],
        vec![bearer.replace('"', "'")],
    ];
    for challenges in several {
        for is_known in [false, true] {
            let registry = Registry::start(asking(World::with("team/app", ["1.0"]), &challenges)).await;
            let access = if is_known { with_logins(&[(&registry.host(), "me", "right")]) } else { access() };
            assert_eq!(list(&registry, "team/app", &access).await.unwrap().tags, ["1.0"], "{challenges:?}");
            let sent = registry.seen()[1].authorization.clone().unwrap_or_default();
            assert!(sent.starts_with("Bearer token-"), "{challenges:?}: {sent}");
        }
    }
}

/// A token that cannot be had, or does not do, is no reason not to try the login that is asked for as well.
#[tokio::test]
async fn a_login_does_where_no_token_can_be_had() {
    let closed = Registry::start(World::default()).await;
    let open = Registry::start(world(one_account())).await;
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    for realm in [
        "image-factory".to_owned(),
        String::new(),
        "http://10.255.255.1/token".to_owned(),
        format!("{}/nothere", closed.url()),
        format!("http://{nobody}/token"),
        format!("{}/token", open.url()),
    ] {
        let challenges = [format!("Bearer realm=\"{realm}\",service=\"simulated\""), "Basic realm=\"r\"".to_owned()];
        let guarded = World::with("team/app", ["1.0"]).guarded(Auth::Basic(vec![Account::new("me", "right")]));
        let registry = Registry::start(asking(guarded, &challenges)).await;
        let access = with_logins(&[(&registry.host(), "me", "right")]);
        let client = client();
        ask(&client, &registry, "team/app", &access).await;
        let requests = registry.seen().len();
        ask(&client, &registry, "team/app", &access).await;
        assert_eq!(registry.seen().len(), requests + 1, "{realm}: what did is remembered");
    }
}

#[tokio::test]
async fn where_nothing_can_be_met_the_first_reason_is_told() {
    let challenges = ["Bearer realm=\"image-factory\"".to_owned(), "Basic realm=\"r\"".to_owned()];
    let registry = Registry::start(asking(World::with("team/app", ["1.0"]), &challenges)).await;
    let error = list(&registry, "team/app", &access()).await.unwrap_err();
    insta::assert_snapshot!(message(&error, &registry), @"'REGISTRY' names \"image-factory\" for tokens, which is not an address");
}

/// GitLab and Harbor on machines of a private network: the token server is another machine of it. On this machine, where
/// anybody may listen, a login does not go there unless it is said to.
#[tokio::test]
async fn a_token_server_beside_a_private_registry() {
    let aside = "http://127.0.0.2:9";
    let challenge = format!("Bearer realm=\"{aside}/token\",service=\"simulated\"");
    let ask = async |is_known: bool, servers: &str| {
        let fault = Fault::header(401, "www-authenticate", challenge.clone());
        let world = World { broken: [("tags/list".to_owned(), fault)].into(), ..World::default() };
        let registry = Registry::start(world).await;
        let access = if is_known { with_logins(&[(&registry.host(), "me", "right")]) } else { access() };
        let token_servers = TokenServers::parse(&servers.replace("REGISTRY", &registry.host())).unwrap();
        let client = Client::new(Settings { token_servers, ..settings() }).unwrap();
        let error = client.tags(&repository(&registry.host(), "team/app"), &access).await.unwrap_err();
        error.to_string().split(':').next().unwrap().replace(&registry.host(), "REGISTRY")
    };
    let (asked, refused) = ("cannot reach http", "'127.0.0.1");
    assert_eq!(ask(false, "").await, asked);
    assert_eq!(ask(true, "").await, refused);
    assert_eq!(ask(true, "REGISTRY=http://127.0.0.2:9").await, asked);
    assert_eq!(ask(true, "REGISTRY=http://127.0.0.2:10, ghcr.io=http://127.0.0.2:9").await, refused);
}

/// A scope for another repository, or for writing, is not asked for.
#[tokio::test]
async fn a_challenge_cannot_widen_the_scope() {
    let bearer = Bearer { strangers: true, ..Bearer::of(Vec::new()) };
    let registry = Registry::start(world(bearer)).await;
    for scope in
        ["repository:other/app:pull", "repository:team/app:pull,push", "registry:catalog:*", "repository:team/app:*"]
    {
        let challenge = format!("Bearer realm=\"{}/token\",service=\"simulated\",scope=\"{scope}\"", registry.url());
        registry.change(|world| {
            world.faults.push_back(("tags/list".to_owned(), Fault::header(401, "www-authenticate", challenge)))
        });
        list(&registry, "team/app", &access()).await.unwrap();
        assert_eq!(registry.seen()[1].query, "service=simulated&scope=repository%3Ateam%2Fapp%3Apull", "{scope}");
        registry.take_lines();
    }
}

/// Polls so many repositories, each once, whose tokens end in a moment.
async fn poll_many(bearer: Bearer, count: usize) -> (Registry, Vec<usize>) {
    let bearer = Bearer { answer: r#"{"token": "TOKEN", "expires_in": 30}"#, ..bearer };
    let world = (0..count).fold(World::default(), |world, number| world.and(&format!("team/{number}"), ["1.0"]));
    let registry = Registry::start(world.guarded(Auth::Bearer(bearer))).await;
    let access = with_logins(&[(&registry.host(), "me", "right")]);
    let client = client();
    for _ in 0..2 {
        for number in 0..count {
            ask(&client, &registry, &format!("team/{number}"), &access).await;
        }
    }
    let requests = registry.seen().into_iter().filter(|seen| seen.path == "/token");
    let scopes = requests.map(|seen| seen.query.matches("scope=").count()).collect();
    (registry, scopes)
}

#[tokio::test]
async fn one_token_is_for_several_repositories() {
    let (registry, scopes) = poll_many(one_account(), 12).await;
    assert_eq!(scopes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]);
    assert_eq!(registry.count("tags/list"), 12 * 2 + 1, "all of them do");
}

#[tokio::test]
async fn a_server_that_gives_no_token_for_several_is_asked_for_one() {
    let (registry, scopes) = poll_many(Bearer { most_scopes: 1, ..one_account() }, 4).await;
    assert_eq!(scopes, [1, 2, 1, 1, 1]);
    assert_eq!(registry.count("tags/list"), 4 * 2 + 1);
}

#[tokio::test]
async fn what_a_token_for_several_does_not_open_gets_its_own() {
    let (_, scopes) = poll_many(Bearer { granted_scopes: 1, ..one_account() }, 3).await;
    assert_eq!(scopes, [1, 2, 3, 1, 1], "each in vain once");
}

#[tokio::test]
async fn refresh_tokens_get_tokens_for_several_too() {
    let bearer = Bearer { oauth: true, answer: r#"{"access_token": "TOKEN", "expires_in": 30}"#, ..one_account() };
    let world = World::with("team/a", ["1.0"]).and("team/b", ["1.0"]).guarded(Auth::Bearer(bearer));
    let registry = Registry::start(world).await;
    let mut access = with_logins(&[(&registry.host(), "me", "right")]);
    access.logins[0].login = None;
    access.logins[0].identity_token = Some("right".into());
    let client = client();
    ask(&client, &registry, "team/a", &access).await;
    ask(&client, &registry, "team/b", &access).await;
    ask(&client, &registry, "team/a", &access).await;
    let asked: Vec<_> = registry.seen().into_iter().filter(|seen| seen.path == "/token").collect();
    assert_eq!(asked.len(), 2);
    assert!(
        asked[1].body.contains("scope=repository%3Ateam%2Fb%3Apull+repository%3Ateam%2Fa%3Apull"),
        "{}",
        asked[1].body
    );
}
