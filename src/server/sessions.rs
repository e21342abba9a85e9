//! Who is logged in to the page: sessions that a token began, and the forms that they were given.
//!
//! A browser keeps a random value in a cookie that scripts cannot read and that no other site's page brings along; only its hash is known
//! here, with the hash of the token that it stands for. What the token may do is looked up with each request, so that one taken out of the
//! file ends its sessions. A token of an issuer is not kept: its session knows who it was, and ends with it.
//!
//! What is ordered on the page goes through a form that was made for this login and for this order, and is good once: neither another
//! site's page nor somebody who has seen an older form can order anything.
//!
//! Nothing here outlives the process. Everything is bounded; the oldest goes first, of the same login before that of others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::oidc::Issued;

/// How long a session lasts.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 3600);

/// How long one lasts that nothing is asked with.
const IDLE: Duration = Duration::from_secs(2 * 3600);

/// How many sessions there are at a time, and how many of one token.
const MAX_SESSIONS: usize = 1000;
const MAX_OF_TOKEN: usize = 32;

/// How long somebody may take over a form.
const FORM_LIFE: Duration = Duration::from_secs(15 * 60);

/// How many forms are open at a time, and how many of one login.
const MAX_FORMS: usize = 2000;
const MAX_OF_LOGIN: usize = 64;

/// How many bytes a secret is made of.
const SECRET: usize = 32;

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// By what somebody is known: the hash of a session's secret or of a token, or that it is the socket. Forms are made for one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Login {
    /// The socket of the data folder.
    Socket,
    /// A token that each request shows.
    Token(Hash),
    /// A session of the page.
    Session(Hash),
}

/// All sessions, their forms, and what the next page tells each.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<Hash, Session>,
    forms: HashMap<Hash, Form>,
    notices: HashMap<Login, String>,
}

#[derive(Debug)]
struct Session {
    /// The hash of the token that it stands for.
    token: Hash,
    /// Whom the token has shown, where it was one of an issuer.
    issued: Option<Issued>,
    /// When it ends in any case.
    ends: Instant,
    used: Instant,
}

/// A session that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The hash of the token that it stands for.
    pub(super) token: Hash,
    /// Whom the token has shown, where it was one of an issuer.
    pub(super) issued: Option<Issued>,
    /// By what the session is known.
    pub(super) login: Login,
}

/// A form that was shown and not sent yet.
#[derive(Debug)]
struct Form {
    login: Login,
    /// The order that it is for.
    order: String,
    made: Instant,
}

/// The secret could not be made: the system gives no random bytes.
#[derive(Debug)]
pub(super) struct NoChance;

impl Sessions {
    /// Begins a session for a token, by its hash; returns the secret that the browser keeps. That for a token of an issuer ends with it.
    pub(super) fn begin(&self, token: Hash, issued: Option<Issued>) -> Result<String, NoChance> {
        let (secret, id) = secret()?;
        let now = Instant::now();
        let life = issued.as_ref().map_or(LIFE, |issued| issued.lasts.min(LIFE));
        let mut inner = self.lock();
        inner.tidy(now);
        make_room(&mut inner.sessions, MAX_OF_TOKEN, MAX_SESSIONS, |it| it.token == token, |it| it.used);
        inner.sessions.insert(id, Session { token, issued, ends: now + life, used: now });
        Ok(secret)
    }

    /// The session with the secret of a cookie.
    pub(super) fn find(&self, secret: &str) -> Option<Found> {
        let (id, now) = (hash(secret), Instant::now());
        let mut inner = self.lock();
        let session = inner.sessions.get_mut(&id).filter(|session| session.lasts(now))?;
        session.used = now;
        Some(Found { token: session.token, issued: session.issued.clone(), login: Login::Session(id) })
    }

    /// Ends a session, and closes its forms.
    pub(super) fn end(&self, login: Login) {
        let mut inner = self.lock();
        if let Login::Session(id) = login {
            inner.sessions.remove(&id);
        }
        inner.forms.retain(|_, form| form.login != login);
        inner.notices.remove(&login);
    }

    /// Makes a form for an order of somebody; returns what has to come back with it.
    pub(super) fn form(&self, login: Login, order: &str) -> Result<String, NoChance> {
        let (secret, id) = secret()?;
        let now = Instant::now();
        let mut inner = self.lock();
        inner.tidy(now);
        make_room(&mut inner.forms, MAX_OF_LOGIN, MAX_FORMS, |it| it.login == login, |it| it.made);
        inner.forms.insert(id, Form { login, order: order.to_owned(), made: now });
        Ok(secret)
    }

    /// Whether this came with a form that was made for this order of this login, and was not sent before. It has been, from now on.
    pub(super) fn take(&self, login: Login, order: &str, secret: &str) -> bool {
        let (id, now) = (hash(secret), Instant::now());
        let mut inner = self.lock();
        let is = |form: &Form| form.login == login && form.order == order && now < form.made + FORM_LIFE;
        inner.forms.get(&id).is_some_and(is) && inner.forms.remove(&id).is_some()
    }

    /// Has the next page tell somebody something.
    pub(super) fn tell(&self, login: Login, notice: String) {
        let mut inner = self.lock();
        // Who never looks at another page is told nothing.
        if inner.notices.len() >= MAX_SESSIONS {
            inner.notices.clear();
        }
        inner.notices.insert(login, notice);
    }

    /// What somebody is to be told.
    pub(super) fn told(&self, login: Login) -> Option<String> {
        self.lock().notices.remove(&login)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn lasts(&self, now: Instant) -> bool {
        now < self.ends && now < self.used + IDLE
    }
}

impl Inner {
    /// Forgets what is over.
    fn tidy(&mut self, now: Instant) {
        self.sessions.retain(|_, session| session.lasts(now));
        self.forms.retain(|_, form| now < form.made + FORM_LIFE);
        let sessions = &self.sessions;
        self.notices.retain(|login, _| match login {
            Login::Session(id) => sessions.contains_key(id),
            _ => true,
        });
    }
}

/// Lets the oldest of its own kind go where there are `most_own` of them, and the oldest of all where there are `most`.
fn make_room<T>(
    all: &mut HashMap<Hash, T>,
    most_own: usize,
    most: usize,
    is_own: impl Fn(&T) -> bool,
    age: impl Fn(&T) -> Instant,
) {
    let oldest = |all: &HashMap<Hash, T>, counts: &dyn Fn(&T) -> bool| {
        let found = all.iter().filter(|(_, it)| counts(it)).min_by_key(|(_, it)| age(it));
        found.map(|(id, _)| *id)
    };
    if all.values().filter(|it| is_own(it)).count() >= most_own
        && let Some(id) = oldest(all, &is_own)
    {
        all.remove(&id);
    }
    if all.len() >= most
        && let Some(id) = oldest(all, &|_| true)
    {
        all.remove(&id);
    }
}

/// A new secret, and the hash that it is known by.
fn secret() -> Result<(String, Hash), NoChance> {
    let mut bytes = [0; SECRET];
    rand::fill(&mut bytes).map_err(|_| NoChance)?;
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let id = hash(&secret);
    Ok((secret, id))
}

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const ANN: Hash = [1; 32];
    const BOB: Hash = [2; 32];

    fn is_in(sessions: &Sessions, secret: &str) -> bool {
        sessions.find(secret).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lasts_half_a_day_and_two_hours_without_a_request() {
        let sessions = Sessions::default();
        let (idle, busy) = (sessions.begin(ANN, None).unwrap(), sessions.begin(ANN, None).unwrap());
        assert_eq!(sessions.find(&busy).unwrap().token, ANN);
        assert!(!is_in(&sessions, "") && !is_in(&sessions, "x"));
        for hour in 1..=13 {
            advance(Duration::from_secs(3600)).await;
            assert_eq!(is_in(&sessions, &busy), hour < 12, "{hour}");
        }
        assert!(!is_in(&sessions, &idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_of_an_issuers_token_ends_with_it() {
        use crate::server::tokens::Right;
        let sessions = Sessions::default();
        let issued =
            |lasts: u64| Issued { name: "oidc:ann".into(), right: Right::Act, lasts: Duration::from_secs(lasts) };
        let (short, over) =
            (sessions.begin(ANN, Some(issued(60))).unwrap(), sessions.begin(ANN, Some(issued(0))).unwrap());
        let long = sessions.begin(ANN, Some(issued(u64::MAX / 4))).unwrap();
        assert_eq!(sessions.find(&short).unwrap().issued, Some(issued(60)));
        assert!(!is_in(&sessions, &over));
        advance(Duration::from_secs(60)).await;
        assert!(!is_in(&sessions, &short) && is_in(&sessions, &long));
        for _ in 0..12 {
            assert!(is_in(&sessions, &long));
            advance(Duration::from_secs(3600)).await;
        }
        assert!(!is_in(&sessions, &long), "it lasts no longer than others");
    }

    #[tokio::test(start_paused = true)]
    async fn many_sessions_of_one_token_end_its_own_and_no_others() {
        let sessions = Sessions::default();
        let others = sessions.begin(BOB, None).unwrap();
        let mut own = Vec::new();
        for _ in 0..MAX_OF_TOKEN + 5 {
            advance(Duration::from_millis(1)).await;
            own.push(sessions.begin(ANN, None).unwrap());
        }
        assert!(is_in(&sessions, &others));
        let left: Vec<bool> = own.iter().map(|secret| is_in(&sessions, secret)).collect();
        assert_eq!(left, [vec![false; 5], vec![true; MAX_OF_TOKEN]].concat());
        for token in 3..=255 {
            for _ in 0..8 {
                advance(Duration::from_millis(1)).await;
                sessions.begin([token; 32], None).unwrap();
            }
        }
        assert_eq!(sessions.lock().sessions.len(), MAX_SESSIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_form_is_good_once_for_one_order_of_one_login() {
        let sessions = Sessions::default();
        let login = |sessions: &Sessions| sessions.find(&sessions.begin(ANN, None).unwrap()).unwrap().login;
        let (ann, other) = (login(&sessions), login(&sessions));
        let form = sessions.form(ann, "hold default:app").unwrap();
        assert!(!sessions.take(other, "hold default:app", &form), "of another session, even of the same token");
        assert!(!sessions.take(Login::Token(ANN), "hold default:app", &form));
        assert!(!sessions.take(ann, "release default:app", &form));
        assert!(!sessions.take(ann, "hold default:app", ""));
        assert!(sessions.take(ann, "hold default:app", &form));
        assert!(!sessions.take(ann, "hold default:app", &form), "sent twice");

        let late = sessions.form(ann, "poll *").unwrap();
        advance(FORM_LIFE).await;
        assert!(!sessions.take(ann, "poll *", &late));

        let open: Vec<String> = (0..MAX_OF_LOGIN).map(|_| sessions.form(ann, "poll *").unwrap()).collect();
        let one = sessions.form(other, "poll *").unwrap();
        sessions.form(ann, "poll *").unwrap();
        assert_eq!(open.iter().filter(|form| sessions.take(ann, "poll *", form)).count(), MAX_OF_LOGIN - 1);
        sessions.end(other);
        assert!(!sessions.take(other, "poll *", &one), "it went with its session");
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_is_told_once() {
        let sessions = Sessions::default();
        sessions.tell(Login::Socket, "done".to_owned());
        assert_eq!(sessions.told(Login::Token(ANN)), None);
        assert_eq!(sessions.told(Login::Socket).as_deref(), Some("done"));
        assert_eq!(sessions.told(Login::Socket), None);
    }
}
