//! The bearer tokens in use.
//!
//! A token is kept for its realm, service, scope and credential. Many polls that want the same one wait for a single
//! request; if that fails, all of them get its failure.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use access::Fingerprint;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::error::Error;

/// How many tokens are kept before those that have ended are dropped.
const MAX_TOKENS: usize = 10_000;

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    /// The root of the API that it is shown to. Another registry may name the same token server, and gets a token of its own.
    pub(crate) registry: Url,
    pub(crate) realm: Url,
    pub(crate) service: Option<String>,
    pub(crate) scope: String,
    pub(crate) credential: Fingerprint,
}

/// A token, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// The value of `Authorization`, marked as sensitive.
    pub(crate) header: HeaderValue,
    expires: Instant,
    serial: u64,
}

impl Token {
    /// Keeps a token for as long as it is good.
    pub(crate) fn new(header: HeaderValue, lifetime: Duration) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Self { header, expires: Instant::now() + lifetime, serial: SERIAL.fetch_add(1, Ordering::Relaxed) }
    }

    /// Returns for how long the token will be used.
    pub(crate) fn left(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }

    /// Returns what tells this token from any other.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

/// Where a token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Among those fetched before, or for another poll.
    Cache,
    /// Its server was just asked.
    Server,
}

/// All tokens in use.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    cells: SyncMutex<HashMap<TokenKey, Arc<Mutex<Cell>>>>,
}

#[derive(Debug, Default)]
struct Cell {
    token: Option<Token>,
    failure: Option<(Instant, Error)>,
}

impl Tokens {
    /// Returns the token for a key, fetching it if there is none, or if the one there is was rejected by the registry.
    pub(crate) async fn get(
        &self,
        key: &TokenKey,
        rejected: Option<u64>,
        fetch: impl Future<Output = Result<Token, Error>>,
    ) -> Result<(Token, Source), Error> {
        let asked = Instant::now();
        let cell = self.cell(key);
        let mut cell = cell.lock().await;
        if let Some(token) = &cell.token
            && !token.left().is_zero()
            && Some(token.serial) != rejected
        {
            return Ok((token.clone(), Source::Cache));
        }
        if let Some((when, error)) = &cell.failure
            && *when >= asked
        {
            return Err(error.clone());
        }
        match fetch.await {
            Ok(token) => {
                *cell = Cell { token: Some(token.clone()), failure: None };
                Ok((token, Source::Server))
            }
            Err(error) => {
                *cell = Cell { token: None, failure: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    fn cell(&self, key: &TokenKey) -> Arc<Mutex<Cell>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= MAX_TOKENS {
            let is_live = |cell: &Cell| cell.token.as_ref().is_some_and(|token| !token.left().is_zero());
            cells.retain(|_, cell| Arc::strong_count(cell) > 1 || cell.try_lock().is_ok_and(|cell| is_live(&cell)));
        }
        Arc::clone(cells.entry(key.clone()).or_default())
    }
}
