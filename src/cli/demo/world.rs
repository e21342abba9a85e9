//! The demo's world: configuration, Git remotes and tags, made from what is embedded in the binary.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};
use serde::Deserialize;

use super::registry::Tags;
use crate::cli::run::Settings;
use crate::config;
use crate::failure::{Failure, Kind, Result};

/// The default configuration, as in `policies/`.
static POLICIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");

/// `demo.json` (tags, remotes, secrets) and a folder for each remote.
static FIXTURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/demo");

/// The description of the demo, `demo.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// Tags by repository, `host/path`.
    tags: BTreeMap<String, Vec<String>>,
    remotes: Vec<RemoteDescription>,
    /// Values of secrets by `<namespace>/<name>/<key>`.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoteDescription {
    url: String,
    branch: String,
    folder: String,
}

/// A bare repository that stands in for a remote of the configuration.
#[derive(Debug)]
pub(super) struct Remote {
    /// The URL that the configuration names.
    url: String,
    /// The repository.
    pub(super) path: PathBuf,
    /// Its branch.
    pub(super) branch: String,
}

/// Everything a demo needs.
#[derive(Debug)]
pub(super) struct World {
    directory: PathBuf,
    hosts: Vec<String>,
    /// Tags by path below any registry host.
    pub(super) tags: Tags,
    /// The remotes.
    pub(super) remotes: Vec<Remote>,
}

impl World {
    /// Writes configuration and remotes below an empty directory.
    pub(super) fn build(directory: &Path) -> Result<Self> {
        let description = FIXTURES.get_file("demo.json").ok_or_else(|| lacks("demo.json"))?;
        let description: Description = serde_json::from_slice(description.contents())?;
        let policies = directory.join("policies");
        fs::create_dir_all(&policies)?;
        POLICIES.extract(&policies)?;
        let secrets = directory.join("secrets");
        fs::create_dir_all(&secrets)?;
        for (path, value) in &description.secrets {
            let file = secrets.join(path);
            fs::create_dir_all(file.parent().unwrap_or(&secrets))?;
            fs::write(&file, value)?;
        }
        let remotes =
            description.remotes.iter().map(|remote| build_remote(directory, remote)).collect::<Result<Vec<_>, _>>()?;
        write_git_configuration(directory, &remotes)?;
        let mut hosts = Vec::new();
        let mut tags = Tags::new();
        for (repository, listed) in description.tags {
            let (host, path) = repository.split_once('/').ok_or_else(|| lacks("the host of a repository"))?;
            if !hosts.contains(&host.to_owned()) {
                hosts.push(host.to_owned());
            }
            tags.insert(path.to_owned(), listed);
        }
        Ok(Self { directory: directory.to_owned(), hosts, tags, remotes })
    }

    /// The settings of a `run --once` in this world.
    pub(super) fn settings(&self, registry: SocketAddr) -> Settings {
        Settings {
            sources: config::Sources {
                paths: vec![self.directory.join("policies")],
                secrets: Some(self.directory.join("secrets")),
                ..config::Sources::default()
            },
            mirrors: self.hosts.iter().map(|host| format!("{host}=http://{registry}")).collect(),
            data_dir: Some(self.directory.join("data")),
            git_configuration: Some(self.directory.join("gitconfig")),
            broken_glass: None,
        }
    }
}

/// The failure for a part that was not embedded when the program was built.
fn lacks(what: &str) -> Failure {
    Failure::new(Kind::Internal, format!("the embedded demo lacks {what}"))
}

/// Makes a bare repository with one commit that holds a folder of the fixtures.
fn build_remote(directory: &Path, description: &RemoteDescription) -> Result<Remote> {
    let RemoteDescription { url, branch, folder } = description;
    let files = FIXTURES.get_dir(folder).ok_or_else(|| lacks(folder))?;
    let path = directory.join("remotes").join(format!("{folder}.git"));
    let mut options = git2::RepositoryInitOptions::new();
    options.bare(true).mkpath(true).external_template(false).initial_head(branch);
    let repository = git2::Repository::init_opts(&path, &options)?;
    let tree = write_tree(&repository, files)?;
    let tree = repository.find_tree(tree)?;
    let author = git2::Signature::now("A Person", "person@example.com")?;
    let reference = format!("refs/heads/{branch}");
    repository.commit(Some(&reference), &author, &author, "Deploy the first version\n", &tree, &[])?;
    Ok(Remote { url: url.clone(), path, branch: branch.clone() })
}

fn write_tree(repository: &git2::Repository, folder: &Dir<'_>) -> Result<git2::Oid> {
    let mut tree = repository.treebuilder(None)?;
    for entry in folder.entries() {
        let name = entry.path().file_name().ok_or_else(|| lacks("the name of a file"))?;
        match entry {
            DirEntry::Dir(folder) => tree.insert(name, write_tree(repository, folder)?, 0o040_000)?,
            DirEntry::File(file) => tree.insert(name, repository.blob(file.contents())?, 0o100_644)?,
        };
    }
    Ok(tree.write()?)
}

/// Writes a git configuration that leads the URLs of the configuration to the repositories made here.
fn write_git_configuration(directory: &Path, remotes: &[Remote]) -> Result<()> {
    let mut text = String::new();
    for remote in remotes {
        text.push_str(&format!("[url \"{}\"]\n\tinsteadOf = {}\n", remote.path.display(), remote.url));
    }
    fs::write(directory.join("gitconfig"), text)?;
    Ok(())
}
