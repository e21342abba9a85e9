//! Google's public keys, by which the tokens of its push subscriptions are known.

use std::env;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hooks::Keys;
use reqwest::redirect::Policy;
use tokio::sync::Mutex;

/// Where they are, unless the machine says otherwise.
const ADDRESS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// The variable that says otherwise.
const VARIABLE: &str = "TAGWRIGHT_GOOGLE_KEYS";

/// How long they are used without asking again; Google has new ones every few days, and shows them before.
const LASTS: Duration = Duration::from_secs(60 * 60);

/// How often they are asked for at most: anybody can show a token of a key that nobody knows.
const PAUSE: Duration = Duration::from_secs(30);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The keys as far as they are known.
#[derive(Debug)]
pub(super) struct Google {
    address: String,
    client: OnceLock<Option<reqwest::Client>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Arc<Keys>,
    read: Option<Instant>,
    tried: Option<Instant>,
}

impl Google {
    /// With the address that the environment names, or Google's.
    pub(super) fn of_machine() -> Self {
        let address = env::var(VARIABLE).ok().filter(|address| !address.is_empty());
        let address = address.unwrap_or_else(|| ADDRESS.to_owned());
        Self { address, client: OnceLock::new(), known: Mutex::default() }
    }

    /// The keys, asked for where they are old or none of them is that of a token.
    pub(super) async fn keys_for(&self, token: &str) -> Arc<Keys> {
        // Those that come meanwhile wait for the same answer.
        let mut known = self.known.lock().await;
        let is_fresh = known.read.is_some_and(|at| at.elapsed() < LASTS) && known.keys.have_signed(token);
        let is_early = known.tried.is_some_and(|at| at.elapsed() < PAUSE);
        if !is_fresh && !is_early {
            known.tried = Some(Instant::now());
            match self.read().await {
                Ok(keys) => (known.keys, known.read) = (Arc::new(keys), Some(Instant::now())),
                Err(error) => tracing::warn!(error, address = self.address, "cannot read Google's keys"),
            }
        }
        Arc::clone(&known.keys)
    }

    async fn read(&self) -> Result<Keys, String> {
        let client = self.client.get_or_init(|| {
            let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none());
            client.build().ok()
        });
        let client = client.as_ref().ok_or("no client can be made")?;
        let answer = client.get(&self.address).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(|error| error.without_url().to_string())?;
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
            body.extend_from_slice(&piece);
            if body.len() > MAX_BYTES {
                return Err(format!("the answer has more than {MAX_BYTES} bytes"));
            }
        }
        Keys::parse(&body).ok_or_else(|| "the answer is no set of keys".to_owned())
    }
}
