//! Pull requests, as configured: what is opened for the push branch of an automation.

use access::{Login, Secret};
use gotext::template::Template;

/// The pull request in which an automation proposes its changes, in place of writing them to the branch that is read.
#[derive(Debug)]
pub struct Requests {
    /// The branch that the changes go to once somebody merges them: the one that is read.
    pub base: String,
    /// Where it is opened.
    pub forge: Forge,
    /// What changes of one request have in common.
    pub grouping: Grouping,
    /// The branch of each group; none where there is one request for all, whose branch is the push branch.
    pub branch: Option<Template>,
    /// The title; none is the subject of the commit message.
    pub title: Option<Template>,
    /// The text; none is one that tells all.
    pub body: Option<Template>,
    /// Labels, by name.
    pub labels: Vec<String>,
    /// Who is asked for a review.
    pub reviewers: Vec<String>,
    /// To whom it is assigned.
    pub assignees: Vec<String>,
    /// Whether it is opened as a draft.
    pub draft: bool,
    /// Whether, and when, it is merged without a person.
    pub auto_merge: AutoMerge,
    /// How it is merged then; none is the forge's default.
    pub method: Option<MergeMethod>,
    /// Whether the branch goes once the request is merged, or closed by us.
    pub delete_branch: bool,
}

/// The forge of a remote, as far as it is named.
#[derive(Debug, Clone, Default)]
pub struct Forge {
    /// The product, in the word that the configuration has for it; none where the host of the remote tells.
    pub product: Option<String>,
    /// The address of the website, where that is not the host of the remote.
    pub address: Option<String>,
    /// What proves who asks; none is the login of the remote.
    pub proof: Option<Proof>,
}

impl Forge {
    /// What it is named, whoever asks.
    #[must_use]
    pub fn names(&self) -> (Option<&str>, Option<&str>) {
        (self.product.as_deref(), self.address.as_deref())
    }
}

/// What the changes of one request have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Grouping {
    /// The automation: there is one request.
    #[default]
    Automation,
    /// The policy, or the policies that move only together.
    Policy,
    /// The image.
    Image,
    /// The file.
    File,
}

impl Grouping {
    /// The word for what a group is; none where there is one request for all.
    #[must_use]
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Automation => None,
            Self::Policy => Some("policy"),
            Self::Image => Some("image"),
            Self::File => Some("file"),
        }
    }
}

/// What proves to a forge who asks.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A token.
    Token(Secret),
    /// A user name and a password.
    Login(Login),
}

/// Whether, and when, a request is merged without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoMerge {
    /// Somebody has to merge it.
    #[default]
    Off,
    /// The forge merges it once everything is there that it wants for that.
    WhenChecksPass,
    /// It is merged as soon as that is possible.
    Now,
}

/// How a request is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeMethod {
    /// By a commit that joins both branches.
    Merge,
    /// As one new commit.
    Squash,
    /// As the same commit, on top.
    Rebase,
}
