//! Where an automation reads from and commits to.
//!
//! A push branch of its own begins at what is read, and is built upon as long as it has all of that. When the branch that is
//! read has gone on, by a merge of the push branch or otherwise, the push branch begins there anew, so that it can always be
//! merged: unless somebody else has commits on it, which are not for a bot to throw away.

use std::collections::BTreeSet;

use git::{self, Advertisement, Ahead, CommitId, Mirror, Names, Want};
use gotext::version::{Range, Version};
use tagwright_core::automation::{Author, Automation, Checkout};
use tagwright_core::change::{Code, Diagnostic};
use tagwright_core::plan;
use words::one_line;

use super::is_bot;
use super::reverts::GENERATIONS;
use crate::run::{Doing, Error, aside};

/// How much of a name or branch is repeated in a finding, in characters.
const MAX_SHOWN: usize = 60;

/// Where an automation reads from and commits to.
pub(crate) struct PushBranch {
    /// The commit to plan on: the push branch's head, so that earlier commits stay, or what is read.
    pub(crate) base: CommitId,
    /// Its name, without `refs/heads/`.
    pub(crate) name: String,
    /// What it is on the remote; none when it does not exist yet.
    pub(crate) old: Option<CommitId>,
    /// What was fetched, and the history of which led to the commit.
    pub(crate) want: Want,
    /// What the push branch has that a new one need not have, if it begins anew.
    pub(crate) replaced: Option<Replaced>,
    /// That the push branch lacks what is read, and why it does not begin anew.
    pub(crate) left: Option<Diagnostic>,
    /// Whether it is that of a pull request: one commit on what is read, as long as nobody else has commits on it.
    is_proposed: bool,
}

/// A push branch in whose place a new one comes, from what is read now.
#[derive(Debug, Clone)]
pub(crate) struct Replaced {
    /// Where it is.
    pub(crate) tip: CommitId,
    /// The paths that it changes; none if these are too many to tell, or it has been merged and changes nothing.
    pub(crate) paths: Option<BTreeSet<String>>,
}

/// The same before anything was fetched.
pub(crate) struct Aim {
    /// The push branch, without `refs/heads/`.
    pub(crate) branch: String,
    old: Option<CommitId>,
    want: Want,
    /// What is read, if the push branch exists and is another one.
    read: Option<Want>,
    /// Whether the push branch is that of a pull request.
    is_proposed: bool,
}

/// The references that have to be known to run these automations of one remote.
pub(crate) fn names<'a>(automations: impl IntoIterator<Item = &'a Automation>) -> Names {
    let mut names = Names::default();
    for automation in automations {
        match &automation.checkout {
            Checkout::DefaultBranch => names.add_want(&Want::DefaultBranch),
            Checkout::Branch(branch) => names.add_branch(branch),
            Checkout::Tag(tag) => names.add_want(&Want::Tag(tag.clone())),
            Checkout::Semver(_) => names.add_tags(),
            Checkout::Reference(name) => names.add(name),
            // It is looked for in a branch where the remote does not give commits by their ids.
            Checkout::Commit { branch: Some(branch), .. } => names.add_branch(branch),
            Checkout::Commit { branch: None, .. } => names.add_want(&Want::DefaultBranch),
        }
        automation.push.branch.iter().for_each(|branch| names.add_branch(branch));
        let refspec = automation.push.refspec.as_deref().unwrap_or_default();
        refspec.split(':').for_each(|name| names.add(name));
    }
    names
}

/// Finds what an automation reads and where it commits to. The advertisement tells [`names`] of it.
///
/// `own` is the push branch, where that is none of the automation's but of some of its changes.
pub(crate) async fn aim(
    mirror: &Mirror,
    advertisement: &Advertisement,
    automation: &Automation,
    own: Option<&str>,
) -> Result<Aim, Error> {
    let url = &automation.remote.url;
    let checkout = checkout_branch(advertisement, &automation.checkout);
    let branch = own.map(str::to_owned).or_else(|| automation.push.branch.clone()).or(checkout);
    let branch = match (branch, &automation.checkout) {
        (Some(branch), _) => branch,
        // An empty remote has no default branch; fetching says so better than we could.
        (None, Checkout::DefaultBranch) => {
            let fetched = mirror.fetch(advertisement, &[Want::DefaultBranch]).await;
            fetched.map_err(|source| Error::git(Doing::Fetch, url, source))?;
            return Err(Error::NoPushBranch);
        }
        (None, _) => return Err(Error::NoPushBranch),
    };
    if let Some(refspec) = automation.push.refspec.as_deref()
        && !has_source(refspec, &branch, advertisement)
    {
        return Err(Error::NoRefspecSource { url: url.clone(), refspec: refspec.to_owned() });
    }
    let old = advertisement.branch(&branch);
    let is_read = checkout_branch(advertisement, &automation.checkout).as_ref() == Some(&branch);
    let (want, read) = match old {
        Some(_) if is_read => (Want::Branch(branch.clone()), None),
        // What is read may be gone; an existing push branch can do without.
        Some(_) => (Want::Branch(branch.clone()), want(advertisement, &automation.checkout, url).ok()),
        None => (want(advertisement, &automation.checkout, url)?, None),
    };
    let read = read.filter(|read| at(read, advertisement).is_some());
    Ok(Aim { branch, old, want, read, is_proposed: automation.requests.is_some() })
}

/// The commit at something that is wanted, if the advertisement tells.
fn at(want: &Want, advertisement: &Advertisement) -> Option<CommitId> {
    let at = |name: &str| advertisement.find(name).map(git::Advertised::commit);
    match want {
        Want::DefaultBranch => advertisement.branch(advertisement.default_branch()?),
        Want::Branch(branch) => advertisement.branch(branch),
        Want::Tag(tag) => at(&format!("refs/tags/{tag}")),
        Want::Reference(name) => at(name),
        Want::Commit { id, .. } => Some(*id),
    }
}

impl Aim {
    /// The commits that decide what there is to do, if the advertisement tells: the one that was fetched to plan on, and the
    /// one that is read if that is another.
    pub(crate) fn seen(&self, advertisement: &Advertisement) -> Option<(CommitId, Option<CommitId>)> {
        let read = self.read.as_ref().and_then(|read| at(read, advertisement));
        Some((at(&self.want, advertisement)?, read))
    }

    /// Looks whether the remote has what would be fetched to plan on, as far as the advertisement tells.
    pub(crate) fn is_there(&self, mirror: &Mirror, advertisement: &Advertisement) -> Result<(), git::Error> {
        mirror.look_for(advertisement, &self.want)
    }

    /// What is fetched.
    pub(crate) fn wants(&self) -> Vec<Want> {
        [Some(self.want.clone()), self.read.clone()].into_iter().flatten().collect()
    }

    /// Fetches the commit to plan on. The authors are those of a bot's commits.
    pub(crate) async fn fetch(
        self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        url: &str,
        authors: &[Author],
    ) -> Result<PushBranch, Error> {
        let failed = |source| Error::git(Doing::Fetch, url, source);
        let wants = self.wants();
        let fetched = mirror.fetch(advertisement, &wants).await.map_err(failed)?;
        let Some(base) = fetched.first().map(|fetched| fetched.commit) else { return Err(Error::NoPushBranch) };
        let Self { branch, old, want, read, is_proposed } = self;
        let found = PushBranch { base, name: branch, old, want, replaced: None, left: None, is_proposed };
        match (read, fetched.get(1)) {
            (Some(read), Some(at)) => {
                let ahead = found.compare(mirror, advertisement, (&read, at.commit)).await.map_err(failed)?;
                Ok(found.anew(ahead, (read, at.commit), authors))
            }
            _ => Ok(found),
        }
    }
}

impl PushBranch {
    /// Finds out what the push branch and what is read have of their own.
    async fn compare(
        &self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        (read, at): (&Want, CommitId),
    ) -> Result<Ahead, git::Error> {
        let mut ahead = mirror.ahead(self.base, at).await?;
        for generations in GENERATIONS {
            if ahead.is_known || !(ahead.is_behind || self.is_proposed) {
                break;
            }
            for want in [&self.want, read] {
                mirror.deepen(advertisement, want, generations).await?;
            }
            ahead = mirror.ahead(self.base, at).await?;
        }
        Ok(ahead)
    }

    /// Begins anew at what is read, if the push branch lacks something of that and nobody else has written on it.
    fn anew(mut self, ahead: Ahead, (read, at): (Want, CommitId), authors: &[Author]) -> Self {
        let begins_anew = ahead.is_behind || self.is_proposed && !ahead.commits.is_empty();
        if !begins_anew {
            return self;
        }
        let stranger = ahead.commits.iter().find(|commit| !is_bot(authors, commit, &commit.message));
        if stranger.is_some() || !ahead.is_known {
            let branch = one_line(&self.name, MAX_SHOWN);
            let whose = match stranger {
                Some(commit) => {
                    let id = commit.id.short();
                    format!(
                        "has commits that are not a bot's, such as {id} by {}",
                        one_line(&commit.author_name, MAX_SHOWN)
                    )
                }
                None => "has more history than is looked at".to_owned(),
            };
            let message = if self.is_proposed {
                format!(
                    "the branch {branch} of the pull request {whose}; it is left to them until the request is merged or closed"
                )
            } else {
                format!(
                    "the push branch {branch} lacks commits of what is read, and {whose}; it is built upon as it is until it is \
                 merged and deleted"
                )
            };
            self.left = Some(plan::about_path(".", Code::PushBranchLeft, &message));
            return self;
        }
        // What is proposed stands on the newest commit of what it goes to, whether that changes anything for it or not.
        let has_to_move = ahead.commits.is_empty() || self.is_proposed && ahead.is_behind;
        let paths = ahead.paths.filter(|_| !has_to_move);
        self.replaced = Some(Replaced { tip: self.base, paths });
        (self.base, self.want) = (at, read);
        self
    }
}

/// Whether the source of a refspec is the push branch, which may be about to come, or a reference of the remote.
fn has_source(refspec: &str, branch: &str, advertisement: &Advertisement) -> bool {
    let source = refspec.split(':').next().unwrap_or_default();
    source.strip_prefix("refs/heads/") == Some(branch) || advertisement.find(source).is_some()
}

/// The branch that is checked out, if the checkout is one.
fn checkout_branch(advertisement: &Advertisement, checkout: &Checkout) -> Option<String> {
    match checkout {
        Checkout::DefaultBranch => advertisement.default_branch().map(str::to_owned),
        Checkout::Branch(branch) | Checkout::Commit { branch: Some(branch), .. } => Some(branch.clone()),
        Checkout::Tag(_) | Checkout::Semver(_) | Checkout::Reference(_) | Checkout::Commit { branch: None, .. } => None,
    }
}

fn want(advertisement: &Advertisement, checkout: &Checkout, url: &str) -> Result<Want, Error> {
    Ok(match checkout {
        Checkout::DefaultBranch => Want::DefaultBranch,
        Checkout::Branch(branch) => Want::Branch(branch.clone()),
        Checkout::Tag(tag) => Want::Tag(tag.clone()),
        Checkout::Reference(name) => Want::Reference(name.clone()),
        // There may be a million tags.
        Checkout::Semver(range) => match aside("choose a tag", || highest(advertisement, range)) {
            Some(tag) => Want::Tag(tag.to_owned()),
            None => return Err(Error::NoTagInRange { url: url.to_owned(), range: range.as_str().to_owned() }),
        },
        Checkout::Commit { id, branch } => {
            let id = CommitId::parse(id).ok_or_else(|| Error::NotACommitId { text: id.clone() })?;
            Want::Commit { id, branch: branch.clone() }
        }
    })
}

/// The highest tag in a range; of equal versions the last by name.
fn highest<'a>(advertisement: &'a Advertisement, range: &Range) -> Option<&'a str> {
    advertisement
        .tags()
        .filter_map(|(name, _)| Some((name, Version::parse_tag(name)?)))
        .filter(|(_, version)| range.matches(version))
        .max_by(|(_, left), (_, right)| left.cmp_precedence(right))
        .map(|(name, _)| name)
}
