//! What several failures have in common: a host that does not do what it is for, whatever it is asked.
//!
//! A registry that is down fails for each of its images, and a forge for each of its repositories. People want to be told once.

use super::Error;
use crate::failure::Failure;

/// A host that fails as a whole, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// The host, with its port where it is not the scheme's own.
    pub host: String,
    /// Why, in one sentence that is the same for all that it stops.
    pub reason: String,
}

impl Error {
    /// The host that is to blame, if it fails whatever it is asked; none for what failed for a reason of its own.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Registry { registry, source, .. } if is_of_registry(source) => {
                Some(Cause { host: registry.clone(), reason: without_paths(&Failure::from(&**source).line()) })
            }
            Self::Git { url, source, .. } if is_of_git_host(source) => {
                let host = git::Url::parse(url).map_or_else(|_| url.clone(), |url| url.host());
                let reason = Failure::from(&**source).line().replace(url.as_str(), &host);
                Some(Cause { reason: without_paths(&reason), host })
            }
            _ => None,
        }
    }

    /// The registry that refuses an image as it may refuse others, and why, in one sentence that is the same for all of them.
    #[must_use]
    pub(crate) fn refusal(&self) -> Option<Cause> {
        let Self::Registry { image, registry, source } = self else { return None };
        let reason = match source.cause() {
            registry::Error::NotFound { .. } => "it answered 404, as for what does not exist".to_owned(),
            denied @ registry::Error::Denied { .. } => {
                let name = image.split_once('/').map_or(image.as_str(), |(_, name)| name);
                without_paths(&Failure::from(denied).line()).replace(name, "…")
            }
            _ => return None,
        };
        Some(Cause { host: registry.clone(), reason })
    }
}

/// Whether another image of the same registry would have failed alike.
fn is_of_registry(error: &registry::Error) -> bool {
    use registry::Error as E;
    match error {
        E::Certificate { .. }
        | E::Proxy { .. }
        | E::NoAuthorities { .. }
        | E::DockerConfig { .. }
        | E::Helper { .. }
        | E::Cloud { .. }
        | E::Throttled { .. }
        | E::Paused { .. }
        | E::Refused { .. }
        | E::Network { .. }
        | E::Tls { .. }
        | E::WebPage { .. }
        | E::Challenge { .. }
        | E::Realm { .. } => true,
        E::Status { .. } => error.kind() == registry::Kind::Transient,
        E::Behind { mirror, upstream } => is_of_registry(mirror) && is_of_registry(upstream),
        _ => false,
    }
}

/// Whether another repository of the same host would have failed alike.
fn is_of_git_host(error: &git::Error) -> bool {
    use git::Error as E;
    match error {
        E::HostKey { .. } | E::Network { .. } | E::Paused { .. } => true,
        E::Http { .. } => error.kind() == git::Kind::Transient,
        _ => false,
    }
}

/// Takes the paths out of the addresses in a sentence: they differ with what was asked for.
fn without_paths(text: &str) -> String {
    text.split(' ').map(without_path).collect::<Vec<_>>().join(" ")
}

fn without_path(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let Some(path) = rest.find('/') else { return word.to_owned() };
    let end = rest.trim_end_matches([':', ',', ';', ')']).len().max(path);
    format!("{scheme}://{}{}", &rest[..path], &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::without_paths;

    #[test]
    fn a_sentence_says_the_same_of_all_addresses() {
        for (text, wanted) in [
            ("cannot reach http://r:5000/v2/a/tags/list?n=1: refused", "cannot reach http://r:5000: refused"),
            ("https://r answered 503", "https://r answered 503"),
            ("https://r/: a, https://m/v2/; and/or", "https://r: a, https://m; and/or"),
            ("no address", "no address"),
        ] {
            assert_eq!(without_paths(text), wanted);
        }
    }
}
