//! What the machine contributes: variables of its environment, and files that these name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use access::Secret;
use tokio::io::AsyncReadExt as _;
use url::Url;
use web::words::one_line;
use web::{is_inside, is_private};

use super::error::Error;

/// The largest file that is read: tokens, keys and profiles are smaller.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// The longest path that a message shows, in characters.
const MAX_SHOWN: usize = 300;

/// The variables of a process. It prints none of their values.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

impl Environment {
    /// Takes the variables of this process. What is no UTF-8 counts as not set.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Returns a variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Returns the first of some variables that is set.
    pub(crate) fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns a path, with the home folder for a leading `~`.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.get("HOME")) {
            (Some(below), Some(home)) => Path::new(home).join(below),
            _ => PathBuf::from(text),
        }
    }

    /// Returns the address in the first of some variables that is set.
    ///
    /// # Errors
    /// It is no address that may be asked.
    pub(crate) fn endpoint(&self, names: &[&str]) -> Result<Option<Url>, Error> {
        let Some(name) = names.iter().find(|name| self.get(name).is_some()) else { return Ok(None) };
        endpoint(name, self.get(name).unwrap_or_default()).map(Some)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Reads an address that somebody has named: `https`, or `http` where it stays on this machine or in a private network.
pub(crate) fn endpoint(name: &str, text: &str) -> Result<Url, Error> {
    let wrong = |reason: &str| Error::Setting { name: name.to_owned(), reason: reason.to_owned() };
    let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("must begin with https://"));
    }
    if url.scheme() == "http" && !is_private(&url) && !is_inside(&url) {
        return Err(wrong("must begin with https://, since plain HTTP is for this machine and private networks"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must be an address without login, query and fragment"));
    }
    Ok(url)
}

/// Reads an address of our own making, which may have a part that was configured.
pub(crate) fn address(name: &str, text: &str) -> Result<Url, Error> {
    let wrong =
        || Error::Setting { name: name.to_owned(), reason: "has characters that no address can have".to_owned() };
    Url::parse(text).map_err(|_| wrong())
}

/// Returns the address below another.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/')));
    url.set_query(query);
    url
}

/// Reads a file where people usually have one: None where there is none, or it is somebody else's, as when a container has the home of
/// another.
pub(crate) async fn read_if_there(path: &Path) -> Result<Option<Secret>, Error> {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match text(path).await {
        Ok(text) => Ok(Some(text)),
        Err(Unreadable::Closed(error)) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => {
            Ok(None)
        }
        Err(unreadable) => Err(unreadable.of(path)),
    }
}

/// Reads a file that a setting names.
pub(crate) async fn read(setting: &str, path: &Path) -> Result<Secret, Error> {
    text(path).await.map_err(|unreadable| match unreadable {
        Unreadable::Closed(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Error::File { path: shown(path), reason: format!("does not exist, and {setting} names it") }
        }
        unreadable => unreadable.of(path),
    })
}

/// Why a file has no text.
enum Unreadable {
    /// It cannot be opened or read.
    Closed(std::io::Error),
    /// It has something else in it.
    Wrong(&'static str),
}

impl Unreadable {
    fn of(self, path: &Path) -> Error {
        let reason = match self {
            Self::Closed(error) => format!("cannot be read: {error}"),
            Self::Wrong(reason) => reason.to_owned(),
        };
        Error::File { path: shown(path), reason }
    }
}

async fn text(path: &Path) -> Result<Secret, Unreadable> {
    // A pipe would keep us waiting, and a device never end.
    if !tokio::fs::metadata(path).await.map_err(Unreadable::Closed)?.is_file() {
        return Err(Unreadable::Wrong("is not a file"));
    }
    let file = tokio::fs::File::open(path).await.map_err(Unreadable::Closed)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).await.map_err(Unreadable::Closed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Unreadable::Wrong("is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map(Secret::from).map_err(|_| Unreadable::Wrong("is not UTF-8 text"))
}

fn shown(path: &Path) -> String {
    one_line(&path.display().to_string(), MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_that_may_be_named() {
        for good in [
            "https://sts.eu-west-1.amazonaws.com",
            "http://localhost:4566",
            "http://127.0.0.1:1/aws",
            "http://localstack:4566",
            "http://169.254.169.254",
            "http://10.0.0.1",
            "http://metadata.google.internal",
        ] {
            assert!(endpoint("X", good).is_ok(), "{good}");
        }
        for bad in
            ["http://sts.amazonaws.com", "ftp://a", "x", "https://u:p@a.io", "https://a.io/?x", "https://a.io/#x"]
        {
            let error = endpoint("X", bad).unwrap_err().to_string();
            assert!(error.starts_with("X ") && !error.contains("u:p"), "{error}");
        }
        assert_eq!(below(&endpoint("X", "http://a/b/").unwrap(), "/c/d?e=f").as_str(), "http://a/b/c/d?e=f");
    }

    #[tokio::test]
    async fn files() {
        assert!(read_if_there(Path::new("/nonexistent/x")).await.unwrap().is_none());
        let error = read("AWS_X", Path::new("/nonexistent/x")).await.unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/x does not exist, and AWS_X names it");
        let error = read_if_there(Path::new("/dev/zero")).await.unwrap_err();
        assert_eq!(error.to_string(), "/dev/zero is not a file");
    }
}
