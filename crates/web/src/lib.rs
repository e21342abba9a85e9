//! The rules that every HTTP client of this program keeps: the one for registries and the one for Git remotes.
//!
//! - What proves who we are goes to the origin that the configuration names, and to no other: `Trail`.
//! - Redirects are few and never lead from `https` to `http`: `Trail` again.
//! - What the other side says is bounded and made harmless before anybody reads it: `words`.
//! - A host that asks for time gets it, for everything that is asked of it, whoever asks: [`Pauses`].
//!
//! Nothing here knows what is asked for or what an answer means.

mod origin;
mod pause;
mod retry_after;
mod trail;


pub use origin::{Origin, authority};
pub use pause::Pauses;
pub use retry_after::MAX_RETRY_AFTER;
pub use trail::{Obstacle, Trail};
pub use words;
