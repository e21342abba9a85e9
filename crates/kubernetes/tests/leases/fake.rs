//! An API server that has Leases and nothing else, and answers as told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/flux-system/leases";

/// What goes wrong with a request, if anything.
type Break = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

#[derive(Clone)]
pub(crate) struct Fake(Arc<Mutex<State>>);

struct State {
    leases: BTreeMap<String, Value>,
    version: u64,
    asked: Vec<Asked>,
    fault: Break,
}

/// A request as it came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// As RBAC calls it.
    pub(crate) verb: &'static str,
}

impl Asked {
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list")
    }
}

/// What the server does instead.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Refuses with this status, and wants so many seconds of peace.
    Status(u16, u32),
    /// Never answers, and does nothing.
    Hangs,
    /// Does what it was asked, and never answers.
    Silent,
    /// Does nothing, and answers what is no JSON.
    Garbage,
    /// Answers with the beginning of a list.
    Part,
}

impl Fake {
    pub(crate) fn new() -> Fake {
        Fake(Arc::new(Mutex::new(State {
            leases: BTreeMap::new(),
            version: 100,
            asked: Vec::new(),
            fault: Box::new(|_| None),
        })))
    }

    pub(crate) fn client(&self) -> Client {
        let fake = self.clone();
        Client::new(service_fn(move |request| fake.clone().serve(request)), "flux-system")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on, requests for which `fault` says so go wrong.
    pub(crate) fn breaks(&self, fault: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) {
        self.state().fault = Box::new(fault);
    }

    pub(crate) fn heals(&self) {
        self.breaks(|_| None);
    }

    pub(crate) fn lease(&self, name: &str) -> Option<Value> {
        self.state().leases.get(name).cloned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.state().leases.keys().cloned().collect()
    }

    /// Somebody else writes a Lease, whatever there is.
    pub(crate) fn put(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let mut lease =
            state.leases.get(name).cloned().unwrap_or_else(|| json!({"metadata": {"name": name}, "spec": {}}));
        change(&mut lease);
        state.store(name, lease);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// The requests since there were so many.
    pub(crate) fn asked_since(&self, before: usize) -> Vec<Asked> {
        self.state().asked.iter().skip(before).cloned().collect()
    }

    async fn serve(self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let rest = parts.uri.path().strip_prefix(LEASES).expect("a request that is not for Leases");
        let name = rest.trim_start_matches('/').to_owned();
        let verb = match (&parts.method, name.is_empty()) {
            (&Method::GET, true) => "list",
            (&Method::GET, false) => "get",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::DELETE, false) => "delete",
            other => panic!("a request that needs another right: {other:?}"),
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let fault = {
            let mut state = self.state();
            let asked = Asked { verb };
            let fault = (state.fault)(&asked);
            state.asked.push(asked);
            fault
        };
        match fault {
            None => Ok(self.state().answer(verb, &name, parts.uri.query().unwrap_or_default(), body)),
            Some(Fault::Status(code, after)) => Ok(refusal(code, after)),
            Some(Fault::Garbage) => Ok(Response::new(Body::from(b"<html>".to_vec()))),
            Some(Fault::Part) => Ok(json_body(200, &json!({"metadata": {"continue": "more"}, "items": []}))),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Silent) => {
                let _ = self.state().answer(verb, &name, "", body);
                std::future::pending().await
            }
        }
    }
}

impl State {
    fn store(&mut self, name: &str, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.leases.insert(name.to_owned(), lease.clone());
        lease
    }

    fn answer(&mut self, verb: &str, name: &str, query: &str, body: Value) -> Response<Body> {
        let there = self.leases.get(name).cloned();
        let version = |lease: &Value| lease.pointer("/metadata/resourceVersion").cloned();
        match (verb, there) {
            ("list", _) => {
                let items: Vec<_> = self.leases.values().filter(|lease| is_selected(lease, query)).cloned().collect();
                json_body(200, &json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items}))
            }
            ("create", _) => {
                let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap().to_owned();
                match self.leases.contains_key(&name) {
                    true => refusal(409, 0),
                    false => json_body(201, &self.store(&name, body)),
                }
            }
            (_, None) => refusal(404, 0),
            ("get", Some(lease)) => json_body(200, &lease),
            ("update", Some(lease)) if version(&lease) == version(&body) => json_body(200, &self.store(name, body)),
            ("delete", Some(lease)) if version(&lease) == body.pointer("/preconditions/resourceVersion").cloned() => {
                self.leases.remove(name);
                json_body(200, &json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
            }
            (_, Some(_)) => refusal(409, 0),
        }
    }
}

fn is_selected(lease: &Value, query: &str) -> bool {
    let (_, selector) = query.split_once("labelSelector=").expect("a list of everybody's Leases");
    let selector = selector.split('&').next().unwrap().replace("%2F", "/").replace("%3D", "=");
    let (label, value) = selector.split_once('=').unwrap();
    lease["metadata"]["labels"][label] == json!(value)
}

fn refusal(code: u16, after: u32) -> Response<Body> {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        403 => "Forbidden",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let details = json!({"retryAfterSeconds": after});
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": reason, "code": code, "details": details});
    json_body(code, &status)
}

fn json_body(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(serde_json::to_vec(body).unwrap())).unwrap()
}
