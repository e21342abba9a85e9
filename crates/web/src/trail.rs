//! The way of one request along redirects, and what may be shown on it.

use url::Url;

use super::origin::Origin;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// The way of one request along redirects.
///
/// What proves who we are belongs to one origin, the home. It may be shown as long as nobody else has had a say: not to a
/// server that is not the home, and not any more to the home itself once another server has sent us there. That holds for
/// headers and for client certificates alike.
#[derive(Debug)]
pub struct Trail {
    at: Url,
    home: Origin,
    is_home: bool,
    followed: usize,
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// It leads to something else than `http` or `https`.
    Scheme,
    /// It leads from `https` to `http`.
    Downgrade,
    /// It is one redirect too many.
    TooMany,
}

impl Trail {
    /// Begins at an address, which need not be at home: the next page of a list may be on another server.
    pub fn new(home: Origin, start: Url) -> Self {
        let is_home = home.covers(&Origin::of(&start));
        Self { at: start, home, is_home, followed: 0 }
    }

    /// Where the next request goes.
    pub const fn at(&self) -> &Url {
        &self.at
    }

    /// Whether the next request may carry what is for the home alone.
    pub const fn is_home(&self) -> bool {
        self.is_home
    }

    /// Goes on to where a redirect leads. A user name and a password in its address are the redirecting server's, not ours,
    /// and are left out.
    ///
    /// # Errors
    /// The redirect must not be followed.
    pub fn follow(&mut self, mut target: Url) -> Result<(), Obstacle> {
        if !matches!(target.scheme(), "http" | "https") {
            return Err(Obstacle::Scheme);
        }
        if self.at.scheme() == "https" && target.scheme() == "http" {
            return Err(Obstacle::Downgrade);
        }
        if self.followed == MAX_REDIRECTS {
            return Err(Obstacle::TooMany);
        }
        // These fail only for addresses without a host, which these schemes do not have.
        let _ = target.set_username("");
        let _ = target.set_password(None);
        self.followed += 1;
        self.is_home = self.is_home && self.home.covers(&Origin::of(&target));
        self.at = target;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn trail(home: &str, start: &str) -> Trail {
        Trail::new(Origin::of(&url(home)), url(start))
    }

    #[test]
    fn what_is_for_the_home_stays_there() {
        let ways: [(&[&str], bool); 6] = [
            (&["https://a.io/v2/x"], true),
            (&["https://a.io/v2/x", "https://a.io/v2/y"], true),
            (&["https://a.io/v2/x", "https://b.io/x"], false),
            (&["https://b.io/page2"], false),
            (&["https://a.io/v2/x", "https://b.io/x", "https://a.io/chosen-by-b"], false),
            (&["https://b.io/page2", "https://a.io/chosen-by-b"], false),
        ];
        for (way, expect) in ways {
            let mut trail = trail("https://a.io/v2/", way[0]);
            way[1..].iter().for_each(|next| trail.follow(url(next)).unwrap());
            assert_eq!((trail.is_home(), trail.at().as_str()), (expect, way[way.len() - 1]), "{way:?}");
        }
        let mut upwards = trail("http://a.io/", "http://a.io/");
        upwards.follow(url("https://a.io/")).unwrap();
        assert!(upwards.is_home(), "the same host, and safer");
    }

    #[test]
    fn what_is_not_followed() {
        let mut trail = trail("https://a.io/", "https://a.io/");
        assert_eq!(trail.follow(url("http://a.io/")), Err(Obstacle::Downgrade));
        assert_eq!(trail.follow(url("file:///etc/passwd")), Err(Obstacle::Scheme));
        assert_eq!(trail.at().as_str(), "https://a.io/");
        for _ in 0..MAX_REDIRECTS {
            trail.follow(url("https://u:p@a.io/again")).unwrap();
            assert_eq!(trail.at().as_str(), "https://a.io/again", "the login in it is not ours");
        }
        assert_eq!(trail.follow(url("https://a.io/again")), Err(Obstacle::TooMany));
    }
}
