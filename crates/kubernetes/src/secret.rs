//! Secrets and ServiceAccounts, asked for by name when somebody needs them: never listed, never watched.
//!
//! Needs the verb `get` on `secrets` and `serviceaccounts`, and `create` on `serviceaccounts/token` where a cloud is asked as an account.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::connect::within;
use crate::error::Error;
use crate::object::Key;

/// How long a token of an account is good, in seconds: as short as an API server gives it.
const TOKEN_LIFE: i64 = 600;
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

/// Asks for a token of a ServiceAccount that is shown to one audience alone, good for ten minutes: it is exchanged at once.
///
/// # Errors
/// We may not ask for it, there is no such account, or the server does not answer.
pub async fn token(client: &Client, key: &Key, audience: &str) -> Result<String, Error> {
    let spec = TokenRequestSpec {
        audiences: vec![audience.to_owned()],
        expiration_seconds: Some(TOKEN_LIFE),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &key.namespace);
    let made = within(accounts.create_token_request(&key.name, &PostParams::default(), &request)).await?;
    Ok(made.status.map(|status| status.token).unwrap_or_default())
}

/// JSON of an object; too large ones are as good as none.
fn document(object: &impl serde::Serialize) -> String {
    serde_json::to_string(object).ok().filter(|text| text.len() <= MAX_BYTES).unwrap_or_default()
}
