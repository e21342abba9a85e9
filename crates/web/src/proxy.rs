//! Through which proxy a request goes, for those who have to say that it did not get through.

use std::sync::LazyLock;

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::clients::{ProxyChoice, Route};
use super::place::{is_loopback, show};

/// What the environment says, as reqwest reads it.
static ENVIRONMENT: LazyLock<Matcher> = LazyLock::new(Matcher::from_system);

impl Route<'_> {
    /// Returns the proxy on the way to an address, as a message may show it; None where there is none.
    #[must_use]
    pub fn proxy_to(&self, to: &Url) -> Option<String> {
        let address = match self.proxy {
            ProxyChoice::Direct => return None,
            ProxyChoice::Named { address, .. } => address.to_owned(),
            ProxyChoice::Environment if is_loopback(to) => return None,
            ProxyChoice::Environment => ENVIRONMENT.intercept(&to.as_str().parse().ok()?)?.uri().to_string(),
        };
        // One that is no URL was refused before.
        Some(Url::parse(&address).map_or_else(|_| "of the environment".to_owned(), |url| show(&url)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Protocol;

    #[test]
    fn a_proxy_is_shown_without_its_login() {
        let to = |proxy| {
            let route = Route { authorities: Vec::new(), identity: None, proxy, protocol: Protocol::Http1 };
            route.proxy_to(&Url::parse("https://git.example.com/x").unwrap())
        };
        let named = |address| to(ProxyChoice::Named { address, login: None });
        assert_eq!(named("http://me:s3cret@proxy:3128").as_deref(), Some("http://proxy:3128/"));
        assert_eq!(to(ProxyChoice::Direct), None);
    }
}
