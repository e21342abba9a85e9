//! What the simulated registry answers.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::State as Extract;
use axum::http::{HeaderMap, Method, Response, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Account, Auth, Bearer, Etags, Fault, Head, Inner, Links, Seen, State};

const SERVICE: &str = "simulated";

/// Answers any request.
pub(super) async fn answer(
    Extract(state): Extract<Arc<State>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let seen = note(&method, &uri, &headers, &body);
    let (fault, reply) = {
        let mut inner = state.inner.lock().unwrap();
        inner.seen.push(seen.clone());
        match inner.fault(&seen.path) {
            Some(fault) => (Some(fault), None),
            None => (None, Some(inner.reply(&state.origin, &seen))),
        }
    };
    match (fault, reply) {
        (Some(Fault::Answer(status, headers, body)), _) => build(status, &headers, body),
        (Some(Fault::Stall), _) => std::future::pending().await,
        (Some(Fault::Cut), _) => cut(),
        (None, reply) => reply.unwrap(),
    }
}

fn note(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Seen {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    Seen {
        at: Instant::now(),
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        host: uri.authority().map(|a| a.to_string()).or_else(|| text(header::HOST)).unwrap_or_default(),
        authorization: text(header::AUTHORIZATION),
        proxy_authorization: text(header::PROXY_AUTHORIZATION),
        cookie: text(header::COOKIE),
        accept: text(header::ACCEPT).unwrap_or_default(),
        if_none_match: text(header::IF_NONE_MATCH),
        headers: format!("{headers:?}"),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

impl Inner {
    fn fault(&mut self, path: &str) -> Option<Fault> {
        let Some(index) = self.world.faults.iter().position(|(end, _)| path.ends_with(end.as_str())) else {
            let broken = self.world.broken.iter().find(|(end, _)| path.ends_with(end.as_str()));
            return broken.map(|(_, fault)| fault.clone());
        };
        self.world.faults.remove(index).map(|(_, fault)| fault)
    }

    fn reply(&mut self, origin: &str, seen: &Seen) -> Response<Body> {
        if seen.path == "/token" {
            return self.token(seen);
        }
        let Some(path) = seen.path.split_once("/v2/").map(|(_, path)| path) else {
            return build(404, &[], Vec::new());
        };
        if path.is_empty() {
            return build(200, &[], b"{}".to_vec());
        }
        let below = |part: &str| path.split_once(part);
        let name = match (path.strip_suffix("/tags/list"), below("/manifests/"), below("/blobs/"), below("/referrers/"))
        {
            (Some(name), ..)
            | (None, Some((name, _)), ..)
            | (None, None, Some((name, _)), _)
            | (None, None, None, Some((name, _))) => name,
            (None, None, None, None) => return build(404, &[], Vec::new()),
        };
        if let Some(refusal) = self.refusal(origin, seen, name) {
            return refusal;
        }
        if !self.world.repositories.contains_key(name) {
            return unknown("NAME_UNKNOWN", "repository name not known to registry");
        }
        match (below("/manifests/"), below("/blobs/"), below("/referrers/")) {
            (Some((_, reference)), ..) => self.manifest(seen, name, reference),
            (None, Some((_, digest)), _) => match self.world.artifacts.blob(name, digest) {
                Some(body) => build(200, &[("content-type", "application/octet-stream".to_owned())], body),
                None => unknown("BLOB_UNKNOWN", "blob unknown to registry"),
            },
            (None, None, Some((_, digest))) => {
                let page = parameter(seen, "page").and_then(|page| page.parse().ok()).unwrap_or(0);
                match self.world.artifacts.referrers(name, digest, page) {
                    Some((headers, body)) => build(200, &headers, body),
                    None => build(404, &[("content-type", "text/plain".to_owned())], b"404 page not found".to_vec()),
                }
            }
            (None, None, None) => self.page(origin, seen, name),
        }
    }

    fn page(&mut self, origin: &str, seen: &Seen, name: &str) -> Response<Body> {
        let tags = &self.world.repositories[name];
        let wish: Option<usize> = parameter(seen, "n").and_then(|n| n.parse().ok());
        if let Some(refusal) = self.world.paging.refusal.filter(|refusal| wish.is_some_and(|n| n > refusal.above)) {
            return failed(refusal.status, "UNSUPPORTED", refusal.message);
        }
        if let (Links::Astray(status, message), Some(_)) = (&self.world.paging.links, parameter(seen, "last")) {
            return failed(*status, "UNKNOWN", message);
        }
        let asked = wish.unwrap_or(usize::MAX);
        let size = self.world.paging.size.unwrap_or(usize::MAX).min(asked).max(1);
        let start = match &self.world.paging.links {
            Links::Opaque => parameter(seen, "next_page").map_or(0, |token| opaque_position(&token)),
            Links::Endless | Links::Deaf => 0,
            _ => parameter(seen, "last").map_or(0, |last| tags.iter().position(|tag| *tag == last).unwrap() + 1),
        };
        let page: Vec<&String> = tags.iter().skip(start).take(size).collect();
        let mut body = serde_json::json!({"name": name, "tags": if tags.is_empty() { None } else { Some(&page) }});
        for tag in &page {
            if let Some(pushed) = self.world.pushed.get(&format!("{name}:{tag}")) {
                // Images claim to be as old as 1970.
                let facts =
                    serde_json::json!({"tag": [tag], "timeCreatedMs": "1", "timeUploadedMs": pushed.to_string()});
                body["manifest"][digest(&manifest(name, tag))] = facts;
            }
        }
        let is_last = start + page.len() >= tags.len() && self.world.paging.links != Links::Endless;
        let last = page.last().map(|tag| tag.as_str()).unwrap_or_default();
        self.links += 1;
        let link = match &self.world.paging.links {
            Links::Fixed(link) => Some(link.clone()),
            _ if is_last => None,
            Links::Silent | Links::Deaf => None,
            Links::Inside(place) => Some(format!("<{place}?last={last}&n={size}>; rel=\"next\"")),
            Links::Relative | Links::Astray(..) => Some(format!("<{}?n={size}&last={last}>; rel=\"next\"", seen.path)),
            Links::Absolute => Some(format!("<{origin}{}?last={last}&n={size}>; rel=\"next\"", seen.path)),
            Links::Opaque => {
                Some(format!("</x>; rel=\"first\", <?next_page={}>; rel=next", opaque(start + page.len())))
            }
            Links::Loop => Some(format!("<{}?{}>; rel=\"next\"", seen.path, seen.query)),
            Links::Endless => Some(format!("<{}?page={}>; rel=\"next\"", seen.path, self.links)),
        };
        let mut headers: Vec<(&str, String)> = link.into_iter().map(|link| ("link", link)).collect();
        let body = body.to_string().into_bytes();
        if let Some(etag) = self.world.etags.of(&body) {
            let is_known = seen.if_none_match.as_ref() == Some(&etag);
            headers.push(("etag", etag));
            if is_known {
                return build(304, &headers, Vec::new());
            }
        }
        build(200, &headers, body)
    }

    fn manifest(&self, seen: &Seen, name: &str, tag: &str) -> Response<Body> {
        if let Some((media_type, body)) = self.world.artifacts.manifest(name, tag) {
            let headers = [("content-type", media_type), ("docker-content-digest", digest(&body))];
            return build(200, &headers, if seen.method == "HEAD" { Vec::new() } else { body });
        }
        if !self.world.repositories[name].iter().any(|known| known == tag) {
            return unknown("MANIFEST_UNKNOWN", "manifest unknown");
        }
        let body = manifest(name, tag);
        match (seen.method.as_str(), self.world.head) {
            ("HEAD", Head::Digest) => build(200, &[("docker-content-digest", digest(&body))], Vec::new()),
            ("HEAD", Head::Silent) => build(200, &[], Vec::new()),
            ("HEAD", Head::Status(status)) => build(status, &[], Vec::new()),
            _ => build(200, &[], body),
        }
    }

    /// Returns why somebody may not see a repository.
    fn refusal(&self, origin: &str, seen: &Seen, name: &str) -> Option<Response<Body>> {
        let body = || br#"{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}"#.to_vec();
        let challenge = match &self.world.auth {
            Auth::Open => return None,
            Auth::Basic(accounts) => {
                if allowed(accounts, seen, name) {
                    return None;
                }
                "Basic realm=\"simulated, quoted\"".to_owned()
            }
            Auth::Bearer(bearer) => {
                let token = seen.authorization.as_ref().and_then(|text| text.strip_prefix("Bearer "));
                if token.is_some_and(|token| {
                    self.tokens.get(token).is_some_and(|known| known.iter().any(|known| known == name))
                }) {
                    return None;
                }
                let realm = bearer.realm.clone().unwrap_or_else(|| format!("{origin}/token?kept=1"));
                format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\",scope=\"repository:{name}:pull\"")
            }
        };
        Some(build(401, &[("www-authenticate", challenge)], body()))
    }

    fn token(&mut self, seen: &Seen) -> Response<Body> {
        let Auth::Bearer(bearer) = &self.world.auth else { return build(404, &[], Vec::new()) };
        let refused = || build(401, &[], br#"{"details": "incorrect username or password"}"#.to_vec());
        let scopes: Vec<String> = match seen.method.as_str() {
            "POST" => form(seen, "scope").iter().flat_map(|scopes| scopes.split(' ')).map(str::to_owned).collect(),
            _ => parameters(seen, "scope").collect(),
        };
        let names: Option<Vec<String>> = scopes.iter().map(|scope| scope_name(scope)).collect();
        let Some(mut names) = names.filter(|names| !names.is_empty()) else { return build(400, &[], Vec::new()) };
        if names.len() > bearer.most_scopes {
            return build(400, &[], Vec::new());
        }
        let name = names[0].clone();
        let may = match seen.method.as_str() {
            "POST" if !bearer.oauth => return build(405, &[], Vec::new()),
            "POST" => may_refresh(bearer, seen, &name),
            _ => allowed(&bearer.accounts, seen, &name) || (bearer.strangers && seen.authorization.is_none()),
        };
        if !may {
            return refused();
        }
        self.issued += 1;
        let token = format!("token-{}-{}", self.issued, name.replace('/', "."));
        let body = bearer.answer.replace("TOKEN", &token);
        names.truncate(bearer.granted_scopes);
        self.tokens.insert(token, names);
        build(200, &[], body.into_bytes())
    }
}

impl Etags {
    fn of(&self, body: &[u8]) -> Option<String> {
        match self {
            Self::None => None,
            Self::Strong => Some(format!("\"{}\"", digest(body))),
            Self::Weak => Some(format!("W/\"{}\"", digest(body))),
            Self::Fixed(etag) => Some(etag.clone()),
        }
    }
}

fn may_refresh(bearer: &Bearer, seen: &Seen, name: &str) -> bool {
    let is_exchange = form(seen, "grant_type").as_deref() == Some("refresh_token")
        && form(seen, "service").as_deref() == Some(SERVICE)
        && form(seen, "client_id").is_some();
    let token = form(seen, "refresh_token");
    let knows = |a: &Account| Some(a.password) == token.as_deref() && name.starts_with(a.repositories);
    is_exchange && bearer.accounts.iter().any(knows)
}

fn scope_name(scope: &str) -> Option<String> {
    scope.strip_prefix("repository:")?.strip_suffix(":pull").map(str::to_owned)
}

fn allowed(accounts: &[Account], seen: &Seen, name: &str) -> bool {
    let right = |account: &Account| {
        let login = STANDARD.encode(format!("{}:{}", account.username, account.password));
        seen.authorization == Some(format!("Basic {login}")) && name.starts_with(account.repositories)
    };
    accounts.iter().any(right)
}

fn parameter(seen: &Seen, name: &str) -> Option<String> {
    parameters(seen, name).next()
}

fn parameters(seen: &Seen, name: &str) -> impl Iterator<Item = String> {
    let pairs = url::form_urlencoded::parse(seen.query.as_bytes());
    pairs.filter(move |(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn form(seen: &Seen, name: &str) -> Option<String> {
    url::form_urlencoded::parse(seen.body.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn opaque(position: usize) -> String {
    STANDARD.encode(format!("{{\"p\":{position}}}")).replace('=', "%3D")
}

fn opaque_position(token: &str) -> usize {
    let text = String::from_utf8(STANDARD.decode(token).unwrap()).unwrap();
    text.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn unknown(code: &str, message: &str) -> Response<Body> {
    failed(404, code, message)
}

fn failed(status: u16, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
    build(status, &[], body.to_string().into_bytes())
}

/// A body that ends before its announced length.
fn cut() -> Response<Body> {
    let start =
        futures_util::stream::iter([Ok(Bytes::from_static(b"{\"tags\": [")), Err(std::io::Error::other("cut"))]);
    Response::builder().header("content-length", "1000").body(Body::from_stream(start)).unwrap()
}

fn build(status: u16, headers: &[(&str, String)], body: Vec<u8>) -> Response<Body> {
    let mut builder = Response::builder().status(status).header("docker-distribution-api-version", "registry/2.0");
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    builder.body(Body::from(body)).unwrap()
}

/// The manifest of a tag; any bytes do.
pub(super) fn manifest(name: &str, tag: &str) -> Vec<u8> {
    serde_json::json!({"schemaVersion": 2, "annotations": {"of": format!("{name}:{tag}")}}).to_string().into_bytes()
}

/// The digest of a manifest.
pub(super) fn digest(body: &[u8]) -> String {
    let hex: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
