//! A law over generated servers: whatever three servers redirect to, ask for, link to and repeat, no proof leaves its host, and
//! nothing that was sent as proof is in what is said in the end.

use image::Tag;
use proptest::prelude::*;
use registry::Client;

use crate::simulated::{Fault, Registry, Seen, World};
use crate::{repository, settings, with_logins};

const PASSWORD: &str = "pa55-of-the-home";
const TOKEN: &str = "t0ken-that-is-given-out";

/// What a server does with one request. Targets are numbers of servers; the first one is the home.
#[derive(Debug, Clone)]
enum Act {
    Tags,
    Redirect(u16, usize, &'static str),
    Basic,
    Bearer(usize),
    Link(usize),
    Echo(u16),
    Token,
}

fn act() -> impl Strategy<Value = Act> {
    let status = prop::sample::select(vec![301u16, 302, 303, 307, 308]);
    let path = prop::sample::select(vec!["/v2/team/app/tags/list", "/v2/team/app/manifests/1.0", "/token", "/x"]);
    prop_oneof![
        Just(Act::Tags),
        (status, 0..3usize, path).prop_map(|(status, target, path)| Act::Redirect(status, target, path)),
        Just(Act::Basic),
        (0..3usize).prop_map(Act::Bearer),
        (0..3usize).prop_map(Act::Link),
        prop::sample::select(vec![200u16, 400, 401, 403, 404, 500]).prop_map(Act::Echo),
        Just(Act::Token),
    ]
}

fn basic() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("me:{PASSWORD}"))
}

fn fault(act: &Act, urls: &[String]) -> Fault {
    let tags = r#"{"tags": ["1.0", "1.1"]}"#.as_bytes().to_vec();
    let answer = |status, name, value: String, body| Fault::Answer(status, vec![(name, value)], body);
    match act {
        Act::Tags => Fault::body(tags),
        Act::Redirect(status, target, path) => {
            answer(*status, "location", format!("{}{path}?from={PASSWORD}", urls[*target]), Vec::new())
        }
        Act::Basic => answer(401, "www-authenticate", "Basic realm=x".to_owned(), Vec::new()),
        Act::Bearer(target) => {
            answer(401, "www-authenticate", format!("Bearer realm=\"{}/token\",service=s", urls[*target]), Vec::new())
        }
        Act::Link(target) => {
            let link = format!("<{}/v2/team/app/tags/list?last=1.1&t={TOKEN}>; rel=next", urls[*target]);
            answer(200, "link", link, tags)
        }
        Act::Echo(status) => {
            let said = format!("{PASSWORD} {TOKEN} {}", basic());
            let body = serde_json::json!({"errors": [{"code": said, "message": said}], "details": said});
            Fault::Answer(*status, Vec::new(), body.to_string().into_bytes())
        }
        Act::Token => Fault::body(format!(r#"{{"token": "{TOKEN}", "expires_in": 300}}"#)),
    }
}

/// Whether a server that is not the home saw what it may not see: any header, except for the login at the token server that the
/// home has named, wherever that one redirects to itself. What the servers themselves have put into addresses is theirs.
fn is_leak(seen: &Seen, is_named: bool) -> bool {
    match &seen.authorization {
        Some(header) if is_named => !header.starts_with("Basic "),
        Some(_) => true,
        None => seen.cookie.is_some(),
    }
}

async fn holds(acts: [Vec<Act>; 3]) -> Result<(), TestCaseError> {
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Registry::start(World::with("team/app", ["1.0", "1.1"])).await);
    }
    let urls: Vec<String> = servers.iter().map(Registry::url).collect();
    for (server, acts) in servers.iter().zip(&acts) {
        let faults = acts.iter().map(|act| (String::new(), fault(act, &urls)));
        server.change(|world| world.faults.extend([("/v2/".to_owned(), Fault::body("{}"))].into_iter().chain(faults)));
    }
    let named = |target: usize| acts[0].iter().any(|act| matches!(act, Act::Bearer(realm) if *realm == target));
    let access = with_logins(&[(&servers[0].host(), "me", PASSWORD)]);
    let (client, image) = (Client::new(settings()).unwrap(), repository(&servers[0].host(), "team/app"));
    let mut said = String::new();
    for _ in 0..2 {
        let listed = client.tags(&image, &access).await;
        said.push_str(&listed.map_or_else(|error| format!("{error} {error:?}"), |list| list.refused_sample.join(" ")));
        let digest = client.digest(&image, &Tag::parse("1.0").unwrap(), &access).await;
        said.push_str(&digest.map_or_else(|error| format!("{error} {error:?}"), |digest| digest.as_str().to_owned()));
    }
    for (number, server) in servers.iter().enumerate().skip(1) {
        for seen in server.seen() {
            prop_assert!(!is_leak(&seen, named(number)), "server {number}: {seen:?}");
        }
    }
    let sent: Vec<String> = servers.iter().flat_map(Registry::seen).filter_map(|seen| seen.authorization).collect();
    let was_sent = |text: &str| sent.iter().any(|header| header.contains(text));
    prop_assert!(!said.contains(PASSWORD) && !said.contains(&basic()), "{said}");
    // A token is known from the first time that it is sent, which may be after a server has said it.
    let given = acts.iter().flatten().any(|act| matches!(act, Act::Token));
    prop_assert!(!was_sent(TOKEN) || given, "{sent:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_proof_leaves_its_host_and_none_is_shown(
        home in prop::collection::vec(act(), 0..10),
        other in prop::collection::vec(act(), 0..6),
        third in prop::collection::vec(act(), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds([home, other, third]))?;
    }
}
