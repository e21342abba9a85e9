//! An API server that answers as a test says, without a network.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::BoxError;

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) content_type: String,
    /// Null where there is none.
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

/// What it is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// An object, with 200.
    Object(Value),
    /// A `Status` with this code.
    Refusal(u16, &'static str),
    /// A text with this code and these seconds of `Retry-After`, as the API server's own throttle sends it.
    Throttled(u16, u64),
    /// The connection is lost.
    Lost,
    /// Nothing, ever.
    Silence,
}

/// What came so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, method: &str) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| seen.method == method).collect()
    }
}

/// A client whose requests are answered by a function, and the log of what came.
pub(crate) fn answered(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> (Client, Log) {
    let (script, log) = (Arc::new(Mutex::new(script)), Log::default());
    let seen_by = log.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (script, log) = (Arc::clone(&script), seen_by.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let content_type = head.headers.get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
            let (method, path) = (head.method.to_string(), head.uri.to_string());
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let seen = Seen { method, path, content_type, body, at: Instant::now() };
            log.0.lock().unwrap().push(seen.clone());
            let answer = (script.lock().unwrap())(&seen);
            response(answer).await
        }
    });
    (Client::new(service, "default"), log)
}

async fn response(answer: Answer) -> Result<Response<Body>, BoxError> {
    let response = match answer {
        Answer::Object(object) => Response::builder().body(object.to_string()),
        Answer::Refusal(code, message) => {
            let status =
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message});
            Response::builder().status(code).body(status.to_string())
        }
        Answer::Throttled(code, seconds) => {
            let text = "Too many requests, please try again later.\n".to_owned();
            Response::builder().status(code).header("Retry-After", seconds).body(text)
        }
        Answer::Lost => return Err("the connection is lost".into()),
        Answer::Silence => std::future::pending().await,
    };
    Ok(response.unwrap().map(|text| Body::from(text.into_bytes())))
}
