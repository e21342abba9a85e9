//! Objects as they are now, for whoever asks once and does not watch.
//!
//! Needs the verbs `get` and `list` on the kind.

use kube::Client;
use kube::api::{Api, ListParams};
use kube::core::ApiResource;

use crate::connect::within;
use crate::error::Error;
use crate::object::{Key, Object, Wire};
use crate::watch::{self, MAX_OBJECTS, Scope};

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// Returns an object with the annotations that `keeps` keeps; none where there is none of this name.
///
/// # Errors
/// We may not read it, or the server does not answer.
pub async fn one(
    client: &Client,
    resource: &ApiResource,
    key: &Key,
    keeps: fn(&str) -> bool,
) -> Result<Option<Object>, Error> {
    let api: Api<Wire> = Api::namespaced_with(client.clone(), &key.namespace, resource);
    let found = within(api.get_opt(&key.name)).await?;
    Ok(found.map(|object| object.into_object(resource, keeps)))
}

/// Returns all objects of a scope, in the order of namespaces and names; [`MAX_OBJECTS`] of them where there are more.
///
/// # Errors
/// We may not list them, or the server does not answer.
pub async fn all(
    client: &Client,
    resource: &ApiResource,
    scope: &Scope,
    keeps: fn(&str) -> bool,
) -> Result<Vec<Object>, Error> {
    let api = watch::api(client, resource, scope);
    let mut params = ListParams::default().labels(&scope.labels).limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = within(api.list(&params)).await?;
        let next = page.metadata.continue_.filter(|token| !token.is_empty());
        found.extend(page.items.into_iter().map(|object| object.into_object(resource, keeps)));
        match next {
            Some(token) if found.len() < MAX_OBJECTS => params = params.continue_token(&token),
            _ => break,
        }
    }
    found.sort_by(|one: &Object, other| one.key.cmp(&other.key));
    Ok(found)
}
