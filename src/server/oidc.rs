//! Who may ask and who may order by tokens of an OpenID Connect issuer, in which people and workloads show who they are.
//!
//! The words are those of the flags of kube-apiserver: an issuer, an audience, claims that are required, and the claim with the name. What
//! somebody may do is said by conditions on claims, as groups are; who fulfils none may do nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::oidc::{Claims, Condition, Issuer, Refused, Unusable};
use jiff::Timestamp;

use super::tokens::Right;

/// The longest name of somebody in records, in characters.
const MAX_NAME: usize = 128;

/// What names in records begin with, so that nobody is taken for a token of the file or for the socket.
const PREFIX: &str = "oidc:";

/// Which tokens of an issuer count, and for what.
#[derive(Debug, Clone, Default)]
pub struct Oidc {
    /// The issuer, by its URL, which tells where its keys are.
    pub issuer: String,
    /// For whom the tokens are.
    pub audience: String,
    /// Certificate authorities of the issuer as PEM, trusted besides the system's.
    pub authorities: Vec<String>,
    /// The claim with the name of who acts. Without, it is the address of mail, unless the issuer says not to have verified it, or else
    /// `sub`.
    pub name: Option<String>,
    /// What tokens have to say, each of it.
    pub required: Vec<Condition>,
    /// Who may ask: whoever fulfils one of these.
    pub read: Vec<Condition>,
    /// Who may ask and order: whoever fulfils one of these.
    pub act: Vec<Condition>,
}

/// The issuer whose tokens are taken, with its keys.
#[derive(Debug)]
pub(super) struct Trusted {
    issuer: Issuer,
    rules: Oidc,
}

/// Somebody whom an issuer knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issued {
    /// As records name whoever it is.
    pub(super) name: Arc<str>,
    /// What that one may do.
    pub(super) right: Right,
    /// How long the token still lasts.
    pub(super) lasts: Duration,
}

/// Why a token of an issuer lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// It does not count.
    Refused(Refused),
    /// It counts, and whoever has it may do nothing here.
    Nothing,
}

impl fmt::Display for Denied {
    /// As the page says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Refused::Unreachable) => f.write_str("The issuer of this token cannot be asked; try again."),
            Self::Refused(why) => write!(f, "This token does not count: {why}."),
            Self::Nothing => f.write_str("This token counts, and whoever has it may do nothing here."),
        }
    }
}

impl Trusted {
    pub(super) fn new(rules: Oidc) -> Result<Self, Unusable> {
        Ok(Self { issuer: Issuer::new(&rules.issuer, rules.authorities.clone())?, rules })
    }

    /// Whom a token shows, and what that one may do.
    pub(super) async fn holder(&self, token: &str) -> Result<Issued, Denied> {
        let now = Timestamp::now().as_second();
        let claims = self.issuer.check(token, &self.rules.audience, now).await.map_err(Denied::Refused)?;
        self.rules.judge(&claims, now).ok_or(Denied::Nothing)
    }
}

impl Oidc {
    fn judge(&self, claims: &Claims, now: i64) -> Option<Issued> {
        let one_holds = |conditions: &[Condition]| conditions.iter().any(|condition| condition.holds(claims));
        if !self.required.iter().all(|condition| condition.holds(claims)) {
            return None;
        }
        let right = match (one_holds(&self.act), one_holds(&self.read)) {
            (true, _) => Right::Act,
            (false, true) => Right::Read,
            (false, false) => return None,
        };
        // An end that is over has been refused, but for the minute that clocks may be apart.
        let lasts = u64::try_from(claims.end()?.saturating_sub(now)).unwrap_or_default();
        Some(Issued { name: self.name_of(claims)?.into(), right, lasts: Duration::from_secs(lasts) })
    }

    /// As records name whoever has the token; none where the claim that was asked for is not there.
    fn name_of(&self, claims: &Claims) -> Option<String> {
        let name = match &self.name {
            Some(claim) if Claims::is_email(claim) => claims.text("email").filter(|_| claims.has_verified_email())?,
            Some(claim) => claims.text(claim)?,
            None => claims.text("email").filter(|_| claims.has_verified_email()).or_else(|| claims.text("sub"))?,
        };
        Some(format!("{PREFIX}{}", words::one_line(name, MAX_NAME)))
    }
}

/// Whether a bearer token may be one of an issuer: those of the file have no structure.
pub(super) fn is_issued(token: &str) -> bool {
    token.split('.').count() == 3
}
