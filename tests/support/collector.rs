//! A collector of traces: takes OTLP over HTTP as the specification has it, keeps what it is sent, or answers as a test says.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

/// How it answers.
#[derive(Debug, Clone, Default)]
pub(crate) enum Answer {
    /// As it should.
    #[default]
    Taken,
    /// With these statuses and headers first, one after the other.
    First(Vec<(u16, Option<(&'static str, String)>)>),
    /// With this status, always.
    Always(u16, Option<(&'static str, String)>),
    /// Not at all.
    Never,
    /// It takes all but so many.
    Refuses(i64),
}

/// A request as it came, its body decompressed.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A span as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) kind: SpanKind,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Trace and span of each.
    pub(crate) links: Vec<(String, String)>,
    /// What went wrong.
    pub(crate) error: Option<String>,
    start: u64,
}

#[derive(Debug, Default)]
struct Kept {
    answer: Answer,
    sent: Vec<Sent>,
}

pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Collector {
    pub(crate) async fn start(answer: Answer) -> Self {
        let kept = Arc::new(Mutex::new(Kept { answer, sent: Vec::new() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(take).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, kept }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.kept.lock().unwrap().answer = answer;
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.kept.lock().unwrap().sent.clone()
    }

    /// The spans that came, each once: what is sent again is the same.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut known = BTreeSet::new();
        let mut spans: Vec<Span> = self.sent().iter().flat_map(|sent| spans(&sent.body)).collect();
        spans.retain(|span| known.insert(span.id.clone()));
        spans.sort_by_key(|span| span.start);
        spans
    }

    /// What is said of the process, by the last request.
    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        let sent = self.sent();
        let request = ExportTraceServiceRequest::decode(&*sent.last().unwrap().body).unwrap();
        attributes(&request.resource_spans[0].resource.as_ref().unwrap().attributes)
    }
}

/// A trace as text: a line for each span, below its parent, in the order in which they began. `show` says more of one.
pub(crate) fn tree(spans: &[Span], trace: &str, show: impl Fn(&Span) -> String) -> String {
    let of_trace: Vec<&Span> = spans.iter().filter(|span| span.trace == trace).collect();
    let ids: BTreeSet<&str> = of_trace.iter().map(|span| span.id.as_str()).collect();
    let mut text = String::new();
    let roots = of_trace.iter().filter(|span| !ids.contains(span.parent.as_str()));
    let mut open: Vec<(&Span, usize)> = roots.rev().map(|span| (*span, 0)).collect();
    while let Some((span, depth)) = open.pop() {
        text += format!("{}{} {}", "  ".repeat(depth), span.name, show(span)).trim_end();
        text += "\n";
        let children = of_trace.iter().filter(|child| child.parent == span.id);
        open.extend(children.rev().map(|child| (*child, depth + 1)));
    }
    text
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = {
        let mut kept = kept.lock().unwrap();
        let body = match headers.get("content-encoding").map(|encoding| encoding.to_str().unwrap()) {
            Some("gzip") => {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
                plain
            }
            None => body.to_vec(),
            Some(other) => panic!("content-encoding {other}"),
        };
        kept.sent.push(Sent { path: uri.path().to_owned(), headers, body });
        match &mut kept.answer {
            Answer::First(left) if left.is_empty() => Answer::Taken,
            Answer::First(left) => {
                let (status, header) = left.remove(0);
                Answer::Always(status, header)
            }
            other => other.clone(),
        }
    };
    let success = |partial_success| {
        let message = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        ([("content-type", "application/x-protobuf")], message).into_response()
    };
    match answer {
        Answer::Taken | Answer::First(_) => success(None),
        Answer::Refuses(rejected_spans) => {
            let error_message = "too much for today".to_owned();
            success(Some(ExportTracePartialSuccess { rejected_spans, error_message }))
        }
        Answer::Always(status, header) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), "no, said the collector").into_response();
            if let Some((name, value)) = header {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Answer::Never => std::future::pending().await,
    }
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let all = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let all = all.flat_map(|scope| scope.spans);
    all.map(|span| Span {
        kind: span.kind(),
        attributes: attributes(&span.attributes),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        error: span.status.as_ref().filter(|status| status.code == 2).map(|status| status.message.clone()),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        start: span.start_time_unix_nano,
        name: span.name,
    })
    .collect()
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|it| (it.key.clone(), text(it.value.as_ref()))).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()).unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(value) => value.to_string(),
        Value::DoubleValue(value) => value.to_string(),
        Value::ArrayValue(array) => {
            let values: Vec<String> = array.values.iter().map(|value| text(Some(value))).collect();
            format!("[{}]", values.join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
