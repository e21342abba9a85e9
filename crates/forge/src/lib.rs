//! Pull requests, whatever a forge calls them: found, opened, kept current, merged and closed; and the status of a commit.
//!
//! A forge is a website around Git remotes. Here are the few things that a bot asks of one about a request to merge a branch of its
//! own: one small face, [`Forge`], and behind it a file for each product. Nothing here knows what a request is about.
//!
//! | product | request | draft | labels | merged once checks pass |
//! |---|---|---|---|---|
//! | GitHub, GitHub Enterprise | pull request | a field | by name, made when missing | GraphQL `enablePullRequestAutoMerge`; at once where nothing is waited for |
//! | GitLab | merge request | the title begins with `Draft: ` | by name, made when missing | `auto_merge` |
//! | Gitea, Forgejo | pull request | the title begins with `WIP: ` | by number, made when missing | `merge_when_checks_succeed` |
//! | Bitbucket Cloud | pull request | a field | none | not offered |
//! | Bitbucket Data Center | pull request | a field | none | `autoMerge`, from 8.15 on |
//! | Azure DevOps | pull request | a field | by name | `autoCompleteSetBy` |
//!
//! # Promises
//!
//! - **One request for a branch.** [`Forge::open`] looks before it asks, takes the answer that there is one already for finding
//!   it, and looks again when an answer got lost. So two processes that open the same request have one between them.
//! - A token goes to the forge's own origin, over `https` or to this machine, and along no redirect.
//! - A host that asks for time gets it, by `Retry-After` or by the headers of a rate limit, and at most an hour at a time; whoever
//!   asks meanwhile is told so at once ([`Error::Paused`]).
//! - Reading is tried three times; what changes something is sent once.
//! - An answer has at most 4 MiB and comes within 30 s. What a forge says is shown bounded, harmless, and without the token.
//!
//! Which forge a remote belongs to is told by its host, or by whoever configures it: [`Place::of`].

mod adorn;
mod azure;
mod bitbucket;
mod commit;
mod datacenter;
mod error;
mod exchange;
mod gitea;
mod github;
mod gitlab;
mod limit;
mod place;
mod said;
mod status;

use std::time::Duration;

use access::{Login, Proxy, Secret};
use jiff::Timestamp;

pub use commit::{File, Made, NewCommit};
pub use error::{Error, Kind};
pub use exchange::Forges;
pub use place::{Place, Product, Unrecognised};

/// How many requests are listed. Open ones beyond are asked for one by one.
pub const MAX_LISTED: usize = 1_000;

/// How often a list is asked again for something that the forge says is there, and the wait before the second time; it doubles.
const LOOKS: usize = 4;
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// What proves who we are to a forge.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A token alone.
    Token(Secret),
    /// A user name and a password, which most often is a token.
    Login(Login),
    /// A token of Entra ID, for Azure DevOps.
    Bearer(Secret),
}

/// How a forge is reached.
#[derive(Debug, Clone, Copy, Default)]
pub struct Way<'w> {
    /// The proxy that the configuration names; without one that of the environment.
    pub proxy: Option<&'w Proxy>,
    /// Authorities that are trusted in addition to the system's, as PEM.
    pub authority: Option<&'w str>,
}

/// One repository of a forge, asked as somebody.
#[derive(Clone, Copy)]
pub struct Forge<'f> {
    forges: &'f Forges,
    place: &'f Place,
    proof: &'f Proof,
    way: Way<'f>,
}

/// A branch that is to be merged into another one.
#[derive(Debug, Clone, Copy)]
pub struct Branches<'b> {
    /// The branch with the changes, without `refs/heads/`.
    pub head: &'b str,
    /// The branch that they go to, without `refs/heads/`.
    pub base: &'b str,
}

/// What a new request says.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    /// The branches.
    pub branches: Branches<'w>,
    /// The title, one line.
    pub title: &'w str,
    /// The text, as Markdown.
    pub body: &'w str,
    /// Whether it is not to be merged yet.
    pub draft: bool,
    /// Whether the branch is to go with the merge, where the forge does that.
    pub delete_branch: bool,
}

/// Whom and what a request is given once it is open.
#[derive(Debug, Clone, Copy, Default)]
pub struct Adornments<'a> {
    /// Labels, by name.
    pub labels: &'a [String],
    /// Who is asked for a review, by user name; of GitHub also teams, as `ORGANISATION/TEAM`.
    pub reviewers: &'a [String],
    /// To whom it is assigned, by user name.
    pub assignees: &'a [String],
}

/// A request as a forge has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number in the repository.
    pub number: u64,
    /// Its page.
    pub address: String,
    /// What became of it.
    pub state: State,
    /// Its title, with what marks a draft in front.
    pub title: String,
    /// Its text.
    pub body: String,
    /// The branch with the changes, without `refs/heads/`.
    pub head: String,
    /// The newest commit of its branch, as far as the forge has seen it: a full hash, of Bitbucket Cloud its
    /// first digits.
    pub tip: Option<String>,
    /// Whether that branch is of this very repository. Whatever a request from a fork says is anybody's.
    pub is_own: bool,
    /// What else is needed to ask for it: GitHub's node, the version of Bitbucket Data Center.
    key: String,
}

/// Which requests are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// All that are open, as far as there are no more than [`MAX_LISTED`].
    Open,
    /// The newest that were closed or merged, [`MAX_LISTED`] of each where these are asked for apart; of Azure DevOps, which cuts the texts
    /// in lists so that each is asked for, a hundred of each.
    Ended,
}

/// A comment on a request, as the forge has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Whoever wrote it, by the name that people know.
    pub author: String,
    /// Its text.
    pub text: String,
    /// Whether the forge says that a machine wrote it.
    pub is_bot: bool,
    /// When it was written, where the forge tells.
    pub at: Option<Timestamp>,
    /// What the author is asked about by.
    key: String,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It can be merged.
    Open,
    /// It was merged.
    Merged,
    /// It was closed without being merged.
    Closed {
        /// By whom, where the forge tells.
        by: Option<String>,
    },
}

/// A request that is open now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It was opened just now.
    New(Request),
    /// It was there.
    Found(Request),
}

/// How changes get into the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By a commit that joins both.
    Merge,
    /// As one new commit.
    Squash,
    /// As the same commits on top.
    Rebase,
}

/// When a request is merged without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Once everything that the forge wants for it is there.
    ChecksPass,
    /// If that is possible now.
    Now,
}

/// How a request is to be merged.
#[derive(Debug, Clone, Copy)]
pub struct Merge<'m> {
    /// When.
    pub when: When,
    /// How; none is what the forge does by default.
    pub method: Option<Method>,
    /// The commit that the branch has to be at, a full hash.
    pub tip: &'m str,
    /// Whether the branch goes with it, where the forge does that.
    pub delete_branch: bool,
}

/// What came of asking for a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// It is merged.
    Now,
    /// The forge will merge it.
    Later,
    /// It cannot be merged at the moment, for a reason in the forge's words; asking again may help.
    NotYet(String),
}

/// A status of a commit, or a check run: that something has been done with it, and went well.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'m> {
    /// What it is known by: another one of the same takes its place.
    pub context: &'m str,
    /// What has been done, at most 140 characters.
    pub description: &'m str,
    /// The page with more of it.
    pub address: Option<&'m str>,
}

/// Runs the same question of the product at hand.
macro_rules! ask {
    ($forge:expr, $question:ident $(, $argument:expr)*) => {
        match $forge.place.product() {
            Product::GitHub => Box::pin(github::$question($forge $(, $argument)*)).await,
            Product::GitLab => Box::pin(gitlab::$question($forge $(, $argument)*)).await,
            Product::Gitea | Product::Forgejo => Box::pin(gitea::$question($forge $(, $argument)*)).await,
            Product::Bitbucket => Box::pin(bitbucket::$question($forge $(, $argument)*)).await,
            Product::BitbucketDataCenter => Box::pin(datacenter::$question($forge $(, $argument)*)).await,
            Product::AzureDevOps => Box::pin(azure::$question($forge $(, $argument)*)).await,
        }
    };
}

impl Forge<'_> {
    /// Returns the open request that would merge a branch of this repository into another one.
    ///
    /// # Errors
    /// The forge cannot be asked.
    pub async fn find(&self, branches: Branches<'_>) -> Result<Option<Request>, Error> {
        Ok(ask!(self, find, branches)?.filter(|request| request.is_own))
    }

    /// Returns the newest request that would have merged a branch into another one and is closed or merged by now.
    ///
    /// # Errors
    /// The forge cannot be asked.
    pub async fn find_closed(&self, branches: Branches<'_>) -> Result<Option<Request>, Error> {
        Ok(ask!(self, find_closed, branches)?.filter(|request| request.is_own))
    }

    /// Returns a request by its number, also one from a fork ([`Request::is_own`]); none if there is none.
    ///
    /// # Errors
    /// The forge cannot be asked.
    pub async fn get(&self, number: u64) -> Result<Option<Request>, Error> {
        ask!(self, get, number)
    }

    /// Lists the requests of this repository's own branches to a branch, in one question for each page of the forge. Those from forks are
    /// left out: their texts are anybody's. Who closed a request is not told.
    ///
    /// # Errors
    /// The forge cannot be asked.
    pub async fn list(&self, base: &str, which: Listed) -> Result<Vec<Request>, Error> {
        ask!(self, list_all, base, which)
    }

    /// Opens a request for a branch that a list has just had none for, unless one has been opened since. A second one is refused by the forge, or is
    /// the first one again.
    ///
    /// # Errors
    /// The forge cannot be asked, or does not want the request.
    pub async fn open_unlisted(&self, wanted: Wanted<'_>) -> Result<Opened, Error> {
        self.open_without_look(wanted).await
    }

    /// Opens a request, unless one is open already.
    ///
    /// # Errors
    /// The forge cannot be asked, or does not want the request.
    pub async fn open(&self, wanted: Wanted<'_>) -> Result<Opened, Error> {
        if let Some(found) = self.find(wanted.branches).await? {
            return Ok(Opened::Found(found));
        }
        self.open_without_look(wanted).await
    }

    async fn open_without_look(&self, wanted: Wanted<'_>) -> Result<Opened, Error> {
        let error = match ask!(self, create, &wanted) {
            Ok(Some(request)) => return Ok(Opened::New(request)),
            Ok(None) => None,
            // It may have come to something, with the answer lost.
            Err(error) if matches!(error, Error::Network { .. } | Error::Status { .. } | Error::Malformed { .. }) => {
                Some(error)
            }
            Err(error) => return Err(error),
        };
        let mut wait = FIRST_LOOK;
        for look in 0..LOOKS {
            // What lists say lags behind.
            if let Some(found) = self.find(wanted.branches).await? {
                return Ok(Opened::Found(found));
            }
            if look + 1 < LOOKS {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
        let url = self.place.api().to_string();
        let unseen = "that there is such a request already, and lists none".to_owned();
        Err(error.unwrap_or(Error::Malformed { url, reason: unseen }))
    }

    /// Gives a request another title and text. What marks a draft in a title stays as it is.
    ///
    /// # Errors
    /// The forge cannot be asked, or does not want them.
    pub async fn update(&self, request: &Request, title: &str, body: &str) -> Result<(), Error> {
        ask!(self, update, request, title, body)
    }

    /// Gives a request its labels, reviewers and assignees, beside those that it has.
    ///
    /// # Errors
    /// The forge cannot be asked, or knows one of them not.
    pub async fn adorn(&self, request: &Request, with: Adornments<'_>) -> Result<(), Error> {
        ask!(self, adorn, request, with)
    }

    /// Writes a comment on a request.
    ///
    /// # Errors
    /// The forge cannot be asked.
    pub async fn comment(&self, request: &Request, text: &str) -> Result<(), Error> {
        ask!(self, comment, request, text)
    }

    /// Returns a comment on a request by its number; none if there is none on that one. Azure DevOps is not asked, since it does not tell
    /// what others than oneself may do.
    ///
    /// # Errors
    /// The forge cannot be asked.
    pub async fn comment_of(&self, number: u64, id: u64) -> Result<Option<Comment>, Error> {
        ask!(self, comment_of, number, id)
    }

    /// Whether the author of a comment may write to the repository, as the forge says.
    ///
    /// # Errors
    /// The forge cannot be asked, or does not tell whoever asks.
    pub async fn may_write(&self, comment: &Comment) -> Result<bool, Error> {
        ask!(self, may_write, comment)
    }

    /// Closes a request without a merge, with this text from then on.
    ///
    /// # Errors
    /// The forge cannot be asked.
    pub async fn close(&self, request: &Request, body: &str) -> Result<(), Error> {
        ask!(self, close, request, body)
    }

    /// Merges a request, or has the forge merge it.
    ///
    /// # Errors
    /// The forge cannot be asked, or does not allow it at all.
    pub async fn merge(&self, request: &Request, how: Merge<'_>) -> Result<Merged, Error> {
        ask!(self, merge, request, how)
    }

    /// Gives a commit a status, by its full hash: GitHub, GitLab, Gitea and Forgejo alone.
    ///
    /// # Errors
    /// The forge cannot be asked, does not know the commit, or has no such thing here.
    pub async fn mark(&self, commit: &str, mark: Mark<'_>) -> Result<(), Error> {
        Box::pin(status::mark(self, commit, mark)).await
    }

    /// Gives a commit a check run that has gone well. GitHub takes it from an App alone.
    ///
    /// # Errors
    /// The forge has none, or does not want it.
    pub async fn check(&self, commit: &str, mark: Mark<'_>) -> Result<(), Error> {
        Box::pin(status::check(self, commit, mark)).await
    }

    /// Deletes a branch, if it is there and at this commit as far as the forge lets us say so.
    ///
    /// # Errors
    /// The forge cannot be asked, or keeps it.
    pub async fn delete_branch(&self, branch: &str, tip: &str) -> Result<(), Error> {
        ask!(self, delete_branch, branch, tip)
    }
}

/// Reads a time as most forges write it.
fn time(value: &serde_json::Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

impl Opened {
    /// The request.
    #[must_use]
    pub fn into_request(self) -> Request {
        match self {
            Self::New(request) | Self::Found(request) => request,
        }
    }
}
