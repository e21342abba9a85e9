//! The status page as a browser without scripts has it.

use std::collections::{BTreeSet, VecDeque};

use regex::Regex;

use crate::world::World;

/// A page: its status, its policy for what may be loaded, its text.
async fn page(world: &World, path: &str) -> (u16, String, String) {
    let (client, base) = world.public();
    let response = client.get(format!("{base}{path}")).send().await.unwrap();
    let policy = response.headers().get("content-security-policy").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), policy.unwrap_or_default(), response.text().await.unwrap())
}

fn heading(text: &str) -> String {
    let headings: Vec<_> =
        Regex::new("(?s)<h1[^>]*>(.*?)</h1>").unwrap().captures_iter(text).map(|it| it[1].to_owned()).collect();
    assert_eq!(headings.len(), 1, "{text}");
    Regex::new("<[^>]+>").unwrap().replace_all(&headings[0], "").into_owned()
}

#[tokio::test]
async fn every_view_says_in_its_first_line_what_it_is_about() {
    let world = World::start().await;
    for (path, line) in [
        ("/", "Nothing needs attention; 1 of 2 policies have not been polled yet."),
        ("/policies", "2 policies, 2 not current"),
        ("/policies?q=web", "1 policy of 2, 1 not current"),
        ("/policies?q=state:suspended+image:docker.io", "1 policy of 2, 1 not current"),
        ("/policies?q=ns:other", "0 policies of 2, 0 not current"),
        ("/policies/default/web", "default:web not polled yet"),
        ("/automations", "1 automation, 1 not current"),
        ("/automations/default/shop", "default/shop not run yet"),
        ("/history", "Nothing is written down."),
        ("/holds", "No update is held."),
        ("/registries", "2 registries, none fails or throttles."),
        ("/remotes", "1 Git remote, none fails."),
        ("/replicas", "This process does all of the work."),
        ("/history?about=default:web", "Nothing is written down."),
    ] {
        let (code, policy, text) = page(&world, path).await;
        assert_eq!((code, heading(&text).as_str()), (200, line), "{path}");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
    world.order("/api/v1/automations/default/shop/suspend", r#"{"reason": "the cluster moves"}"#).await;
    world.order("/api/v1/freeze", r#"{"reason": "the fair"}"#).await;
    let (_, _, text) = page(&world, "/").await;
    assert_eq!(heading(&text), "1 thing needs attention.");
    assert!(text.contains("tagwright resume default/shop") && text.contains("the fair"), "{text}");
    assert!(text.contains("the cluster moves"), "it is in what changed last: {text}");
    let (_, _, text) = page(&world, "/history").await;
    assert!(heading(&text).starts_with("0 commits and 2 other entries since "), "{text}");
    assert!(text.contains("by socket"), "{text}");
}

/// Follows each link from the overview on.
#[tokio::test]
async fn every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere() {
    let world = World::start().await;
    world.order("/api/v1/policies/default/web/hold", r#"{"reason": "x"}"#).await;
    for number in 0..60 {
        world.order("/api/v1/policies/default/web/hold", &format!(r#"{{"reason": "{number}"}}"#)).await;
    }
    let link = Regex::new(r#"(?:href|src|action)="([^"]*)""#).unwrap();
    let handler = Regex::new(r"<[^>]* on[a-z]+=").unwrap();
    let (mut seen, mut left) = (BTreeSet::from(["/".to_owned()]), VecDeque::from(["/".to_owned()]));
    while let Some(path) = left.pop_front() {
        let (code, _, text) = page(&world, &path).await;
        assert_eq!(code, 200, "{path}");
        if path.starts_with("/style.css?v=") {
            assert!(text.len() < 20 * 1024 && !text.contains("url("), "{}", text.len());
            continue;
        }
        if path.starts_with("/tagwright.js?v=") {
            assert!(text.len() < 15 * 1024 && !text.contains("innerHTML") && !text.contains("eval("), "{}", text.len());
            continue;
        }
        let scripts = text.matches("<script").count();
        assert!(scripts == 1 && text.contains("<script src=\"/tagwright.js?v="), "{path}: {text}");
        assert!(!text.contains("style="), "{path}: {text}");
        assert!(!handler.is_match(&text), "{path}: {text}");
        assert!(text.starts_with("<!doctype html>") && text.contains("<html lang=\"en\">"), "{path}");
        for found in link.captures_iter(&text) {
            let target = found[1].replace("&amp;", "&");
            if target.starts_with('#') || target.starts_with("data:,") {
                continue;
            }
            let target =
                if target.starts_with('?') { format!("{}{target}", path.split('?').next().unwrap()) } else { target };
            assert!(target.starts_with('/') && !target.starts_with("//"), "{path} leads to {target}");
            // That one asks a remote.
            if !target.contains("plan=") && seen.insert(target.clone()) {
                left.push_back(target);
            }
        }
    }
    for path in [
        "/policies/default/web",
        "/automations/default/shop",
        "/history",
        "/holds",
        "/registries",
        "/remotes",
        "/replicas",
    ] {
        assert!(seen.contains(path), "{path}: {seen:?}");
    }
    assert!(seen.iter().any(|path| path.starts_with("/history?before=")), "{seen:?}");
}

#[tokio::test]
async fn what_others_wrote_is_text_and_nothing_else() {
    let world = World::start().await;
    let evil = r#"{"reason": "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"}"#;
    world.order("/api/v1/policies/default/web/hold", evil).await;
    world.order("/api/v1/freeze", evil).await;
    for path in [
        "/",
        "/history",
        "/policies/default/web",
        "/policies/default/web?tag=%22%3E%3Cscript%3Ealert(4)%3C/script%3E",
        "/history?about=%22%3E%3Cscript%3Ealert(5)%3C/script%3E",
        "/policies?q=%22%3E%3Cscript%3Ealert(3)%3C/script%3E",
    ] {
        let (code, _, text) = page(&world, path).await;
        assert_eq!(code, 200, "{path}");
        assert!(text.matches("<script").count() == 1 && !text.contains("<img"), "{path}: {text}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_on_a_page() {
    let world = World::start().await;
    for (path, line) in [
        ("/policies/default/wep", "There is no policy default:wep."),
        ("/automations/default/web", "There is no automation default/web."),
    ] {
        let (code, _, text) = page(&world, path).await;
        assert_eq!((code, heading(&text).as_str()), (404, line));
        assert!(text.contains("href=\"/\""));
    }
    assert_eq!(page(&world, "/policies?page=x").await.0, 400);
    assert_eq!(page(&world, "/history?before=x").await.0, 400);
    // Whoever is not let in sees nothing of it.
    let (client, base) = world.public();
    let rebound = client.get(format!("{base}/")).header("host", "evil.example.com").send().await.unwrap();
    assert_eq!(rebound.status(), 403);
}

#[tokio::test]
async fn a_request_names_one_host() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::start().await;
    let address = world.tcp.strip_prefix("http://").unwrap();
    for hosts in [["localhost", "evil.example.com"], ["evil.example.com", "localhost"], ["localhost", "localhost"]] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let [one, two] = hosts;
        let head = format!("GET /api/v1/status HTTP/1.1\r\nHost: {one}\r\nHost: {two}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts:?}: {answer}");
    }
}

#[tokio::test]
async fn why_not_another_tag() {
    let world = World::start().await;
    let (_, _, text) = page(&world, "/policies/default/web?tag=2.0.0").await;
    assert!(
        text.contains(
            "2.0.0 is not selected: it is not among the 0 tags of ghcr.io/acme/web; if it were, it would be rejected"
        ),
        "{text}"
    );
    let (_, _, text) = page(&world, "/policies/default/web?tag=1.4.0").await;
    assert!(text.contains("if it were, it would be selected"), "{text}");
    let (code, one) = world.ask("/api/v1/policies/default/web/tags/2.0.0").await;
    assert_eq!((code, &one["cause"], &one["selected"]), (200, &"not-listed".into(), &false.into()), "{one}");
}

/// What the page says how a policy is configured is read as that policy.
#[tokio::test]
async fn a_policy_is_shown_as_it_can_be_written() {
    const SPEC: &str = "
apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {name: shop, namespace: prod}
spec:
  git: {url: https://git.example.com/acme/config.git, branch: main}
  images:
";
    let images = [
        "  - {name: web, image: ghcr.io/acme/web, policy: {semver: {range: '>=1.0 <2.0 || 3.x'}}, minimumAge: 36h, pin: digest}",
        "  - {name: day, image: ghcr.io/acme/day, policy: {calver: {format: YYYY.MM.DD}}, exclude: [2026.01.02, '/rc/'], together: g}",
        "  - name: num\n    image: localhost:5000/num\n    policy: {numerical: {order: desc}}\n    filterTags: {pattern: '^build-(?P<n>\\d+)$', extract: '$n'}",
        "  - {name: abc, image: ghcr.io/acme/abc, policy: {alphabetical: {}}, exclusionList: ['^x'], platforms: [linux/arm/v7], pullable: {}, allowDowngrade: true, suspend: true}",
    ];
    let text = format!("{SPEC}{}\n", images.join("\n"));
    let before = tagwright::config::parse("a.yaml", &text).unwrap().automations.remove(0);
    let world = World::with_configuration(&text).await;
    let shown = Regex::new("(?s)<pre class=\"yaml\">(.*?)</pre>").unwrap();
    for policy in &before.policies {
        let path = format!("/policies/prod/{}", policy.id.name);
        let (_, _, page) = page(&world, &path).await;
        let yaml = shown.captures(&page).unwrap()[1].to_owned();
        let yaml = yaml
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#38;", "&");
        let again = tagwright::config::parse(
            "b.yaml",
            &format!("{SPEC}{}", yaml.replace("\n", "\n  ").replacen("- ", "  - ", 1)),
        );
        let again = again.unwrap_or_else(|error| panic!("{yaml}\n{error:?}")).automations.remove(0);
        assert!(policy.selects_as(&again.policies[0]), "{yaml}");
        assert_eq!(again.policies[0].id, policy.id);
    }
}
