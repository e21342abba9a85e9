//! The machine's own Docker and Podman configuration: where it is, and what it says about a repository.
//!
//! Used where the configuration names no credentials, and for mirrors. The files are tried in this order, and the first
//! that has something for the repository decides:
//! 1. `$REGISTRY_AUTH_FILE`,
//! 2. `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json` without that variable,
//! 3. `$XDG_RUNTIME_DIR/containers/auth.json`,
//! 4. `~/.config/containers/auth.json` (`$XDG_CONFIG_HOME` in place of `~/.config`).
//!
//! Within a file `credHelpers` come first, then `auths`, then `credsStore`. A file that an environment variable names for
//! this very purpose must be readable if it exists; the others are passed over where this user may not read them, as
//! when a container has the home of another.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::RegistryLogin;
use access::dockerconfig;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;

use super::endpoint::{canonical_host, is_docker_hub};
use super::error::Error;
use super::helper;
use super::login::{self, Credential};

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// How long a file's content counts before it is read again.
const FILE_AGE: Duration = Duration::from_secs(10);
/// How long a helper's answer counts before it is asked again; it is also forgotten when a registry denies it.
const HELPER_AGE: Duration = Duration::from_secs(300);
/// How Docker Hub is called when a credential helper is asked.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";

/// Which Docker configuration is used for repositories without credentials of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerConfig {
    files: Vec<File>,
    helper_path: Option<OsString>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    path: PathBuf,
    named: Named,
}

/// Whether somebody named a file, so that it must be readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Explicitly,
    ByConvention,
}

impl DockerConfig {
    /// Uses none.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Uses one file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { files: vec![File { path: path.into(), named: Named::Explicitly }], helper_path: None }
    }

    /// Uses what this process's environment points to.
    #[must_use]
    pub fn machine() -> Self {
        Self::from_environment(|name| std::env::var_os(name))
    }

    /// Uses what an environment points to; empty variables count as absent.
    ///
    /// ```
    /// use registry::DockerConfig;
    /// let config = DockerConfig::from_environment(|name| (name == "HOME").then(|| "/home/me".into()));
    /// assert_eq!(config.paths().next(), Some("/home/me/.docker/config.json".as_ref()));
    /// ```
    #[must_use]
    pub fn from_environment(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let directory = |name: &str| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = |below: &str| directory("HOME").map(|home| home.join(below));
        let explicit = |path: PathBuf| File { path, named: Named::Explicitly };
        let usual = |path: PathBuf| File { path, named: Named::ByConvention };
        let docker = match directory("DOCKER_CONFIG") {
            Some(directory) => Some(explicit(directory.join("config.json"))),
            None => home(".docker/config.json").map(usual),
        };
        let config_home = directory("XDG_CONFIG_HOME").or_else(|| home(".config"));
        let files = [
            directory("REGISTRY_AUTH_FILE").map(explicit),
            docker,
            directory("XDG_RUNTIME_DIR").map(|runtime| usual(runtime.join("containers/auth.json"))),
            config_home.map(|config| usual(config.join("containers/auth.json"))),
        ];
        Self { files: files.into_iter().flatten().collect(), helper_path: None }
    }

    /// Looks for credential helpers in these directories, in the form of `PATH`, in place of the environment's.
    #[must_use]
    pub fn with_helper_path(self, path: impl Into<OsString>) -> Self {
        Self { helper_path: Some(path.into()), ..self }
    }

    /// Lists the files in the order in which they are tried.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }
}

/// Answers what the machine's configuration says, and remembers it for a while.
#[derive(Debug)]
pub(crate) struct Machine {
    config: DockerConfig,
    patience: Duration,
    files: Mutex<Option<(Instant, Arc<Vec<dockerconfig::DockerConfig>>)>>,
    answers: Mutex<HashMap<Question, Arc<Mutex<Option<Answer>>>>>,
}

/// A helper, and the registry it is asked about.
type Question = (String, String);

#[derive(Debug)]
struct Answer {
    when: Instant,
    login: Option<RegistryLogin>,
}

impl Machine {
    pub(crate) fn new(config: DockerConfig, patience: Duration) -> Self {
        Self { config, patience, files: Mutex::default(), answers: Mutex::default() }
    }

    /// Returns the credentials for a repository, given by its registry's authority and its path.
    pub(crate) async fn credential(&self, authority: &str, path: &str) -> Result<Credential, Error> {
        for file in self.read().await?.iter() {
            if let Some(entry) = self.entry(file, authority, path).await? {
                return Ok(Credential::of(&entry));
            }
        }
        Ok(Credential::Anonymous)
    }

    /// Returns what there are credentials for, without asking helpers.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let Ok(files) = self.read().await else { return Vec::new() };
        files.iter().flat_map(|file| file.helpers.keys().cloned().chain(login::keys(&file.logins))).collect()
    }

    /// Forgets what helpers said about a registry, since it was denied.
    pub(crate) async fn forget(&self, authority: &str) {
        let server = server(authority);
        self.answers
            .lock()
            .await
            .retain(|(_, known), _| canonical_host(known) != canonical_host(authority) && *known != server);
    }

    async fn entry(
        &self,
        file: &dockerconfig::DockerConfig,
        authority: &str,
        path: &str,
    ) -> Result<Option<RegistryLogin>, Error> {
        let keys: Vec<String> = file.helpers.keys().cloned().collect();
        if let Some(key) = login::best(&keys, authority, path).map(|index| &keys[index]) {
            let server = if is_docker_hub(key) { DOCKER_HUB_SERVER } else { key };
            if let Some(entry) = self.ask(&file.helpers[key], server).await? {
                return Ok(Some(entry));
            }
        }
        // With a credential store Docker writes empty entries, which only say that the store has something.
        let filled: Vec<RegistryLogin> =
            file.logins.iter().filter(|entry| !Credential::of(entry).is_anonymous()).cloned().collect();
        if let Some(entry) = login::matching(&filled, authority, path) {
            return Ok(Some(entry.clone()));
        }
        match &file.store {
            Some(store) => self.ask(store, &server(authority)).await,
            None => Ok(None),
        }
    }

    /// Asks a helper, once when many want to know.
    async fn ask(&self, helper: &str, server: &str) -> Result<Option<RegistryLogin>, Error> {
        let key = (helper.to_owned(), server.to_owned());
        let cell = self.answers.lock().await.entry(key).or_default().clone();
        let mut answer = cell.lock().await;
        if let Some(known) = answer.as_ref().filter(|known| known.when.elapsed() < HELPER_AGE) {
            return Ok(known.login.clone());
        }
        let login = helper::get(helper, server, self.config.helper_path.as_ref(), self.patience).await?;
        *answer = Some(Answer { when: Instant::now(), login: login.clone() });
        Ok(login)
    }

    async fn read(&self) -> Result<Arc<Vec<dockerconfig::DockerConfig>>, Error> {
        let mut known = self.files.lock().await;
        if let Some((_, files)) = known.as_ref().filter(|(when, _)| when.elapsed() < FILE_AGE) {
            return Ok(Arc::clone(files));
        }
        let mut files = Vec::new();
        for file in &self.config.files {
            files.extend(read_file(file).await?);
        }
        let files = Arc::new(files);
        *known = Some((Instant::now(), Arc::clone(&files)));
        Ok(files)
    }
}

/// Returns what a credential helper expects as the name of a registry.
fn server(authority: &str) -> String {
    if is_docker_hub(authority) { DOCKER_HUB_SERVER.to_owned() } else { authority.to_owned() }
}

/// Reads a file, and nothing else: a pipe would keep us waiting, and a device never end.
async fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut text = Vec::new();
    tokio::fs::File::open(path).await?.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).await?;
    match text.len() as u64 > MAX_FILE_BYTES {
        true => Err(std::io::Error::new(ErrorKind::InvalidData, format!("it is larger than {MAX_FILE_BYTES} bytes"))),
        false => Ok(text),
    }
}

async fn read_file(file: &File) -> Result<Option<dockerconfig::DockerConfig>, Error> {
    let fail = |reason: String| Error::DockerConfig { path: file.path.display().to_string(), reason };
    match read_bounded(&file.path).await {
        Ok(text) => dockerconfig::parse(&text).map(Some).map_err(|error| fail(error.to_string())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(_) if file.named == Named::ByConvention => Ok(None),
        Err(error) => Err(fail(web::words::system(&error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(environment: &[(&str, &str)], expect: &[&str]) {
        let config = DockerConfig::from_environment(|name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        });
        let paths: Vec<String> = config.paths().map(|path| path.display().to_string()).collect();
        assert_eq!(paths, expect, "{environment:?}");
    }

    #[test]
    fn where_it_is() {
        check(&[], &[]);
        check(&[("HOME", "/h")], &["/h/.docker/config.json", "/h/.config/containers/auth.json"]);
        check(&[("HOME", "/h"), ("DOCKER_CONFIG", "/d")], &["/d/config.json", "/h/.config/containers/auth.json"]);
        check(&[("DOCKER_CONFIG", ""), ("HOME", "/h")], &["/h/.docker/config.json", "/h/.config/containers/auth.json"]);
        let all = [("REGISTRY_AUTH_FILE", "/a.json"), ("XDG_RUNTIME_DIR", "/run/1"), ("XDG_CONFIG_HOME", "/c")];
        check(&all, &["/a.json", "/run/1/containers/auth.json", "/c/containers/auth.json"]);
    }
}
