//! Orders on the page: who is logged in, the sentence before, the form that is good once, and what is shown afterwards.

use regex::Regex;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::world::World;

const FORM: &str = "application/x-www-form-urlencoded";

/// A server whose file knows a token that may ask, `asks`, and two that may order.
async fn with_tokens() -> World {
    let hash = |token: &str| Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    World::with_tokens(&format!(
        "grafana read {}\nann act {}\nbob act {}\n",
        hash("asks"),
        hash("orders"),
        hash("orders too")
    ))
    .await
}

/// A browser with its cookie.
pub(crate) struct Browser<'w> {
    world: &'w World,
    cookie: String,
}

/// What a browser got.
pub(crate) struct Got {
    pub(crate) code: u16,
    pub(crate) text: String,
    location: String,
    pub(crate) cookie: String,
}

impl<'w> Browser<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        Self { world, cookie: String::new() }
    }

    pub(crate) async fn logged_in(world: &'w World, token: &str) -> Self {
        let mut browser = Self::new(world);
        let got = browser.post("/login", &[("token", token), ("next", "/")]).await;
        assert_eq!((got.code, got.location.as_str()), (303, "/"), "{}", got.text);
        browser.cookie = got.cookie.split(';').next().unwrap().to_owned();
        browser
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let response = request.header("cookie", &self.cookie).send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let (location, cookie) = (header("location").unwrap_or_default(), header("set-cookie").unwrap_or_default());
        Got { code: response.status().as_u16(), location, cookie, text: response.text().await.unwrap() }
    }

    fn client() -> reqwest::Client {
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send(Self::client().get(format!("{}{path}", self.world.tcp))).await
    }

    /// Sends a form as a page from here does.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Got {
        let origin = self.world.tcp.clone();
        self.post_from(path, fields, &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await
    }

    async fn post_from(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Got {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Self::client().post(format!("{}{path}", self.world.tcp)).header("content-type", FORM);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body)).await
    }

    /// The secret of the form that asks for an order, and the sentence before it.
    async fn asked(&self, action: &str, of: &str) -> (String, String) {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("of", of).finish();
        let got = self.get(&format!("/do/{action}?{query}")).await;
        assert_eq!(got.code, 200, "{}", got.text);
        let form = Regex::new(r#"name="form" value="([^"]+)""#).unwrap();
        let form = form.captures(&got.text).unwrap_or_else(|| panic!("no form: {}", got.text))[1].to_owned();
        (form, heading(&got.text))
    }

    /// Orders something as a person does; returns the page that follows.
    async fn orders(&self, action: &str, of: &str, more: &[(&str, &str)]) -> String {
        let (form, _) = self.asked(action, of).await;
        let fields = [&[("of", of), ("form", form.as_str())], more].concat();
        let got = self.post(&format!("/do/{action}"), &fields).await;
        assert_eq!(got.code, 303, "{action} {of}: {}", got.text);
        self.get(&got.location).await.text
    }
}

fn heading(text: &str) -> String {
    let heading = Regex::new("(?s)<h1[^>]*>(.*?)</h1>").unwrap().captures(text).unwrap()[1].to_owned();
    Regex::new("<[^>]+>").unwrap().replace_all(&heading, "").into_owned()
}

fn notice(text: &str) -> String {
    let notice = Regex::new("(?s)<p class=\"notice\" role=\"status\">✓ (.*?)</p>").unwrap();
    notice.captures(text).map(|it| it[1].to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_token_logs_in_and_is_not_kept() {
    let world = with_tokens().await;
    let nobody = Browser::new(&world);
    let got = nobody.get("/policies?q=web").await;
    assert_eq!((got.code, heading(&got.text).as_str()), (401, "Log in with a token of the API."));
    assert!(got.text.contains("name=\"next\" value=\"/policies?q=web\""), "{}", got.text);
    assert!(!got.text.contains("http-equiv"), "{}", got.text);
    for path in ["/style.css", "/tagwright.js", "/login"] {
        assert_eq!(nobody.get(path).await.code, 200, "{path}");
    }
    assert_eq!(nobody.get("/api/v1/status").await.code, 401);
    // A link of another site: browsers bring a cookie of `SameSite=Strict` along once the page asks for itself.
    let led = Browser::client().get(format!("{}/", world.tcp)).header("sec-fetch-site", "cross-site");
    assert!(nobody.send(led).await.text.contains("<meta http-equiv=\"refresh\" content=\"0\">"));

    let origin = world.tcp.clone();
    for (token, headers, code) in [
        ("wrong", vec![("origin", origin.as_str())], 401),
        ("orders", vec![], 403),
        ("orders", vec![("origin", "https://evil.example.com")], 403),
        ("orders", vec![("sec-fetch-site", "cross-site")], 403),
    ] {
        let got = nobody.post_from("/login", &[("token", token)], &headers).await;
        assert_eq!((got.code, got.cookie.as_str()), (code, ""), "{token} {headers:?}");
        assert!(!got.text.contains(&format!("\"{token}\"")), "{}", got.text);
    }
    for (next, leads) in [("/policies?q=web", "/policies?q=web"), ("//evil.example.com", "/"), ("https://evil", "/")] {
        let got = nobody.post("/login", &[("token", " orders "), ("next", next)]).await;
        assert_eq!((got.code, got.location.as_str()), (303, leads));
        let attributes: Vec<&str> = got.cookie.split("; ").skip(1).collect();
        assert_eq!(attributes, ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"]);
        assert!(!got.cookie.contains("orders"), "{}", got.cookie);
    }
    let behind_tls = [("origin", "https://bot.example.com"), ("host", "bot.example.com")];
    let got = nobody.post_from("/login", &[("token", "orders")], &behind_tls).await;
    assert!(got.code == 303 && got.cookie.ends_with("; Secure"), "{}", got.cookie);

    let ann = Browser::logged_in(&world, "orders").await;
    let text = ann.get("/").await.text;
    assert!(text.contains("<span>ann</span>") && text.contains("Log out"), "{text}");
    assert_eq!(ann.get("/api/v1/status").await.code, 200, "the script asks with it");
    assert_eq!(ann.post("/api/v1/poll", &[]).await.code, 401, "and orders nothing");
    assert_eq!(ann.post_from("/logout", &[], &[]).await.code, 403);
    let got = ann.post("/logout", &[]).await;
    assert!(got.code == 303 && got.cookie.contains("Max-Age=0"), "{}", got.cookie);
    assert_eq!(ann.get("/").await.code, 401, "the cookie is good for nothing any more");

    // What the file no longer has is no login.
    let bob = Browser::logged_in(&world, "orders too").await;
    assert_eq!(bob.get("/").await.code, 200);
    std::fs::write(world.folder.path().join("tokens"), "# nobody\n").unwrap();
    assert_eq!(bob.get("/").await.code, 401);
}

#[tokio::test]
async fn whoever_may_not_act_has_the_command_and_no_button() {
    let world = with_tokens().await;
    world.order("/api/v1/automations/default/shop/suspend", "").await;
    let (ann, reader) = (Browser::logged_in(&world, "orders").await, Browser::logged_in(&world, "asks").await);
    for (path, button, command) in [
        ("/", "/do/resume?of=default%2Fshop", "tagwright resume default/shop"),
        ("/", "/do/freeze?of=*", "tagwright freeze --until TIME --reason TEXT"),
        ("/policies/default/web", "/do/hold?of=default%3Aweb", "tagwright hold default:web --reason TEXT"),
        ("/automations/default/shop", "/do/resume?of=default%2Fshop", "tagwright resume default/shop"),
    ] {
        let (acts, looks) = (ann.get(path).await.text, reader.get(path).await.text);
        assert!(acts.contains(&format!("href=\"{button}\"")), "{path}: {acts}");
        assert!(!looks.contains("/do/") && looks.contains(&format!(">{command}</code>")), "{path}: {looks}");
    }
    let asked = reader.get("/do/hold?of=default:web").await.text;
    assert!(!asked.contains("name=\"form\"") && asked.contains("tagwright hold default:web"), "{asked}");

    // Without tokens nobody is anybody.
    let open = World::start().await;
    let text = Browser::new(&open).get("/do/hold?of=default:web").await.text;
    assert!(!text.contains("name=\"form\"") && !text.contains("href=\"/login\""), "{text}");
    assert_eq!(Browser::new(&open).get("/login").await.code, 404);
}

/// Each order, about what.
const ORDERS: [(&str, &str); 9] = [
    ("hold", "default:web"),
    ("release", "default:web"),
    ("hurry", "default:web"),
    ("suspend", "default/shop"),
    ("resume", "default/shop"),
    ("poll", "*"),
    ("run", "default/shop"),
    ("freeze", "*"),
    ("unfreeze", "*"),
];

#[tokio::test]
async fn every_order_is_refused_that_no_form_of_this_login_has_asked_for() {
    let world = with_tokens().await;
    let (ann, bob) = (Browser::logged_in(&world, "orders").await, Browser::logged_in(&world, "orders too").await);
    let (again, reader) = (Browser::logged_in(&world, "orders").await, Browser::logged_in(&world, "asks").await);
    let nobody = Browser::new(&world);
    let origin = world.tcp.clone();
    for (action, of) in ORDERS {
        let path = format!("/do/{action}");
        let (form, _) = ann.asked(action, of).await;
        let fields = [("of", of), ("form", form.as_str()), ("reason", "x")];
        let refused = async |browser: &Browser<'_>, fields: &[(&str, &str)], code: u16, why: &str| {
            assert_eq!(browser.post(&path, fields).await.code, code, "{action}: {why}");
        };
        refused(&nobody, &fields, 401, "without a login").await;
        refused(&reader, &fields, 403, "with a token that may ask").await;
        refused(&bob, &fields, 403, "of somebody else").await;
        refused(&again, &fields, 403, "of another session").await;
        refused(&ann, &[("of", of), ("form", ""), ("reason", "x")], 403, "without its secret").await;
        refused(&ann, &[("of", of), ("reason", "x")], 400, "without any").await;
        let other = ORDERS.iter().find(|(it, _)| *it != action).unwrap();
        let (others, _) = ann.asked(other.0, other.1).await;
        refused(&ann, &[("of", of), ("form", &others), ("reason", "x")], 403, "of another order").await;
        for headers in [
            vec![],
            vec![("origin", "https://evil.example.com")],
            vec![("origin", "null")],
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site"), ("origin", origin.as_str())],
            vec![("sec-fetch-site", "none")],
        ] {
            assert_eq!(ann.post_from(&path, &fields, &headers).await.code, 403, "{action}: {headers:?}");
        }
        assert_eq!(world.ask("/api/v1/history").await.1["entries"].as_array().unwrap().len(), done(action), "{action}");
        assert_eq!(ann.post(&path, &fields).await.code, 303, "{action}");
        refused(&ann, &fields, 403, "sent twice").await;
    }
}

/// How many entries the orders before have left: one each.
fn done(action: &str) -> usize {
    ORDERS.iter().position(|(it, _)| *it == action).unwrap()
}

#[tokio::test]
async fn what_was_ordered_is_said_before_and_shown_with_who_did_afterwards() {
    let world = with_tokens().await;
    let ann = Browser::logged_in(&world, "orders").await;
    let check = async |action: &str, of: &str, more: &[(&str, &str)], before: &str, after: &str, shown: &str| {
        let (_, sentence) = ann.asked(action, of).await;
        assert!(sentence.starts_with(before), "{action}: {sentence}");
        let text = ann.orders(action, of, more).await;
        assert_eq!(notice(&text), after, "{action}");
        assert!(text.contains(shown), "{action}: {shown}\n{text}");
        let again = ann.get(if of == "*" { "/" } else { "/policies" }).await.text;
        assert_eq!(notice(&again), "", "told once");
    };
    let reason = [("reason", "1.2 eats data")];
    check(
        "hold",
        "default:web",
        &reason,
        "Hold default:web: its fields keep",
        "default:web is held.",
        ": 1.2 eats data</p>",
    )
    .await;
    let held = ann.get("/policies/default/web").await.text;
    assert!(held.contains("◷ held</span> by ann since <time") && held.contains("/do/release?"), "{held}");
    assert!(!held.contains("/do/hold?"), "{held}");
    check("release", "default:web", &[], "Release default:web: ", "default:web is released.", "/do/hold?").await;
    check(
        "suspend",
        "default/shop",
        &reason,
        "Suspend default/shop: ",
        "default/shop is suspended.",
        "‖ suspended</span> by ann",
    )
    .await;
    check("resume", "default/shop", &[], "Resume default/shop: ", "default/shop is resumed.", "/do/suspend?").await;
    check(
        "poll",
        "default:web",
        &[],
        "Poll the tags of ghcr.io/acme/web, then run default/shop.",
        "2 polls and runs are due now.",
        "",
    )
    .await;
    check(
        "run",
        "default/shop",
        &[],
        "Run default/shop on what the last polls came to",
        "default/shop is due now.",
        "",
    )
    .await;
    let week = [("reason", "the fair"), ("hours", "168")];
    check(
        "freeze",
        "*",
        &week,
        "Freeze everything: ",
        "Everything is frozen.",
        "(the fair); <code>tagwright unfreeze</code> lifts it; ordered by ann",
    )
    .await;
    let frozen = ann.get("/do/run?of=default/shop").await.text;
    assert!(frozen.contains("It is frozen at the moment"), "{frozen}");
    check("unfreeze", "*", &[], "Unfreeze everything: ", "Everything is no longer frozen by hand.", "").await;
    check("freeze", "default/shop", &[("hours", "")], "Freeze default/shop: ", "default/shop is frozen.", "").await;

    let (_, history) = world.ask("/api/v1/history").await;
    let rows: Vec<_> = history["entries"].as_array().unwrap().iter().map(|it| [&it["event"], &it["by"]]).collect();
    let events = [
        "frozen",
        "unfrozen",
        "frozen",
        "runOrdered",
        "pollOrdered",
        "automationResumed",
        "automationSuspended",
        "policyReleased",
        "policyHeld",
    ];
    assert_eq!(json!(rows), json!(events.map(|event| [event, "ann"])));
    assert_eq!(history["entries"][8]["message"], "1.2 eats data");

    for (path, code) in [
        ("/do/hold?of=default/shop", 404),
        ("/do/suspend?of=default:web", 404),
        ("/do/hold?of=default:wep", 404),
        ("/do/run?of=*", 404),
        ("/do/poll?of=default/*", 404),
        ("/do/dance?of=*", 404),
        ("/do/hold", 404),
    ] {
        assert_eq!(ann.get(path).await.code, code, "{path}");
    }
    for (action, of, field, value) in [
        ("hurry", "default:web", "reason", " "),
        ("freeze", "*", "hours", "x"),
        ("hold", "default:web", "reason", "a\nb"),
    ] {
        let (form, _) = ann.asked(action, of).await;
        let got = ann.post(&format!("/do/{action}"), &[("of", of), ("form", &form), (field, value)]).await;
        assert_eq!(got.code, 400, "{action}: {}", got.text);
    }
}
