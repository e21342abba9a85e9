//! Attacks on logins, tokens, cookies and client certificates: whatever a registry, its token server or a mirror says, what is for
//! one host is never seen by another.
//!
//! A registry (`home`) and another server (`other`) stand on two ports of this machine. Both write down all that they are shown.

use image::Tag;
use registry::{Client, DockerConfig, Kind, Mirror, Settings};

use access::Registry as Access;

use crate::simulated::door::{Certificates, Clients};
use crate::simulated::{Account, Auth, Bearer, Fault, Links, Registry, Seen, World};
use crate::transports::identified;
use crate::{repository, settings, with_logins};

const PASSWORD: &str = "pa55-word";
const REFRESH: &str = "refre5h-token";
const FIXED: &str = "fix3d-token";

fn world() -> World {
    World::with("team/app", ["1.0", "1.1", "1.2"])
}

fn account() -> Vec<Account> {
    vec![Account::new("me", PASSWORD)]
}

/// The ways to prove who we are, each with a registry that wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Basic,
    Bearer,
    Refresh,
    Fixed,
}

const WAYS: [Way; 4] = [Way::Basic, Way::Bearer, Way::Refresh, Way::Fixed];

impl Way {
    fn guard(self) -> Auth {
        match self {
            Self::Basic => Auth::Basic(account()),
            Self::Bearer => Auth::Bearer(Bearer::of(account())),
            Self::Refresh => Auth::Bearer(Bearer { oauth: true, ..Bearer::of(vec![Account::new("me", REFRESH)]) }),
            Self::Fixed => Auth::Open,
        }
    }

    fn access(self, host: &str) -> Access {
        let mut access = with_logins(&[(host, "me", PASSWORD)]);
        let entry = &mut access.logins[0];
        match self {
            Self::Basic | Self::Bearer => {}
            Self::Refresh => {
                entry.login = None;
                entry.identity_token = Some(REFRESH.into());
            }
            Self::Fixed => entry.registry_token = Some(FIXED.into()),
        }
        access
    }
}

/// What a request shows that only the home may see.
fn proof(seen: &Seen) -> Option<String> {
    let secrets = [PASSWORD, REFRESH, FIXED, "token-"];
    let texts = [&seen.path, &seen.query, &seen.body, &seen.host];
    let said = texts.into_iter().find(|text| secrets.iter().any(|secret| text.contains(secret)));
    seen.authorization.clone().or_else(|| seen.cookie.clone()).or_else(|| said.cloned())
}

#[track_caller]
fn sees_nothing(server: &Registry, case: &str) {
    for seen in server.seen() {
        assert_eq!(proof(&seen), None, "{case}: {seen:?}");
    }
    assert_eq!(server.certified(), 0, "{case}");
}

/// A server that redirects.
fn to(status: u16, url: &str) -> Fault {
    Fault::header(status, "location", url)
}

async fn ask(client: &Client, home: &Registry, access: &Access) -> String {
    let image = repository(&home.host(), "team/app");
    let listed = client.tags(&image, access).await.map_or_else(|error| error.to_string(), |all| all.tags.join(" "));
    let digest = client.digest(&image, &Tag::parse("1.0").unwrap(), access).await;
    format!("{listed}\n{}", digest.map_or_else(|error| error.to_string(), |digest| digest.as_str().to_owned()))
}

/// Asks a home that has learnt what is shown to it and then does something else, and looks at the other.
async fn attack(case: &str, world: impl Fn() -> World, turn: impl Fn(&Registry, &Registry)) {
    for way in WAYS {
        for logins_for_both in [false, true] {
            let other = Registry::start(world().guarded(way.guard())).await;
            let home = Registry::start(world().guarded(way.guard())).await;
            let mut access = way.access(&home.host());
            if logins_for_both {
                access.logins.extend(way.access(&other.host()).logins);
            }
            let client = Client::new(settings()).unwrap();
            ask(&client, &home, &access).await;
            turn(&home, &other);
            let said = ask(&client, &home, &access).await;
            let is_refused = said.contains("another server") || said.contains("an earlier page");
            assert!(!other.seen().is_empty() || is_refused, "{case} {way:?}: {said}");
            sees_nothing(&other, &format!("{case} {way:?}"));
            let shown = home.seen().iter().any(|seen| seen.authorization.is_some());
            assert!(shown, "{case} {way:?}: the home is shown a proof, or this would prove nothing");
        }
    }
}

fn broken(server: &Registry, path: &str, fault: Fault) {
    server.change(|world| drop(world.broken.insert(path.to_owned(), fault)));
}

#[tokio::test]
async fn redirects_of_lists_and_manifests() {
    for status in [301, 302, 303, 307, 308] {
        attack(&format!("{status}"), world, |home, other| {
            broken(home, "tags/list", to(status, &format!("{}/v2/team/app/tags/list", other.url())));
            broken(home, "manifests/1.0", to(status, &format!("{}/v2/team/app/manifests/1.0", other.url())));
        })
        .await;
    }
}

#[tokio::test]
async fn redirects_with_our_login_or_theirs_in_them() {
    attack("login in the address", world, |home, other| {
        broken(home, "tags/list", to(307, &format!("http://me:x@{}/v2/team/app/tags/list", other.host())));
        broken(home, "manifests/1.0", to(307, &format!("//me@{}/v2/team/app/manifests/1.0", other.host())));
        other.change(|world| world.auth = Auth::Open);
    })
    .await;
}

/// Whoever was sent somewhere by another server is a stranger there, even at home.
#[tokio::test]
async fn there_and_back_again() {
    for way in [Way::Basic, Way::Bearer] {
        let other = Registry::start(world()).await;
        let home = Registry::start(world().guarded(way.guard())).await;
        let client = Client::new(settings()).unwrap();
        ask(&client, &home, &way.access(&home.host())).await;
        let back = format!("{}/v2/team/app/tags/list?back=1", home.url());
        broken(&other, "tags/list", to(307, &back));
        home.change(|world| {
            let there = format!("{}/v2/team/app/tags/list", other.url());
            world.faults.push_back(("tags/list".to_owned(), to(307, &there)));
        });
        ask(&client, &home, &way.access(&home.host())).await;
        sees_nothing(&other, "there and back");
        let returned: Vec<_> = home.seen().into_iter().filter(|seen| seen.query == "back=1").collect();
        assert!(!returned.is_empty() && returned.iter().all(|seen| seen.authorization.is_none()), "{returned:?}");
    }
}

/// The server that a list was moved to chooses no pages of the registry: they would be asked for with our proof, and read as if
/// they were ours.
#[tokio::test]
async fn another_server_chooses_no_pages_of_the_registry() {
    for way in WAYS {
        let both = || world().and("team/private", ["9.9"]);
        let home = Registry::start(both().guarded(way.guard())).await;
        let link = format!("<{}/v2/team/private/tags/list>; rel=\"next\"", home.url());
        let other = Registry::start(both().paged(1, Links::Fixed(link))).await;
        broken(&home, "app/tags/list", to(307, &format!("{}/v2/team/app/tags/list", other.url())));
        let said = ask(&Client::new(settings()).unwrap(), &home, &way.access(&home.host())).await;
        assert!(said.contains("leads to another server"), "{way:?}: {said}");
        assert_eq!(home.count("team/private/tags/list"), 0, "{way:?}");
        sees_nothing(&other, "pages");
    }
}

#[tokio::test]
async fn links_of_lists() {
    attack(
        "link",
        || world().paged(1, Links::Relative),
        |home, other| {
            let link = format!("<{}/v2/team/app/tags/list?last=1.0>; rel=\"next\"", other.url());
            home.change(|world| world.paging.links = Links::Fixed(link));
        },
    )
    .await;
    attack(
        "link without a query",
        || world().paged(1, Links::Relative),
        |home, other| {
            let link = format!("<{}/v2/team/app/tags/list>; rel=\"next\"", other.url());
            home.change(|world| world.paging.links = Links::Fixed(link));
        },
    )
    .await;
}

/// After a redirect the other server may want a login or a token of its own making, and its realm may be the home's.
#[tokio::test]
async fn challenges_of_another_server() {
    for challenge in
        ["Basic realm=x", "Bearer realm=\"OTHER/token\",service=s", "Bearer realm=\"HOME/token\",service=s"]
    {
        attack(challenge, world, |home, other| {
            let challenge = challenge.replace("OTHER", &other.url()).replace("HOME", &home.url());
            broken(home, "tags/list", to(307, &format!("{}/v2/team/app/tags/list", other.url())));
            broken(other, "tags/list", Fault::header(401, "www-authenticate", challenge));
        })
        .await;
    }
}

/// A token server that the registry names gets the login; where it sends us to gets none.
#[tokio::test]
async fn token_servers_that_redirect() {
    for way in [Way::Bearer, Way::Refresh] {
        for status in [301, 302, 303, 307, 308] {
            let other = Registry::start(world().guarded(way.guard())).await;
            let home = Registry::start(world().guarded(way.guard())).await;
            broken(&home, "/token", to(status, &format!("{}/token?scope=repository:team/app:pull", other.url())));
            ask(&Client::new(settings()).unwrap(), &home, &way.access(&home.host())).await;
            sees_nothing(&other, &format!("{way:?} {status}"));
            assert!(home.seen().iter().any(|seen| seen.path == "/token" && proof(seen).is_some()), "{way:?} {status}");
        }
    }
}

/// A token is for the registry that named the token server. Another one that names the same gets one of its own.
#[tokio::test]
async fn tokens_belong_to_one_registry() {
    let home = Registry::start(world().guarded(Auth::Bearer(Bearer::of(account())))).await;
    let same = Bearer { realm: Some(format!("{}/token", home.url())), ..Bearer::of(account()) };
    let thief = Registry::start(world().guarded(Auth::Bearer(same))).await;
    let access = with_logins(&[
        ("127.0.0.1:*", "me", PASSWORD),
        (&home.host(), "me", PASSWORD),
        (&thief.host(), "me", PASSWORD),
    ]);
    let client = Client::new(settings()).unwrap();
    client.tags(&repository(&home.host(), "team/app"), &access).await.unwrap();
    let tokens =
        |server: &Registry| server.seen().into_iter().filter_map(|seen| seen.authorization).collect::<Vec<_>>();
    let given: Vec<String> = tokens(&home).into_iter().filter(|value| value.starts_with("Bearer")).collect();
    let stolen = client.tags(&repository(&thief.host(), "team/app"), &access).await;
    assert!(stolen.is_err(), "its tokens are the home's");
    assert!(tokens(&thief).iter().all(|token| !given.contains(token)), "{given:?}");
}

#[tokio::test]
async fn mirrors() {
    for way in WAYS {
        for fault in [None, Some(Fault::status(404)), Some(Fault::status(401)), Some(Fault::status(503))] {
            let mirror = Registry::start(world().guarded(way.guard())).await;
            let home = Registry::start(world().guarded(way.guard())).await;
            if let Some(fault) = fault.clone() {
                broken(&mirror, "tags/list", fault.clone());
                broken(&mirror, "manifests/1.0", fault);
            }
            let mirrors = vec![Mirror::parse(&format!("{}={}", home.host(), mirror.url())).unwrap()];
            let client = Client::new(Settings { mirrors, ..settings() }).unwrap();
            let access = way.access(&home.host());
            for _ in 0..2 {
                ask(&client, &home, &access).await;
            }
            assert!(!mirror.seen().is_empty());
            sees_nothing(&mirror, &format!("{way:?} {fault:?}"));
            // And back: a mirror that redirects to the registry brings nobody's login along.
            let seen = home.seen().len();
            broken(&mirror, "tags/list", to(307, &format!("{}/v2/team/app/tags/list?from=mirror", home.url())));
            ask(&client, &home, &access).await;
            let sent = home.seen().split_off(seen).into_iter().filter(|seen| seen.query == "from=mirror");
            assert!(sent.map(|seen| seen.authorization).all(|shown| shown.is_none()), "{way:?}");
        }
    }
}

/// Nothing that a server sets comes back, to it or to anybody.
#[tokio::test]
async fn cookies() {
    let other = Registry::start(world()).await;
    let home = Registry::start(world()).await;
    let cookie = ("set-cookie", "session=s3ss10n; Path=/; Domain=127.0.0.1".to_owned());
    let location = ("location", format!("{}/v2/team/app/tags/list", other.url()));
    let there = Fault::Answer(302, vec![cookie, location], Vec::new());
    home.change(|world| world.faults.push_back(("tags/list".to_owned(), there)));
    let client = Client::new(settings()).unwrap();
    for _ in 0..2 {
        ask(&client, &home, &crate::access()).await;
    }
    assert!(home.seen().len() > 2 && !other.seen().is_empty());
    assert!(home.seen().iter().chain(&other.seen()).all(|seen| seen.cookie.is_none()));
}

/// The machine's logins go to their own hosts, whoever asks for them.
#[tokio::test]
async fn logins_of_the_machine() {
    let other = Registry::start(world().guarded(Auth::Basic(account()))).await;
    let home = Registry::start(world().guarded(Auth::Basic(account()))).await;
    let folder = tempfile::tempdir().unwrap();
    let auths = serde_json::json!({"auths": {home.host(): {"username": "me", "password": PASSWORD}}});
    std::fs::write(folder.path().join("config.json"), auths.to_string()).unwrap();
    let docker_config = DockerConfig::file(folder.path().join("config.json"));
    let client = Client::new(Settings { docker_config, ..settings() }).unwrap();
    assert!(ask(&client, &home, &crate::access()).await.starts_with("1.0 1.1"));
    assert!(ask(&client, &other, &crate::access()).await.contains("no credentials were sent"));
    broken(&home, "tags/list", to(307, &format!("{}/v2/team/app/tags/list", other.url())));
    ask(&client, &home, &crate::access()).await;
    sees_nothing(&other, "machine");
}

/// A client certificate is for the registry: not for where it redirects, for its mirror, nor for a token server elsewhere.
#[tokio::test]
async fn client_certificates() {
    let certificates = Certificates::new(Clients::Asked);
    let start = async |world: World| Registry::start_tls(world, &certificates).await;
    let bearer = |realm: Option<String>| Auth::Bearer(Bearer { realm, strangers: true, ..Bearer::of(account()) });
    let access = identified(&certificates);

    let (home, other) = (start(world()).await, start(world()).await);
    let client = Client::new(settings()).unwrap();
    ask(&client, &home, &access).await;
    assert!(home.certified() > 0, "the home sees it");
    broken(&home, "tags/list", to(307, &format!("{}/v2/team/app/tags/list", other.url())));
    assert!(ask(&client, &home, &access).await.starts_with("1.0 1.1"));
    sees_nothing(&other, "redirect");

    let other = start(world().guarded(bearer(None))).await;
    let home = start(world().guarded(bearer(Some(format!("{}/token", other.url()))))).await;
    ask(&Client::new(settings()).unwrap(), &home, &access).await;
    assert_eq!((other.count("/token") > 0, other.certified()), (true, 0), "a token server elsewhere");

    let home = start(world().guarded(bearer(None))).await;
    assert!(ask(&Client::new(settings()).unwrap(), &home, &access).await.starts_with("1.0 1.1"));

    let (home, mirror) = (start(world()).await, start(world()).await);
    let mirrors = vec![Mirror::parse(&format!("{}={}", home.host(), mirror.url())).unwrap()];
    let client = Client::new(Settings { mirrors, ..settings() }).unwrap();
    assert!(ask(&client, &home, &access).await.starts_with("1.0 1.1"));
    assert!(!mirror.seen().is_empty());
    sees_nothing(&mirror, "mirror");
}

/// A proxy that is spoken to by TLS would be shown the client certificate that is for the registry behind it.
#[tokio::test]
async fn proxies() {
    let certificates = Certificates::new(Clients::Asked);
    let proxy = Registry::start_tls(World::default(), &certificates).await;
    let login = access::Login { username: "proxy".to_owned(), password: "pr0xy".into() };
    let through = Some(access::Proxy { address: proxy.url(), login: Some(login) });
    let access = Access { proxy: through, ..identified(&certificates) };
    let image = repository("registry.example.com", "team/app");
    let error = Client::new(settings()).unwrap().tags(&image, &access).await.unwrap_err();
    insta::assert_snapshot!(error, @"the proxy for 'registry.example.com' cannot be used: its address begins with https://, so that the proxy would be shown the client certificate too; use one at http:// or socks5://");
    assert_eq!((error.kind(), proxy.connections()), (Kind::Config, 0));

    // Without one, it sees the login that is for itself.
    let access = Access { tls: access::Tls { identity: None, ..access.tls }, ..access };
    Client::new(settings()).unwrap().tags(&image, &access).await.unwrap_err();
    assert!(proxy.connections() > 0);
    sees_nothing(&proxy, "proxy");
}

/// In the open, what is always sent otherwise waits until it is asked for: here it never is, since the mirror only redirects.
#[tokio::test]
async fn nothing_is_said_in_the_open_that_nobody_asked_for() {
    let proxy = Registry::start(World::default()).await;
    broken(&proxy, "tags/list", to(301, "https://mirror.example.com/v2/team/app/tags/list"));
    let mirrors = vec![Mirror::parse("registry.example.com=http://mirror.example.com").unwrap()];
    let through = Some(access::Proxy { address: proxy.url(), login: None });
    let access = Access { proxy: through, ..Way::Fixed.access("mirror.example.com") };
    let client = Client::new(Settings { mirrors, ..settings() }).unwrap();
    let image = repository("registry.example.com", "team/app");
    client.tags(&image, &access).await.unwrap_err();
    let open: Vec<_> = proxy.seen().into_iter().filter(|seen| seen.path.ends_with("tags/list")).collect();
    assert!(!open.is_empty());
    sees_nothing(&proxy, "in the open");
}

/// A server may repeat what it was sent, anywhere that its words are shown.
#[tokio::test]
async fn what_was_sent_is_not_repeated() {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("me:{PASSWORD}"));
    let token = "token-1-team.app";
    let echo = format!("{PASSWORD} {REFRESH} {FIXED} {basic} {token} {}{PASSWORD}", "x".repeat(60));
    let json = |echo: &str| serde_json::json!({"errors": [{"code": "E", "message": echo}]}).to_string().into_bytes();
    let faults = |home: &Registry| {
        let header = |status, name, value: String| Fault::Answer(status, vec![(name, value)], Vec::new());
        let secrets = [PASSWORD, REFRESH, FIXED, &basic, token].join("/");
        let mut faults: Vec<Fault> = [200, 400, 401, 403, 404, 418, 429, 500]
            .map(|status| Fault::Answer(status, Vec::new(), json(&echo)))
            .into();
        // Where it is cut off.
        faults.extend(
            (150..200).map(|room| Fault::Answer(400, Vec::new(), json(&format!("{}{basic}", "y".repeat(room))))),
        );
        faults.push(header(302, "location", format!("{}/{secrets}", home.url())));
        faults.push(header(302, "location", format!("ftp://evil.example.com/{secrets}")));
        faults.push(header(302, "location", format!("http://{token}.evil.example.com.localhost/{secrets}")));
        faults.push(header(401, "www-authenticate", format!("Bearer realm=\"{secrets}\"")));
        faults.push(header(401, "www-authenticate", format!("Bearer realm=\"ftp://evil.example.com/{secrets}\"")));
        faults.push(header(200, "link", format!("<https://evil.example.com/{secrets}>; rel=next")));
        faults
    };
    for way in WAYS {
        let count = faults(&Registry::start(world()).await).len();
        for number in 0..count {
            let home = Registry::start(world().guarded(way.guard())).await;
            let access = way.access(&home.host());
            let client = Client::new(settings()).unwrap();
            ask(&client, &home, &access).await;
            let fault = faults(&home).remove(number);
            broken(&home, "tags/list", fault.clone());
            broken(&home, "manifests/1.0", fault.clone());
            let said = ask(&client, &home, &access).await;
            let shown: &[&str] = match way {
                Way::Basic => &[PASSWORD, &basic, &basic[..8]],
                Way::Bearer => &[PASSWORD, &basic, token],
                Way::Refresh => &[REFRESH, token],
                Way::Fixed => &[FIXED],
            };
            assert!(!shown.iter().any(|secret| said.contains(secret)), "{way:?} {fault:?}: {said}");
        }
    }
}

/// A token server may, too, with what it was sent and with what it has given out before.
#[tokio::test]
async fn token_servers_do_not_repeat_either() {
    for way in [Way::Bearer, Way::Refresh] {
        for status in [200, 400, 401, 403, 404, 500] {
            let home = Registry::start(world().guarded(way.guard())).await;
            let echo = format!(r#"{{"details": "{PASSWORD} and {REFRESH}"}}"#);
            broken(&home, "/token", Fault::Answer(status, Vec::new(), echo.into_bytes()));
            let said = ask(&Client::new(settings()).unwrap(), &home, &way.access(&home.host())).await;
            let secret = if way == Way::Bearer { PASSWORD } else { REFRESH };
            assert!(!said.contains(secret), "{way:?} {status}: {said}");
        }
    }
}
