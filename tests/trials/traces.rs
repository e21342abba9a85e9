//! Traces: what a bot does, as a collector sees it, and that no collector is in the way.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bot::{Bot, Shape, TIMEOUT, World, eventually};
use crate::collector::{Answer, Collector, Span, tree};

/// Nothing is done by itself.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs everything once, with these arguments and variables.
fn once(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = world.command("once");
    command.arg("--once").args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn collector(world: &World, answer: Answer) -> Collector {
    world.block_on(Collector::start(answer))
}

fn warnings(ran: &Output) -> Vec<Value> {
    let log = String::from_utf8_lossy(&ran.stderr).into_owned();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["level"] == "WARN").collect()
}

/// A span with what came of it.
fn shown(span: &Span) -> String {
    let status = span.attributes.get("http.response.status_code").cloned().unwrap_or_default();
    let place = span.attributes.get("url.full").map(|url| url.rsplit_once(":").unwrap().1.to_owned());
    let place =
        place.map(|place| place.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned()).unwrap_or_default();
    let error = span.attributes.get("error.type").filter(|_| status.is_empty()).cloned().unwrap_or_default();
    [place, status, error].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn only<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {found:#?}");
    found[0]
}

#[track_caller]
fn has(span: &Span, attributes: &[(&str, &str)]) {
    for (key, value) in attributes {
        assert_eq!(span.attributes.get(*key).map(String::as_str), Some(*value), "{key}: {span:#?}");
    }
}

const ONE_PASS: &str = "\
pass
  poll
    GET /v2/ connect
    GET /v2/ 200
    GET /v2/shop/app-0/tags/list 200
    select
  run
    advertise
      GET /repo.git/info/refs 200
      POST /repo.git/git-upload-pack 200
    fetch
      POST /repo.git/git-upload-pack 200
    plan
      scan
    history
    commit
    push
      GET /repo.git/info/refs 200
      POST /repo.git/git-receive-pack 200
";

#[test]
fn a_pass_is_one_trace_from_the_tags_to_the_push() {
    let world = World::start(Shape::new(1, 1, INTERVAL));
    world.release(0);
    let collector = collector(&world, Answer::Taken);
    let ran = once(
        &world,
        &["--otlp-endpoint", &format!("{}/otel/", collector.url())],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret-of-traces,x-scope=shop"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_SERVICE_NAME", "images"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod"),
            ("TAGWRIGHT_GIT_HOST", "127.0.0.1"),
            ("TAGWRIGHT_GIT_TOKEN", "s3cret-of-git"),
        ],
    );
    assert!(ran.status.success(), "{ran:?}");
    let sent = collector.sent();
    assert_eq!(sent[0].path, "/otel/v1/traces");
    assert_eq!(sent[0].headers["authorization"], "Bearer s3cret-of-traces");
    assert_eq!(
        (&sent[0].headers["x-scope"], &sent[0].headers["content-type"]),
        (&"shop".parse().unwrap(), &"application/x-protobuf".parse().unwrap())
    );
    let resource = collector.resource();
    assert_eq!((&*resource["service.name"], &*resource["deployment.environment.name"]), ("images", "prod"));

    let spans = collector.spans();
    let trace = spans[0].trace.clone();
    assert_eq!(tree(&spans, &trace, shown), ONE_PASS);
    assert!(spans.iter().all(|span| span.trace == trace));
    let history = world.history();
    let commit = world.remote.at("main");
    assert_eq!(history.updates(), 1);
    let image = format!("[{}:1.0.1]", world.image(0));
    let (push, run) = (only(&spans, "push"), only(&spans, "run"));
    has(
        push,
        &[
            ("vcs.ref.head.name", "main"),
            ("vcs.ref.head.revision", &commit),
            ("vcs.repository.url.full", &world.server.url()),
        ],
    );
    has(run, &[("tagwright.automations", "[default/shop-0]"), ("tagwright.commits", &format!("[{commit}]"))]);
    let of_commit = [
        ("tagwright.automation", "default/shop-0"),
        ("tagwright.policies", "[default:app-0]"),
        ("tagwright.images", &*image),
        ("vcs.ref.head.revision", &*commit),
    ];
    has(only(&spans, "commit"), &of_commit);
    has(
        only(&spans, "select"),
        &[("tagwright.policy", "default:app-0"), ("tagwright.selected", "1.0.1"), ("tagwright.tags", "2")],
    );
    has(
        only(&spans, "poll"),
        &[("tagwright.changed", "1"), ("tagwright.images", &image), ("tagwright.repository", "default/app-0")],
    );

    // What is secret is in no span, and what belongs to a span says so in the log.
    for sent in &sent {
        let text = String::from_utf8_lossy(&sent.body);
        assert!(!text.contains("s3cret") && !text.contains("n=1000"), "{text}");
    }
    let log = String::from_utf8_lossy(&ran.stderr);
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let pushed = lines.iter().find(|line| line["message"] == "pushed a commit").unwrap();
    assert_eq!((&pushed["trace_id"], &pushed["span_id"]), (&json!(trace), &json!(run.id)));
    assert!(!log.contains("s3cret"));
    // Nobody else hears of it.
    assert!(world.registry.seen().iter().all(|seen| !seen.headers.to_lowercase().contains("traceparent")));
}

/// A bot with two images, and what tells it of tags.
struct Trial {
    world: World,
    collector: Collector,
    bot: Bot,
    address: String,
}

impl Trial {
    fn start() -> Self {
        let world = World::start(Shape::new(2, 1, INTERVAL));
        let receiver = "apiVersion: tagwright.dev/v1alpha1\nkind: Receiver\nmetadata: {name: ci}\n\
                        spec: {type: generic, secretRef: {name: hook}}\n---\napiVersion: v1\nkind: Secret\n\
                        metadata: {name: hook}\nstringData: {token: s3cret-of-the-hook}\n";
        std::fs::write(world.path("config/hooks.yaml"), receiver).unwrap();
        let collector = collector(&world, Answer::Taken);
        world.release(0);
        world.release(1);
        let mut command = world.command("bot");
        command.args(["--listen", "127.0.0.1:0"]).env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url());
        let bot = Bot::start(command.env("OTEL_BSP_SCHEDULE_DELAY", "50"));
        let started = bot.wait_for(0, TIMEOUT, |line| line["message"] == "started").unwrap();
        let address = started["listen"].as_str().unwrap().to_owned();
        Self { world, collector, bot, address }
    }

    /// Waits until a commit is in the branch and its push among the spans. Returns all spans, and the push.
    fn pushed(&self, is: impl Fn() -> bool) -> (Vec<Span>, Span) {
        eventually("the tags are committed", TIMEOUT, is);
        let commit = self.world.remote.at("main");
        let of_commit = |span: &Span| span.name == "push" && span.attributes["vcs.ref.head.revision"] == commit;
        // A span is there once its children are, and it has ended.
        let run = |push: &Span, spans: &[Span]| spans.iter().any(|span| span.id == push.parent);
        eventually("the run is sent", TIMEOUT, || {
            let spans = self.collector.spans();
            spans.iter().find(|span| of_commit(span)).is_some_and(|push| run(push, &spans))
        });
        let spans = self.collector.spans();
        let push = spans.iter().find(|span| of_commit(span)).unwrap().clone();
        (spans, push)
    }
}

#[test]
fn a_run_that_takes_up_several_polls_belongs_to_the_first_and_names_the_others() {
    let mut trial = Trial::start();
    let (spans, push) = trial.pushed(|| trial.world.says(0, 1) && trial.world.says(1, 1));
    let run = spans.iter().find(|span| span.id == push.parent).unwrap();
    let polls: BTreeSet<(String, String)> = spans
        .iter()
        .filter(|span| span.name == "poll" && span.attributes["tagwright.changed"] == "1")
        .map(|span| (span.trace.clone(), span.id.clone()))
        .collect();
    assert_eq!(polls.len(), 2);
    let origins: BTreeSet<(String, String)> =
        run.links.iter().cloned().chain([(run.trace.clone(), run.parent.clone())]).collect();
    assert_eq!((origins, run.links.len()), (polls, 1), "{run:#?}");
    assert!(trial.bot.stop().success());
    let said = trial.bot.log();
    let selects = said.iter().find(|line| line["message"] == "selects a tag").unwrap();
    assert!(spans.iter().any(|span| span.name == "poll" && json!(span.id) == selects["span_id"]), "{selects}");
}

#[test]
fn what_a_webhook_tells_of_is_part_of_its_senders_trace() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let mut trial = Trial::start();
    trial.pushed(|| trial.world.says(0, 1) && trial.world.says(1, 1));
    let patch = trial.world.release(0);
    let since = Instant::now();
    let tell = |token: &str, parent: &str| {
        let body = json!({"image": trial.world.image(0), "tag": format!("1.0.{patch}")}).to_string();
        trial.world.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client.post(format!("http://{}/hooks/default/ci", trial.address)).bearer_auth(token);
            request.header("traceparent", parent).body(body).send().await.unwrap().status().as_u16()
        })
    };
    let other = "00-ffffffffffffffffffffffffffffffff-b7ad6b7169203331-01";
    assert_eq!(tell("wrong", other), 401);
    assert_eq!(tell("s3cret-of-the-hook", &format!("00-{TRACE}-b7ad6b7169203331-01")), 202);
    let (spans, push) = trial.pushed(|| trial.world.says(0, patch));
    assert_eq!(push.trace, TRACE);
    // The spans that everything is below come last.
    eventually("all of it is sent", TIMEOUT, || {
        let spans = trial.collector.spans();
        ["webhook", "poll", "run"].iter().all(|name| spans.iter().any(|span| span.name == *name && span.trace == TRACE))
    });
    drop(spans);
    let spans = trial.collector.spans();
    assert!(spans.iter().all(|span| !span.trace.starts_with("ffff")), "whoever is not genuine has no say");
    let told = "\
webhook 202
  poll
    select
    HEAD /v2/shop/app-0/manifests/1.0.2 200
    run
      advertise
        POST /repo.git/git-upload-pack 200
      fetch
      plan
        scan
      history
      commit
      push
        GET /repo.git/info/refs 200
        POST /repo.git/git-receive-pack 200
";
    assert_eq!(tree(&spans, TRACE, shown), told);
    let webhook = spans.iter().find(|span| span.name == "webhook").unwrap();
    assert_eq!(webhook.parent, "b7ad6b7169203331");
    has(
        webhook,
        &[("tagwright.receiver", "default/ci"), ("tagwright.result", "accepted"), ("tagwright.source", "generic")],
    );
    assert!(
        trial.world.registry.seen().iter().filter(|seen| seen.at > since).all(|seen| !seen.headers.contains(TRACE))
    );
    assert!(trial.bot.stop().success());
}

/// What each collector does, how often it is asked for one batch, and what is said of it, once.
#[test]
fn a_collector_that_fails_is_in_nobodys_way_and_is_spoken_of_once() {
    let wait = Some(("retry-after", "0".to_owned()));
    let world = World::start(Shape::new(1, 1, INTERVAL));
    let elsewhere = collector(&world, Answer::Taken);
    let away = Some(("location", elsewhere.url()));
    let table: Vec<(Answer, usize, &str)> = vec![
        (Answer::First(vec![(429, wait.clone()), (503, wait)]), 3, ""),
        (Answer::Always(429, None), 4, "it answers with HTTP 429: no, said the collector"),
        (Answer::Always(500, None), 1, "it answers with HTTP 500: no, said the collector"),
        (Answer::Always(307, away), 1, "it redirects (HTTP 307), and nothing goes along"),
        (Answer::Never, 1, "it has not answered within 700 ms"),
        (Answer::Refuses(2), 1, "it refuses 2 of them: too much for today"),
    ];
    for (answer, times, said) in table {
        let patch = world.release(0);
        let collector = collector(&world, answer.clone());
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url()),
            // So long that one batch is everything, whatever the machine does.
            ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", if matches!(answer, Answer::Never) { "700" } else { "10000" }),
        ];
        let ran = once(&world, &[], &variables);
        assert!(ran.status.success() && world.says(0, patch), "{answer:?}: {ran:?}");
        let warnings = warnings(&ran);
        match said {
            "" => assert_eq!(warnings, Vec::<Value>::new(), "{answer:?}"),
            said => {
                assert_eq!(warnings.len(), 1, "{answer:?}: {warnings:#?}");
                assert_eq!(warnings[0]["error"], said, "{answer:?}");
                assert_eq!(warnings[0]["collector"], format!("{}/v1/traces", collector.url()));
            }
        }
        let sent = collector.sent().len();
        // One that never answers may be asked once more before its time is over.
        let expected = if matches!(answer, Answer::Never) { 1..=2 } else { times..=times };
        assert!(expected.contains(&sent), "{answer:?}: {sent}");
    }
    assert_eq!(elsewhere.sent().len(), 0);
}

#[test]
fn a_bot_goes_on_without_its_collector_and_says_when_it_is_back() {
    let world = World::start(Shape::new(1, 1, INTERVAL));
    let collector = collector(&world, Answer::Always(500, None));
    let mut command = world.command("bot");
    command.args(["--otlp-endpoint", &collector.url()]).env("OTEL_BSP_SCHEDULE_DELAY", "20");
    let mut bot = Bot::start(&mut command);
    assert!(bot.wait_for(0, TIMEOUT, |line| line["message"] == "started").is_some());
    for _ in 0..3 {
        let (patch, from) = (world.release(0), collector.sent().len());
        bot.signal("USR1");
        eventually("the tag is committed", TIMEOUT, || world.says(0, patch));
        eventually("spans are sent", TIMEOUT, || collector.sent().len() > from);
    }
    let lost = bot.wait_for(0, TIMEOUT, |line| line["level"] == "WARN");
    assert_eq!(lost.unwrap()["message"], "spans of traces do not arrive, and are lost until they do");
    collector.answer(Answer::Taken);
    let from = bot.position();
    bot.signal("USR1");
    assert!(bot.wait_for(from, TIMEOUT, |line| line["message"] == "traces arrive again").is_some());
    assert!(bot.stop().success());
    assert_eq!(bot.complaints().len(), 1, "{:#?}", bot.complaints());
}

#[test]
fn nothing_is_sent_that_nobody_asks_for() {
    let world = World::start(Shape::new(1, 1, INTERVAL));
    let collector = collector(&world, Answer::Taken);
    let asked = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    for more in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_TRACES_SAMPLER", "always_off")]
    {
        let ran = once(&world, &[], &[(asked.0, &asked.1), more]);
        assert!(ran.status.success(), "{ran:?}");
    }
    let ran = once(&world, &[], &[("OTEL_SERVICE_NAME", "images"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(ran.status.success(), "{ran:?}");
    assert!(!String::from_utf8_lossy(&ran.stderr).contains("trace_id"));
    assert_eq!(collector.sent().len(), 0);
}

#[test]
fn what_cannot_be_done_as_it_is_asked_for_is_refused_at_the_start() {
    let world = World::start(Shape::new(1, 1, INTERVAL));
    let collector = collector(&world, Answer::Taken);
    let patch = world.release(0);
    for (variable, value, said) in [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\", and spans are sent as http/protobuf alone",
        ),
        (
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/nonexistent/ca.pem",
            "cannot read /nonexistent/ca.pem, which OTEL_EXPORTER_OTLP_CERTIFICATE names",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://u:s3cret@collector", "OTEL_EXPORTER_OTLP_HEADERS"),
    ] {
        let ran = once(&world, &[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()), (variable, value)]);
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said) && !stderr.contains("s3cret"), "{stderr}");
        assert_eq!(stderr.contains("hint: write http/protobuf, or leave it out"), value == "grpc", "{stderr}");
    }
    assert!(!world.says(0, patch) && collector.sent().is_empty());
}
