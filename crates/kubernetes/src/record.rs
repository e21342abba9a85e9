//! A text that several processes share, as an annotation of a Lease.
//!
//! A Lease, since the rights for those are there where several processes are; nobody holds it. Writing it is a compare-and-swap on what
//! was read; of a Lease that was deleted meanwhile it makes one anew, with what was known.
//!
//! In the namespace of the Lease, `leases` of `coordination.k8s.io`: `get`, `create`, `update`.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, PostParams};

use crate::connect::within;
use crate::error::{Error, Reason};
use crate::lease::MANAGER;

/// The text of one name.
pub struct Record {
    leases: Api<Lease>,
    name: String,
    annotation: &'static str,
}

impl Record {
    /// The one in this annotation of the Lease of this name. All annotations of an object have room for 256 KiB.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: String, annotation: &'static str) -> Self {
        Self { leases: Api::namespaced(client, namespace), name, annotation }
    }

    /// The text, with the version of its Lease; none where there is no such Lease.
    ///
    /// # Errors
    /// We may not read it, or the server does not answer.
    pub async fn read(&self) -> Result<Option<(String, String)>, Error> {
        let found = within(self.leases.get_opt(&self.name)).await?;
        Ok(found.map(|lease| {
            let ObjectMeta { resource_version, annotations, .. } = lease.metadata;
            let text = annotations.and_then(|mut all| all.remove(self.annotation));
            (resource_version.unwrap_or_default(), text.unwrap_or_default())
        }))
    }

    /// Writes the text in place of that version, or where there is no Lease yet. Returns false where somebody was faster.
    ///
    /// # Errors
    /// We may not write it, or the server does not answer: it may have been written.
    pub async fn write(&self, over: Option<&str>, text: String) -> Result<bool, Error> {
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            resource_version: over.map(str::to_owned),
            annotations: Some([(self.annotation.to_owned(), text)].into()),
            labels: Some([("app.kubernetes.io/managed-by".to_owned(), "tagwright".to_owned())].into()),
            ..ObjectMeta::default()
        };
        let lease = Lease { metadata, spec: None };
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let written = match over {
            Some(_) => within(self.leases.replace(&self.name, &params, &lease)).await,
            None => within(self.leases.create(&params, &lease)).await,
        };
        match written {
            Ok(_) => Ok(true),
            Err(error) if error.reason == Reason::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }
}
