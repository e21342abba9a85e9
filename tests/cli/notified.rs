//! Notifications of `run --once`, and what `doctor` says of where they go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::registry::Fault;
use crate::site::{SHOP, Site, background, native};

/// A program that takes events, and a forge.
struct Program {
    address: String,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
    /// Who sent it, by what they say.
    agents: Arc<Mutex<Vec<String>>>,
    refuses: Arc<AtomicBool>,
    _runtime: Runtime,
}

impl Program {
    fn start() -> Self {
        let (runtime, heard) = (background(), Arc::new(Mutex::new(Vec::new())));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (kept, refuses) = (Arc::clone(&heard), Arc::new(AtomicBool::new(false)));
        let (is_refused, agents) = (Arc::clone(&refuses), Arc::new(Mutex::new(Vec::new())));
        let senders = Arc::clone(&agents);
        let take = move |request: Request<Body>| async move {
            let path = request.uri().path().to_owned();
            let agent = request.headers().get("user-agent").map(|it| it.to_str().unwrap().to_owned());
            senders.lock().unwrap().extend(agent);
            let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
            kept.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap()));
            if is_refused.load(Ordering::SeqCst) { (StatusCode::FORBIDDEN, "no") } else { (StatusCode::OK, "{}") }
        };
        let router = Router::new().fallback(take);
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, heard, agents, refuses, _runtime: runtime }
    }

    /// What was told since the last time: path, reason and message.
    fn heard(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        heard.into_iter().map(|(path, body)| (path, text(&body, "reason"), text(&body, "message"))).collect()
    }
}

fn site(program: &Program) -> Site {
    let site = Site::new(&["1.0.0", "1.1.0"], SHOP);
    site.configure("shop.yaml", &native("shop", "app", "branch: main", ""));
    let told = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: Notification\nmetadata: {{name: events}}\n\
         spec: {{type: generic, address: '{}/events'}}\n",
        program.address
    );
    site.configure("told.yaml", &told);
    site
}

#[test]
fn a_single_run_tells_before_it_ends() {
    let program = Program::start();
    let site = site(&program);
    let dry = site.run(&["--dry-run"]);
    assert_eq!((dry.code, program.heard().len()), (3, 0), "{dry:?}");
    let run = site.run(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    let heard = program.heard();
    let [(path, reason, message)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((path.as_str(), reason.as_str()), ("/events", "pushed"));
    assert!(message.starts_with("default/shop: pushed ") && message.ends_with(", 1 change"), "{message}");
    // Nothing new is no news.
    assert_eq!((site.run(&[]).code, program.heard().len()), (0, 0));
    let break_it = |is_broken: bool| {
        site.registry.change(|world| {
            world.broken.clear();
            if is_broken {
                world.broken.insert("tags/list".to_owned(), Fault::error(403, "DENIED", "not for you"));
            }
        });
    };
    break_it(true);
    assert_eq!(site.run(&[]).code, 1);
    let heard = program.heard();
    let [(_, reason, message)] = &heard[..] else { panic!("{heard:?}") };
    assert!(reason == "failing" && message.contains("not for you"), "{message}");
    // With a folder for its memory, the next run does not tell it again, and the last one tells its end.
    let reasons = || -> Vec<String> { program.heard().into_iter().map(|(_, reason, _)| reason).collect() };
    for expect in [&["failing"][..], &[]] {
        assert_eq!(site.run(&["--data-dir=data"]).code, 1);
        assert_eq!(reasons(), expect);
    }
    break_it(false);
    for expect in [&["recovered"][..], &[]] {
        assert_eq!(site.run(&["--data-dir=data"]).code, 0);
        assert_eq!(reasons(), expect);
    }
}

/// What was lost is told by the next run; and whoever comes later hears of what fails as well.
#[test]
fn what_has_not_arrived_is_told_by_the_next_run() {
    let program = Program::start();
    let site = site(&program);
    assert_eq!((site.run(&[]).code, program.heard().len()), (0, 1));
    let told = |path: &str| {
        format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: Notification\nmetadata: {{name: of{}}}\n\
             spec: {{type: generic, address: '{}{path}', sources: [{{kind: ImageRepository, name: app}}]}}\n",
            path.replace('/', "-"),
            program.address
        )
    };
    site.configure("told.yaml", &told("/a"));
    let step = |is_broken: bool, refuses: bool, expect: &[(&str, &str)]| {
        site.registry.change(|world| {
            world.broken.clear();
            if is_broken {
                world.broken.insert("tags/list".to_owned(), Fault::error(403, "DENIED", "not for you"));
            }
        });
        program.refuses.store(refuses, Ordering::SeqCst);
        assert_eq!(site.run(&["--data-dir=data"]).code, i32::from(is_broken));
        let mut heard: Vec<(String, String)> =
            program.heard().into_iter().map(|(path, reason, _)| (path, reason)).collect();
        heard.sort_unstable();
        let heard: Vec<(&str, &str)> = heard.iter().map(|(path, reason)| (path.as_str(), reason.as_str())).collect();
        assert_eq!(heard, expect);
    };
    step(true, true, &[("/a", "failing")]);
    step(true, false, &[("/a", "failing")]);
    step(true, false, &[]);
    site.configure("later.yaml", &told("/b"));
    step(true, false, &[("/b", "failing")]);
    step(false, true, &[("/a", "recovered"), ("/b", "recovered")]);
    step(false, false, &[("/a", "recovered"), ("/b", "recovered")]);
    step(false, false, &[]);
}

/// Flux's own documents: events are about them, and say who sends.
#[test]
fn an_event_is_about_the_object_that_was_written() {
    let program = Program::start();
    let site = Site::new(&["1.0.0", "1.1.0"], &SHOP.replace("default:app", "flux-system:app"));
    let url = site.remote.path();
    let image = format!("{}/team/app", site.registry.host());
    let of = |group: &str, kind: &str, name: &str, spec: &str| {
        format!(
            "apiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}, namespace: flux-system}}\nspec: {spec}\n---\n"
        )
    };
    let documents = [
        of(
            "source.toolkit.fluxcd.io/v1",
            "GitRepository",
            "config",
            &format!("{{interval: 1m, url: {url}, ref: {{branch: main}}}}"),
        ),
        of("image.toolkit.fluxcd.io/v1", "ImageRepository", "app", &format!("{{interval: 1m, image: {image}}}")),
        of(
            "image.toolkit.fluxcd.io/v1",
            "ImagePolicy",
            "app",
            "{imageRepositoryRef: {name: app}, policy: {semver: {range: 1.x}}}",
        ),
        of(
            "image.toolkit.fluxcd.io/v1",
            "ImageUpdateAutomation",
            "fleet",
            "{interval: 1h, sourceRef: {kind: GitRepository, name: config}, git: {commit: {author: {email: bot@example.com}}}}",
        ),
        of(
            "notification.toolkit.fluxcd.io/v1beta3",
            "Provider",
            "program",
            &format!("{{type: generic, address: '{}/flux'}}", program.address),
        ),
        of(
            "notification.toolkit.fluxcd.io/v1beta3",
            "Alert",
            "all",
            "{providerRef: {name: program}, eventSources: [{kind: ImageUpdateAutomation, name: '*'}], eventMetadata: {env: prod}}",
        ),
    ];
    site.configure("shop.yaml", &documents.concat());
    let run = site.run(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    let heard = std::mem::take(&mut *program.heard.lock().unwrap());
    let [(path, body)] = &heard[..] else { panic!("{heard:?} {run:?}") };
    assert_eq!(path, "/flux");
    let expect = serde_json::json!({
        "apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImageUpdateAutomation", "namespace": "flux-system", "name": "fleet"
    });
    assert_eq!((&body["involvedObject"], &body["metadata"]["env"]), (&expect, &"prod".into()), "{body}");
    let agents = std::mem::take(&mut *program.agents.lock().unwrap());
    assert_eq!(agents, [concat!("tagwright/", env!("CARGO_PKG_VERSION"))]);
}

#[test]
fn what_is_submitted_is_told_as_commits_of_automations_are() {
    let program = Program::start();
    let site = site(&program);
    let sync = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: rendered}}\n\
         spec: {{url: {}, branch: main, path: prod}}\n---\n\
         apiVersion: tagwright.dev/v1alpha1\nkind: Notification\nmetadata: {{name: of-syncs}}\n\
         spec: {{type: generic, address: '{}/syncs', sources: [{{kind: GitSync, name: rendered}}]}}\n",
        site.remote.path(),
        program.address
    );
    site.configure("sync.yaml", &sync);
    site.remote.commit(&[("prod/shop/configmap-theirs.yaml", "a: b\n")], "somebody's");
    let resource = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n";
    let submit = |more: &[&str]| {
        let run = site.world.feed(resource, [&["submit", "-", "--config=config", "--sync=rendered"], more].concat());
        assert!([0, 3].contains(&run.code), "{run:?}");
        let mut heard = std::mem::take(&mut *program.heard.lock().unwrap());
        heard.sort_by(|one, other| one.0.cmp(&other.0));
        heard
    };
    assert_eq!(submit(&["--dry-run"]).len(), 0);
    let heard = submit(&[]);
    let paths: Vec<&str> = heard.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/events", "/syncs"], "{heard:?}");
    let body = &heard[1].1;
    assert_eq!((&body["involvedObject"]["kind"], &body["reason"]), (&"GitSync".into(), &"pushed".into()), "{body}");
    let commit = site.remote.at("main");
    let expect = format!(
        "default/rendered: pushed {} to main of {}, 1 new of what was submitted",
        &commit[..7],
        site.remote.path()
    );
    assert_eq!(body["message"].as_str(), Some(expect.as_str()));
    assert_eq!(submit(&[]).len(), 0, "nothing new is no news");

    // What fails is told once, where that can be remembered, and its end, too.
    let reasons = |name: &str, code: i32| {
        let resource = resource.replace("name: a", &format!("name: {name}"));
        let run = site.world.feed(&resource, ["submit", "-", "--config=config", "--sync=rendered", "--data-dir=data"]);
        assert_eq!(run.code, code, "{run:?}");
        let heard = program.heard().into_iter().filter(|(path, ..)| path == "/syncs");
        let mut reasons: Vec<String> = heard.map(|(_, reason, _)| reason).collect();
        reasons.sort();
        reasons
    };
    assert_eq!(reasons("theirs", 2), ["failing"]);
    assert_eq!(reasons("theirs", 2), Vec::<String>::new());
    assert_eq!(reasons("b", 0), ["pushed", "recovered"]);
}

#[test]
fn doctor_says_that_nobody_is_there_and_a_bot_works_without() {
    let program = Program::start();
    let site = site(&program);
    let told = site.world.read("config/told.yaml").replace(&program.address, "http://127.0.0.1:1");
    site.world.write("config/told.yaml", told);
    let doctor = site.world.run(["doctor", "--config=config", "--data-dir=data"]);
    let line = "warning  notification   127.0.0.1:1: takes no connections: connection refused\n";
    assert!(doctor.code == 0 && doctor.stdout.contains(line), "{doctor:?}");
}

#[test]
fn doctor_tries_where_notifications_go_and_sends_nothing() {
    let program = Program::start();
    let site = site(&program);
    let host = program.address.trim_start_matches("http://");
    let doctor = site.world.run(["doctor", "--config=config", "--data-dir=data"]);
    assert!(doctor.stdout.contains(&format!("notification   {host}: takes connections")), "{doctor:?}");
    assert_eq!(program.heard().len(), 0);
}

/// The image says what it was built from, and that commit is marked.
#[test]
fn the_commit_that_an_image_was_built_from_is_told_where_it_is() {
    let program = Program::start();
    let site = site(&program);
    let revision = "ab".repeat(20);
    let labels = serde_json::json!({
        "org.opencontainers.image.source": format!("{}/acme/app.git", program.address),
        "org.opencontainers.image.revision": revision,
    });
    let config = serde_json::json!({"os": "linux", "architecture": "amd64", "config": {"Labels": labels}});
    site.registry.change(|world| drop(world.push("team/app", "1.2.0", &config)));
    let told = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: Notification\nmetadata: {{name: commits}}\n\
         spec: {{type: gitea, address: '{}/acme', environment: prod, secretRef: {{name: token}}}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: token}}\nstringData: {{token: s3cret}}\n",
        program.address
    );
    site.configure("told.yaml", &told);
    let run = site.run(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    let heard = std::mem::take(&mut *program.heard.lock().unwrap());
    let [(path, body)] = &heard[..] else { panic!("{heard:?} {run:?}") };
    assert_eq!(*path, format!("/api/v1/repos/acme/app/statuses/{revision}"));
    let commit = site.remote.at("main");
    assert_eq!(body["description"], format!("deployed to prod by {}", &commit[..7]));
    assert_eq!((&body["state"], &body["context"]), (&"success".into(), &"tagwright".into()));
}
