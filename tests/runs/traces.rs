//! What a trace says of pull requests: who was asked what, and nothing of the token.

use forge::Product;
use otlp::{Settings, Traces};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::collector::{Answer, Collector, Span};
use crate::forges::TOKEN;
use crate::requests::World;

#[tokio::test]
async fn each_call_to_the_forge_is_below_what_it_is_for() {
    let collector = Collector::start(Answer::Taken).await;
    let settings = Settings::read(("--otlp-endpoint", Some(&collector.url())), |_| None).unwrap().unwrap();
    let traces = tokio::task::spawn_blocking(|| Traces::start(settings, "test").unwrap()).await.unwrap();
    // Of one dispatcher alone, tracing asks the thread that first comes by whether anybody listens, and that may be another test's.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    {
        let _here = tracing::subscriber::set_default(subscriber);
        let world = World::with(Product::GitHub, "", &["1.1.0", "1.2.0"]).await;
        world.check("pushed", "was opened").await;
    }
    let limit = std::time::Duration::from_secs(30);
    tokio::task::spawn_blocking(move || traces.finish(limit)).await.unwrap();

    let spans = collector.spans();
    let below = |doing: &str| {
        let is = |span: &&Span| span.name == "requests" && span.attributes["tagwright.doing"] == doing;
        let found: Vec<&Span> = spans.iter().filter(is).collect();
        assert_eq!(found.len(), 1, "{doing}: {found:#?}");
        let calls: Vec<&Span> = spans.iter().filter(|span| span.parent == found[0].id).collect();
        assert!(calls.iter().all(|call| call.kind == opentelemetry_proto::tonic::trace::v1::span::SpanKind::Client));
        calls.into_iter().map(call).collect::<Vec<_>>()
    };
    let looked = below("look");
    assert!(looked.contains(&"GET /api/v3/repos/acme/config/pulls 200".to_owned()), "{looked:?}");
    assert!(looked.iter().all(|call| call.starts_with("GET ")), "{looked:?}");
    let settled = below("settle");
    assert!(settled.contains(&"POST /api/v3/repos/acme/config/pulls 201".to_owned()), "{settled:?}");
    let run = spans.iter().find(|span| span.name == "run").unwrap();
    assert!(spans.iter().filter(|span| span.name == "requests").all(|span| span.parent == run.id));
    for sent in collector.sent() {
        assert!(!String::from_utf8_lossy(&sent.body).contains(TOKEN));
    }
}

/// Method, path and status of a call.
fn call(span: &Span) -> String {
    let url = url::Url::parse(&span.attributes["url.full"]).unwrap();
    format!("{} {} {}", span.name, url.path(), span.attributes["http.response.status_code"])
}
