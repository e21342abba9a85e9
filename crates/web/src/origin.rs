//! Servers as the web tells them apart: scheme, host and port.

use url::Url;

/// A server: scheme, host and port. What is secret is said to one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(url::Origin);

impl Origin {
    /// Returns the server of an address. One without a host is nobody's, and equal to no other.
    pub fn of(url: &Url) -> Self {
        Self(url.origin())
    }

    /// Whether what is meant for this server may go to the other: it is the same one, or the same host reached by `https` in
    /// place of `http`, both on their usual ports. The way down, from `https` to `http`, never is.
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (url::Origin::Tuple(plain, host, 80), url::Origin::Tuple(secure, same, 443))
                if plain == "http" && secure == "https" =>
            {
                host == same
            }
            (own, other) => own == other,
        }
    }
}

/// Returns `host[:port]` of an address; the port is left out where it is the scheme's.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn servers() {
        let covers = |known, other| {
            let of = |text| Origin::of(&Url::parse(text).unwrap());
            of(known).covers(&of(other))
        };
        assert!(covers("https://a.io/x", "https://a.io:443/y"));
        assert!(covers("https://A.io/x", "https://u:p@a.io/y?z#f"));
        assert!(covers("http://a.io/x", "https://a.io/y"), "up");
        assert!(!covers("https://a.io/x", "http://a.io/y"), "and never down");
        assert!(!covers("https://a.io/x", "https://b.io/x"));
        assert!(!covers("https://a.io/x", "https://x.a.io/x"));
        assert!(!covers("http://a.io/x", "https://b.io/x"));
        assert!(!covers("http://a.io:5000/x", "http://a.io:5001/x"));
        assert!(!covers("http://a.io:5000/x", "https://a.io:5000/x"));
        assert!(!covers("http://a.io/x", "https://a.io:8443/x"));
        assert!(!covers("file:///a", "file:///a"), "nobody is not anybody");
    }
}
