//! Writes on one object: merge patches that count only if nobody else was faster.

use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, Request};
use kube::{Client, Resource as _};
use serde_json::Value;
use tokio::time::Instant;

use crate::ask::ask;
use crate::connect::within;
use crate::error::{Error, Reason};
use crate::object::{Key, Object, Wire};

/// How long a write waits, in sum, for a server that wants to be left alone. Longer is for the caller to plan.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The shortest time for which it is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// The object that is written, and as whom.
#[derive(Clone, Copy)]
pub struct Target<'t> {
    /// The API server.
    pub client: &'t Client,
    /// The kind, in the version in which it was read.
    pub resource: &'t ApiResource,
    /// Namespace and name.
    pub key: &'t Key,
    /// Whose the written fields are, for `managedFields`.
    pub manager: &'t str,
    /// Which annotations of the stored object are kept.
    pub keeps: fn(&str) -> bool,
}

/// What became of a write.
#[derive(Debug)]
pub enum Written {
    /// It counts; the object as it is stored now.
    Stored(Box<Object>),
    /// There was nothing to change, and nothing was sent.
    Unchanged,
    /// Somebody else has written the object since it was read (409): what is to be written has to be found anew.
    Conflict,
    /// There is no such object any more (404, 410).
    Gone,
    /// The object is not allowed to be like that (422); the server's words. The same write is refused again.
    Refused(String),
}

impl Target<'_> {
    /// Sends a merge patch of the object, or of a part of it such as `status`. A server that wants to be left alone (429) is, for
    /// at most [`PATIENCE`].
    pub(crate) async fn patch(&self, part: Option<&str>, patch: &Value) -> Result<Written, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match self.send(part, patch).await {
                Ok(object) => return Ok(Written::Stored(Box::new(object))),
                Err(error) => error,
            };
            match (error.reason, error.retry_after) {
                (Reason::Conflict, _) => return Ok(Written::Conflict),
                (Reason::NotFound | Reason::Expired, _) => return Ok(Written::Gone),
                (Reason::Invalid, _) => return Ok(Written::Refused(error.message)),
                (Reason::Transient, Some(pause)) if Instant::now() + pause.max(PAUSE) <= deadline => {
                    tokio::time::sleep(pause.max(PAUSE)).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Merges a patch into the object as it is now, whoever wrote it last: for what does not depend on the rest of it, such as one
    /// annotation.
    ///
    /// # Errors
    /// We may not, or the server does not answer.
    pub async fn merge(&self, patch: &Value) -> Result<Written, Error> {
        self.patch(None, patch).await
    }

    async fn send(&self, part: Option<&str>, patch: &Value) -> Result<Object, Error> {
        let namespace = Some(self.key.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let request = Request::new(Wire::url_path(self.resource, namespace));
        let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        let request = match part {
            Some(part) => request.patch_subresource(part, &self.key.name, &params, &patch),
            None => request.patch(&self.key.name, &params, &patch),
        };
        let request = request.map_err(|error| Error::from(kube::Error::BuildRequest(error)))?;
        let stored: Wire = ask(self.client, request).await?;
        Ok(stored.into_object(self.resource, self.keeps))
    }

    /// Reads the object; none where there is none any more.
    pub(crate) async fn read(&self) -> Result<Option<Object>, Error> {
        let (client, namespace) = (self.client.clone(), self.key.namespace.as_str());
        let api: Api<Wire> = match namespace {
            "" => Api::all_with(client, self.resource),
            _ => Api::namespaced_with(client, namespace, self.resource),
        };
        match within(api.get(&self.key.name)).await {
            Ok(object) => Ok(Some(object.into_object(self.resource, self.keeps))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
