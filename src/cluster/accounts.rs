//! Tokens of the cluster's service accounts, as whom clouds are asked where an object names one.

use access::{Secret, ServiceAccount};
use cloud::{AccountToken, Kind};
use kubernetes::{Cluster, Key, Reason, secret};

/// The cluster that gives them out.
pub(super) struct Accounts(pub(super) Cluster);

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

impl cloud::Accounts for Accounts {
    fn token<'a>(&'a self, account: &'a ServiceAccount, audience: &'a str) -> AccountToken<'a> {
        let key = Key { namespace: account.namespace.clone(), name: account.name.clone() };
        Box::pin(async move {
            match secret::token(&self.0.client, &key, audience).await {
                Ok(token) if token.is_empty() => {
                    Err((Kind::Transient, "has no token: the API server gave an empty one".to_owned()))
                }
                Ok(token) => Ok(Secret::from(token)),
                Err(error) => {
                    let kind = match error.reason {
                        Reason::Forbidden | Reason::Unknown => Kind::Denied,
                        Reason::NotFound | Reason::Invalid => Kind::Config,
                        Reason::Conflict | Reason::Expired | Reason::Transient => Kind::Transient,
                    };
                    Err((kind, format!("has no token: {error}")))
                }
            }
        })
    }
}
