//! The one HTTP leaf: what registries and Git remotes have in common when they are asked over HTTP.
//!
//! Two crates speak HTTP, `registry` and `git`, and both are given credentials. What they must not do differently stands here
//! once:
//!
//! - What proves who we are goes to the origin that the configuration names, and to no other: [`Trail`]. Headers are made by
//!   [`basic`] and [`bearer`], and a client certificate is part of a [`Route`].
//! - Redirects are few (5), never lead from `https` to `http`, and never to a private address that is not the host's own:
//!   [`Trail::follow`], [`is_private`]. Whoever is sent somewhere by somebody with no business on this machine stays off it and the link
//!   that it is on, whatever names lead to: [`Clients::elsewhere`], [`is_at_hand`].
//! - Connections are shared by all that go the same way, with the same certificates and the same proxy: [`Clients`], at most
//!   64 of them.
//! - A server is trusted by authorities, or since its certificate is itself one that is configured; and why it is not is said in
//!   the words of an operator: [`TlsProblem`].
//! - A host that asks for time gets it, for everything that is asked of it, whoever asks, at most an hour: [`Pauses`].
//! - Who is asked for a login on this machine ends with all that it has started: [`ProcessGroup`].
//! - What a status says of the next try: [`is_transient`], [`is_worth_retrying`].
//! - Whoever looks at traces sees each request, without anything that is secret: [`asking`].
//! - What the other side says is bounded and made harmless before anybody reads it: [`words`]; and it repeats nothing of what it
//!   was sent: [`Sent`].
//!
//! Nothing here knows what is asked for or what an answer means; and nothing here sends a request.
//!
//! # The way of a request
//!
//! 1. A [`Trail`] begins at the address, and knows the [`Origin`] that the proof is for.
//! 2. [`Clients::get`] gives the client for where the trail is now; without the client certificate when that is not
//!    [home](Trail::is_home).
//! 3. [`Pauses::of`] tells whether the host is to be left alone.
//! 4. The caller sends the request, with the `Authorization` header only at home.
//! 5. [`Pauses::heed`] takes in what the answer asks for, [`redirect`] tells whether it leads on, and [`Trail::follow`] whether
//!    that may be followed; then it is 2 again.
//!
//! ```
//! use web::{Origin, Trail, redirect};
//! let home = url::Url::parse("https://git.example.com/acme/config.git")?;
//! let mut trail = Trail::new(Origin::of(&home), home);
//! let headers: reqwest::header::HeaderMap = [(reqwest::header::LOCATION, "https://elsewhere.example.com/x".parse()?)].into_iter().collect();
//! let target = redirect(trail.at(), reqwest::StatusCode::FOUND, &headers).unwrap();
//! trail.follow(target.unwrap()).unwrap();
//! assert!(!trail.is_home(), "so that no login goes along");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clients;
mod elsewhere;
mod named;
mod origin;
mod pause;
mod place;
mod process_group;
mod proof;
mod proxy;
mod retry_after;
mod sent;
mod silence;
mod span;
mod status;
mod tls_problem;
mod trail;
mod trust;

pub use clients::{Clients, Common, Protocol, ProxyChoice, Route, Unusable};
pub use origin::{Origin, authority};
pub use pause::{Pause, Pauses};
pub use place::{is_address_at_hand, is_at_hand, is_inside, is_loopback, is_private, show};
pub use process_group::ProcessGroup;
pub use proof::{basic, bearer};
pub use retry_after::MAX_RETRY_AFTER;
pub use sent::{PROXY_VARIABLES, Sent};
pub use silence::{Unreachable, reason, silence};
pub use span::{SPANS, answered, asking, unanswered};
pub use status::{is_transient, is_worth_retrying};
pub use tls_problem::TlsProblem;
pub use trail::{NoAddress, Obstacle, Trail, redirect};
pub use words;
