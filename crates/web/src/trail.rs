//! The way of one request along redirects, and what may be shown on it.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

use super::origin::Origin;
use super::place::is_private;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// The way of one request along redirects.
///
/// What proves who we are belongs to one origin, the home. It may be shown as long as nobody else has had a say: not to a
/// server that is not the home, and not any more to the home itself once another server has sent us there. That holds for
/// headers and for client certificates alike.
///
/// ```
/// use web::{Obstacle, Origin, Trail};
/// let url = |text| url::Url::parse(text).unwrap();
/// let mut trail = Trail::new(Origin::of(&url("https://registry.example.com/")), url("https://registry.example.com/v2/a"));
/// assert!(trail.is_home());
/// trail.follow(url("https://cdn.example.net/a"))?;
/// assert!(!trail.is_home());
/// assert_eq!(trail.follow(url("http://169.254.169.254/")), Err(Obstacle::Downgrade));
/// assert_eq!(trail.follow(url("https://169.254.169.254/")), Err(Obstacle::Private));
/// # Ok::<(), Obstacle>(())
/// ```
#[derive(Debug)]
pub struct Trail {
    start: Url,
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
    /// It leads to a private address, and not to the host that was asked first.
    Private,
    /// It is one redirect too many.
    TooMany,
}

/// Returns where an answer from `at` redirects to: nothing where it does not, since it has another status or no `Location`.
///
/// # Errors
/// Its `Location` is no address.
pub fn redirect(at: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Option<Url>, NoAddress> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    location.to_str().ok().and_then(|location| at.join(location).ok()).map(Some).ok_or(NoAddress)
}

/// A redirect whose `Location` is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAddress;

impl Trail {
    /// Begins at an address, which need not be at home: the next page of a list may be on another server.
    pub fn new(home: Origin, start: Url) -> Self {
        let is_home = home.covers(&Origin::of(&start));
        Self { at: start.clone(), start, home, is_home, followed: 0 }
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
        if is_private(&target) && target.host() != self.start.host() {
            return Err(Obstacle::Private);
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
        for private in
            ["https://169.254.169.254/latest", "https://10.0.0.1/", "https://localhost/", "https://[fd00::1]/"]
        {
            assert_eq!(trail.follow(url(private)), Err(Obstacle::Private), "{private}");
        }
        assert_eq!(trail.at().as_str(), "https://a.io/");
        for _ in 0..MAX_REDIRECTS {
            trail.follow(url("https://u:p@a.io/again")).unwrap();
            assert_eq!(trail.at().as_str(), "https://a.io/again", "the login in it is not ours");
        }
        assert_eq!(trail.follow(url("https://a.io/again")), Err(Obstacle::TooMany));
    }
    #[test]
    fn a_private_host_may_redirect_to_itself_alone() {
        let mut trail = trail("http://10.0.0.1:5000/", "http://10.0.0.1:5000/");
        trail.follow(url("http://10.0.0.1:5001/")).unwrap();
        assert_eq!(trail.follow(url("http://10.0.0.2:5001/")), Err(Obstacle::Private));
        trail.follow(url("http://public.example.com/")).unwrap();
        trail.follow(url("http://10.0.0.1:5000/")).unwrap();
    }

    #[test]
    fn what_a_redirect_is() {
        let at = url("https://a.io/v2/x");
        let read = |status: u16, location: Option<&'static str>| {
            let headers = location.map(|location| (LOCATION, location.parse().unwrap())).into_iter().collect();
            redirect(&at, StatusCode::from_u16(status).unwrap(), &headers)
        };
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(read(status, Some("y")), Ok(Some(url("https://a.io/v2/y"))));
            assert_eq!(read(status, None), Ok(None));
            assert_eq!(read(status, Some("https://")), Err(NoAddress));
        }
        for status in [200, 300, 304, 305, 401] {
            assert_eq!(read(status, Some("y")), Ok(None), "{status}");
        }
    }
}
