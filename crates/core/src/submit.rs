//! Rendered resources on their way into a Git repository: which file each becomes, what is written anew, and what is taken away.
//!
//! Pure: texts go in as a [`Submission`], what the repository holds goes in as [`Found`], and a [`Planned`] comes out, of which one commit is
//! made.
//!
//! # Rules
//! - A file has one resource, at the path that the [`Layout`] gives, below the folder of the [`GitSync`]. No path leaves it, and no two are
//!   the same, also where upper and lower case do not count.
//! - A file that says the same stays as it is, with its comments: what is compared is the meaning. The order of keys is none.
//! - What a submitter has written is in its list ([`index`]), which is part of the same commit. A file that is not in it is somebody
//!   else's: it is never deleted, and only written over where [`GitSync::adopt`] says so.
//! - With [`GitSync::prune`], what the list has and the submission has not is deleted, unless somebody has changed it since, or another
//!   submitter has it in its list.
//! - One object is submitted once; twice the same is once, and twice something else is refused.
//! - A `Secret` that anybody could read is refused ([`Secrets`]).
//!
//! ```
//! use tagwright_core::submit::{Input, Secrets, Submission};
//!
//! let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: shop}\n";
//! let submission = Submission::read(&[Input { name: "app.yaml", text }], Secrets::Encrypted)?;
//! assert_eq!(submission.resources[0].id.to_string(), "ConfigMap shop/app");
//! # Ok::<(), tagwright_core::submit::Refused>(())
//! ```

pub mod index;
mod layout;
mod message;
mod node;
mod plan;
mod read;
mod resource;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use gotext::template::RenderError;
use thiserror::Error;

use crate::automation::Automation;

pub use self::layout::{DEFAULT as DEFAULT_LAYOUT, Layout, is_gits_own};
pub use self::message::{DEFAULT as DEFAULT_MESSAGE, message, proposal};
pub use self::node::Node;
pub use self::plan::{Change, Found, Kept, Paths, Planned, There, plan};
pub use self::read::{Unreadable, documents};
pub use self::resource::{Identity, MAX_RESOURCES, Resource, Secrets};
pub use self::write::document;

/// The most bytes of all texts of a submission: 64 MiB.
pub const MAX_BYTES: usize = 64 << 20;

/// The largest file that is written, or held against what would be, in bytes.
pub const MAX_FILE_BYTES: usize = 8 << 20;

/// A place in a Git repository that resources are submitted to.
#[derive(Debug, Clone)]
pub struct GitSync {
    /// Its name, the remote, the branches, the commit and the pull request: an automation without policies.
    pub automation: Arc<Automation>,
    /// The folder that all files are in, without slashes around; empty for the root.
    pub folder: String,
    /// Which file each resource goes to.
    pub layout: Layout,
    /// Whether what this submitter wrote before, and submits no more, is deleted.
    pub prune: bool,
    /// Whether files that are not this submitter's may be written over, and are its own from then on.
    pub adopt: bool,
    /// Whether secrets may be submitted as anybody can read them.
    pub secrets: Secrets,
}

impl GitSync {
    /// Where its list is, from the root of the repository.
    #[must_use]
    pub fn index(&self) -> String {
        self.below(&index::path(&self.automation.id))
    }

    /// The folder in which the lists of all submitters to the same folder are, from the root of the repository.
    #[must_use]
    pub fn lists(&self) -> String {
        self.below(index::FOLDER)
    }

    /// The path from the root of a path from the folder.
    #[must_use]
    pub fn below(&self, path: &str) -> String {
        if self.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", self.folder) }
    }

    /// Where the files of a submission are, and which have to be looked at to plan it.
    ///
    /// # Errors
    /// The layout gives a path that is not allowed, or to two the same.
    pub fn paths(&self, submission: &Submission, index: &index::Index) -> Result<Paths, Refused> {
        let of_resources = self.layout.paths(&submission.resources)?;
        let mut paths: Vec<&String> = of_resources.iter().collect();
        if self.prune {
            paths.extend(index.files.keys().filter(|path| layout::check(path).is_ok()));
        }
        let mut looked_at: Vec<String> = paths.into_iter().map(|path| self.below(path)).collect();
        looked_at.sort_unstable();
        looked_at.dedup();
        Ok(Paths { of_resources, looked_at })
    }
}

/// A text to take resources from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'i> {
    /// What messages call it.
    pub name: &'i str,
    /// Documents of YAML, or of JSON.
    pub text: &'i str,
}

/// Resources to submit together.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// Each object once, in the order of the texts.
    pub resources: Vec<Resource>,
}

impl Submission {
    /// Reads the resources of texts: documents of YAML and JSON, and lists of them.
    ///
    /// # Errors
    /// What of it is no resource, or may not be submitted.
    pub fn read(inputs: &[Input<'_>], secrets: Secrets) -> Result<Self, Refused> {
        if inputs.iter().map(|input| input.text.len()).sum::<usize>() > MAX_BYTES {
            return Err(Refused::TooLong { most: MAX_BYTES });
        }
        let mut found = Vec::new();
        for Input { name, text } in inputs {
            let documents = read::documents(text).map_err(|Unreadable { line, reason }| Refused::Unreadable {
                place: format!("{name}:{line}"),
                reason,
            })?;
            for (line, node) in documents {
                resource::take(node, &format!("{name}:{line}"), secrets, &mut found)?;
            }
        }
        Self::of(found)
    }

    fn of(found: Vec<Resource>) -> Result<Self, Refused> {
        let mut at: HashMap<(String, String, String, String), usize> = HashMap::new();
        let mut resources: Vec<Resource> = Vec::with_capacity(found.len());
        for resource in found {
            let id = &resource.id;
            // The same object in another version of its group is the same object.
            let key = (id.group().to_owned(), id.kind.clone(), id.namespace.clone(), id.name.clone());
            match at.get(&key).map(|at| &resources[*at]) {
                Some(first) if first.node.means(&resource.node) => {}
                Some(first) => {
                    let places = (first.place.clone(), resource.place);
                    return Err(Refused::Twice { id: Box::new(resource.id), first: places.0, second: places.1 });
                }
                None => {
                    at.insert(key, resources.len());
                    resources.push(resource);
                }
            }
        }
        Ok(Self { resources })
    }
}

/// Why a submission cannot be written. Values of resources are not repeated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// A text is neither YAML nor JSON that can be read.
    #[error("{place}: {reason}")]
    Unreadable {
        /// The text and the line.
        place: String,
        /// The parser's words.
        reason: String,
    },
    /// A document is no resource of Kubernetes.
    #[error("{place}: not a resource: {reason}")]
    NotAResource {
        /// The text and the line.
        place: String,
        /// What it lacks.
        reason: String,
    },
    /// There are too many.
    #[error("more than {most} resources in one submission")]
    TooMany {
        /// How many there may be.
        most: usize,
    },
    /// The texts are too long.
    #[error("the resources have more than {} MiB", most >> 20)]
    TooLong {
        /// How many bytes there may be.
        most: usize,
    },
    /// A resource is too long for a file.
    #[error("{id} has more than {} MiB", most >> 20)]
    TooLarge {
        /// The resource.
        id: Box<Identity>,
        /// How many bytes a file may have.
        most: usize,
    },
    /// A secret could be read by anybody who reads the repository.
    #[error("{place}: {id} is not encrypted, and everybody who reads the repository could read it")]
    Secret {
        /// The resource.
        id: Box<Identity>,
        /// The text and the line.
        place: String,
    },
    /// An object is there twice, and says two things.
    #[error("{id} is there twice, and not the same: {first} and {second}")]
    Twice {
        /// The resource.
        id: Box<Identity>,
        /// Where it is first.
        first: String,
        /// Where it is again.
        second: String,
    },
    /// The layout fails on a resource.
    #[error("the layout fails on {id}")]
    Layout {
        /// The resource.
        id: Box<Identity>,
        /// Why.
        source: Box<RenderError>,
    },
    /// The layout gives a path that is not allowed.
    #[error("the layout gives {id} the path {path:?}: {reason}")]
    Path {
        /// The resource.
        id: Box<Identity>,
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The layout gives two resources one path, or two that differ in case alone.
    #[error("the layout gives {id} the path {path}, which is in the way of {other}, that of {its}")]
    Collision {
        /// The path.
        path: String,
        /// The resource.
        id: Box<Identity>,
        /// The other path.
        other: String,
        /// Whose that is.
        its: String,
    },
    /// A file is there that this submitter has not written.
    #[error("{path} is there already, says something else than {id}, and was not written by this submitter")]
    Foreign {
        /// The path from the root.
        path: String,
        /// The resource that would be written there.
        id: Box<Identity>,
    },
    /// What is there is no plain file, or another one in all but case.
    #[error("{path} cannot be written: {reason}")]
    InTheWay {
        /// The path from the root.
        path: String,
        /// What is there.
        reason: String,
    },
    /// The list is none.
    #[error("{path} is not the list of a submitter, or too large")]
    Index {
        /// The path from the root.
        path: String,
    },
    /// A resource cannot be written.
    #[error("{id}: {source}")]
    Write {
        /// The resource.
        id: Box<Identity>,
        /// Why.
        source: write::NotConfirmed,
    },
}

impl Refused {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Secret { .. } => {
                "encrypt it with SOPS, submit a SealedSecret or an ExternalSecret in its place, or say --allow-secrets"
            }
            Self::Path { .. } => "the layout has to give a path below the folder that ends with .yaml",
            Self::Collision { .. } => "put what tells them apart into the layout, such as {{ .Group }}",
            Self::Foreign { .. } => "let --adopt take the file over, move it away, or name another path or layout",
            Self::Index { .. } => "restore it from an earlier commit; without it nobody knows whose the files are",
            Self::Twice { .. } => "submit each object once",
            Self::NotAResource { .. } => "a resource has apiVersion, kind and metadata.name",
            _ => return None,
        })
    }
}
