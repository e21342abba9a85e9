//! Orders are confirmed before they are carried out: by a question to whoever sits before the client, where it can ask one; otherwise by a
//! second call with the token of the first, so that what will happen has been said before it does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::model::{ElicitRequestParams, ElicitationAction, ElicitationSchema};
use rmcp::service::ElicitationMode;
use rmcp::{Peer, RoleServer};
use serde_json::Value;

use super::order::Ordered;
use crate::failure::{Failure, Kind, Result};

/// How long somebody may take to answer, or the second call to come.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many orders may wait for their second call.
const MAX_WAITING: usize = 32;

/// Orders that wait for their second call, by their tokens.
#[derive(Debug, Default)]
pub(super) struct Confirmations(Mutex<HashMap<String, (String, Instant)>>);

impl Confirmations {
    /// Has an order confirmed.
    ///
    /// # Errors
    /// It is not, or not yet; what has to be done is in the words.
    pub(super) async fn confirmed(&self, order: &Ordered, peer: &Peer<RoleServer>) -> Result<()> {
        if peer.supported_elicitation_modes().contains(&ElicitationMode::Form) {
            return asked(order, peer).await;
        }
        let now = Instant::now();
        match &order.confirm {
            Some(token) if self.take(token, &order.key, now) => Ok(()),
            Some(_) => {
                let message = "the confirmation is not one of this order, or is older than five minutes";
                Err(Failure::usage(message, "call again without `confirm`, and with the token that comes back"))
            }
            None => {
                let message = format!("not done yet. {} Ask the user first", order.sentence());
                let token = self.wait(&order.key, now)?;
                Err(Failure::usage(
                    message,
                    format!("if the user agrees, call again with the same arguments and confirm: {token:?}"),
                ))
            }
        }
    }

    /// Makes a token for an order.
    fn wait(&self, key: &str, now: Instant) -> Result<String> {
        let mut bytes = [0; 12];
        rand::fill(&mut bytes).map_err(|_| Failure::new(Kind::Internal, "the system gives no random numbers"))?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (_, until)| now < *until);
        if waiting.len() >= MAX_WAITING {
            let oldest = waiting.iter().min_by_key(|(_, (_, until))| *until).map(|(token, _)| token.clone());
            oldest.and_then(|oldest| waiting.remove(&oldest));
        }
        waiting.insert(token.clone(), (key.to_owned(), now + PATIENCE));
        Ok(token)
    }

    /// Whether a token was made for this order, and not used before.
    fn take(&self, token: &str, key: &str, now: Instant) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = waiting.get(token).is_some_and(|(of, until)| of == key && now < *until);
        is_it && waiting.remove(token).is_some()
    }
}

/// Asks whoever sits before the client.
async fn asked(order: &Ordered, peer: &Peer<RoleServer>) -> Result<()> {
    const FIELD: &str = "confirm";
    let broken = |what: &str| Failure::new(Kind::Denied, format!("nobody could be asked: {what}"));
    let requested_schema = ElicitationSchema::builder().required_bool(FIELD).build().map_err(broken)?;
    let message = format!("{} Shall tagwright do it?", order.sentence());
    let question = ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema };
    let answer = peer.create_elicitation_with_timeout(question, Some(PATIENCE)).await;
    let answer = answer.map_err(|error| broken(&error.to_string()))?;
    let says_yes = answer.content.as_ref().and_then(|content| content.get(FIELD)) == Some(&Value::Bool(true));
    match answer.action {
        ElicitationAction::Accept if says_yes => Ok(()),
        _ => Err(Failure::new(Kind::Denied, "nothing was done: the user has refused it")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_for_its_order_and_not_for_long() {
        let (all, now) = (Confirmations::default(), Instant::now());
        let token = all.wait("hold a", now).unwrap();
        assert!(!all.take(&token, "hold b", now) && !all.take("x", "hold a", now));
        assert!(all.take(&token, "hold a", now));
        assert!(!all.take(&token, "hold a", now));
        let late = all.wait("hold a", now).unwrap();
        assert!(!all.take(&late, "hold a", now + PATIENCE));
        let first = all.wait("first", now).unwrap();
        let more: Vec<String> =
            (1..=MAX_WAITING as u64).map(|at| all.wait("more", now + Duration::from_millis(at)).unwrap()).collect();
        assert!(!all.take(&first, "first", now));
        assert!(more.iter().all(|token| all.take(token, "more", now)));
    }
}
