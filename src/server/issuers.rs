//! The issuers whose tokens senders of webhooks show, with their keys.

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ::oidc::{Issuer, Keys, Unusable};
use hooks::Identity;

/// The variable that says where Google's keys are in place of where Google says.
const VARIABLE: &str = "TAGWRIGHT_GOOGLE_KEYS";

/// How many issuers are remembered; configurations have a few.
const MAX_ISSUERS: usize = 256;

/// The issuers that were asked, by their URLs. Only those that receivers name are ever asked.
#[derive(Debug, Default)]
pub(super) struct Issuers(Mutex<HashMap<String, Arc<Issuer>>>);

impl Issuers {
    /// The keys by which a token of a sender may be signed. None where its issuer cannot be asked at all.
    pub(super) async fn keys_for(&self, identity: &Identity, token: &str) -> Option<Arc<Keys>> {
        match self.of(&identity.issuer) {
            Ok(issuer) => Some(issuer.keys_for(token, Instant::now()).await),
            Err(error) => {
                tracing::warn!(%error, issuer = identity.issuer, "cannot ask the issuer of a receiver's tokens");
                None
            }
        }
    }

    fn of(&self, url: &str) -> Result<Arc<Issuer>, Unusable> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(issuer) = known.get(url) {
            return Ok(Arc::clone(issuer));
        }
        let elsewhere = env::var(VARIABLE).ok().filter(|address| !address.is_empty() && url == Identity::GOOGLE);
        let issuer = Arc::new(match elsewhere {
            Some(keys) => Issuer::with_keys_at(url, &keys)?,
            None => Issuer::new(url, Vec::new())?,
        });
        if known.len() >= MAX_ISSUERS {
            known.clear();
        }
        known.insert(url.to_owned(), Arc::clone(&issuer));
        Ok(issuer)
    }
}
