//! Secrets and ServiceAccounts, asked for by name when somebody needs them: never listed, never watched.
//!
//! Needs the verb `get` on `secrets` and `serviceaccounts`.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Client;
use kube::api::Api;

use crate::connect::within;
use crate::error::Error;
use crate::object::Key;

/// The largest Secret that is taken: that of the API server itself.
const MAX_BYTES: usize = 2 << 20;

/// Returns a Secret as a document in JSON; none where there is none of this name.
///
/// # Errors
/// We may not read it, or the server does not answer.
pub async fn secret(client: &Client, key: &Key) -> Result<Option<String>, Error> {
    let found = within(Api::<Secret>::namespaced(client.clone(), &key.namespace).get_opt(&key.name)).await?;
    Ok(found.map(|mut secret| {
        // Whatever `kubectl apply` has copied there is of no use, and secret.
        secret.metadata.annotations = None;
        secret.metadata.managed_fields = None;
        document(&secret)
    }))
}

/// Returns a ServiceAccount as a document in JSON; none where there is none of this name.
///
/// # Errors
/// We may not read it, or the server does not answer.
pub async fn service_account(client: &Client, key: &Key) -> Result<Option<String>, Error> {
    let found = within(Api::<ServiceAccount>::namespaced(client.clone(), &key.namespace).get_opt(&key.name)).await?;
    Ok(found.map(|mut account| {
        account.metadata.managed_fields = None;
        document(&account)
    }))
}

/// JSON of an object; too large ones are as good as none.
fn document(object: &impl serde::Serialize) -> String {
    serde_json::to_string(object).ok().filter(|text| text.len() <= MAX_BYTES).unwrap_or_default()
}
