//! The embedded registry: tags by repository, served over HTTP on the loopback interface.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;

/// Tags by repository path, such as `acme/shop`.
pub(super) type Tags = BTreeMap<String, Vec<String>>;

/// Tags on one page when the client asks for more, as real registries have such a limit.
const PAGE_SIZE: usize = 100;

/// Serves the tags on a free port of 127.0.0.1 until the runtime ends; returns the address.
pub(super) async fn serve(tags: Tags) -> std::io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/v2/{*path}", get(list)).with_state(Arc::new(tags));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

#[derive(Debug, Deserialize)]
struct Page {
    n: Option<usize>,
    last: Option<String>,
}

async fn list(State(tags): State<Arc<Tags>>, Path(path): Path<String>, Query(page): Query<Page>) -> Response {
    let Some((name, tags)) = path.strip_suffix("/tags/list").and_then(|name| tags.get(name).map(|tags| (name, tags)))
    else {
        let error = serde_json::json!({"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known"}]});
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    };
    let start = page.last.map_or(0, |last| tags.iter().position(|tag| *tag == last).map_or(tags.len(), |at| at + 1));
    let size = page.n.unwrap_or(PAGE_SIZE).clamp(1, PAGE_SIZE);
    let end = tags.len().min(start + size);
    let mut headers = HeaderMap::new();
    if let (true, Some(last)) = (end < tags.len(), tags[start..end].last()) {
        let link = format!("</v2/{name}/tags/list?n={size}&last={last}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    (headers, Json(serde_json::json!({"name": name, "tags": tags[start..end]}))).into_response()
}
