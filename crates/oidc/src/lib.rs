//! Tokens of OpenID Connect issuers: JSON Web Tokens that an issuer has signed, and others show as their bearer.
//!
//! An [`Issuer`] knows where its keys are and keeps them for a while; [`Keys`] tell whether one of them has signed a token, and whether it
//! is meant for who asks, now; [`Claims`] are what it says then, and a [`Condition`] is what somebody wants to be said.
//!
//! Whoever has an account at an issuer gets tokens of it, so that a signature alone says nothing. An audience is always asked for, and
//! who takes a token has conditions besides.
//!
//! | rule | from |
//! |---|---|
//! | `alg` is one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, and fits the key; `none` and HMAC never do | RFC 8725, section 3.1 |
//! | `typ` is none, `JWT` or `at+jwt`; there is no `crit` | RFC 8725, section 3.11; RFC 7515, section 4.1.11 |
//! | `kid` names a key of the set; without, the set has one key that fits | OpenID Connect Core, section 10.1 |
//! | `iss` is the issuer, to the letter, as in its discovery document | OpenID Connect Discovery, section 4.3 |
//! | `aud` is the audience, or a list that has it | RFC 7519, section 4.1.3 |
//! | `exp` is there and not over; `nbf` and `iat`, where they are, have begun; clocks may be a minute apart | RFC 7519, section 4.1 |

mod claims;
mod condition;
mod issuer;
mod keys;

use thiserror::Error;

pub use claims::{Claims, Expected};
pub use condition::Condition;
pub use issuer::{Issuer, Unusable, is_issuer};
pub use keys::Keys;

/// The longest token that is looked at, in bytes: 12 KiB. Tokens with hundreds of groups are that long, and a request's head has no more room.
pub const MAX_TOKEN: usize = 12 * 1024;

/// Why a token does not count. Nothing of the token is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// It is no JSON Web Token, or one that asks for more than is known here.
    #[error("it is no JSON Web Token of a known form")]
    Malformed,
    /// It is not signed, or by a way by which no issuer signs.
    #[error("it is not signed by a known public-key algorithm")]
    Algorithm,
    /// The issuer shows no such key.
    #[error("its issuer has no key by which it could be signed")]
    Key,
    /// The key has not signed it.
    #[error("its signature is wrong")]
    Signature,
    /// Another issuer says so.
    #[error("it is of another issuer")]
    Issuer,
    /// It is meant for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// It has no end, or is past it.
    #[error("it is over")]
    Over,
    /// It has not begun.
    #[error("it has not begun yet")]
    Early,
    /// The keys cannot be had.
    #[error("the keys of its issuer cannot be had now")]
    Unreachable,
}
