//! Which images Git references, now and in the commits before: what a registry's clean-up must not delete.
//!
//! The files of each of the last commits of a branch are read as `mark` reads them, whether or not they have markers. Most are the
//! same in all of these commits, and are read once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use git::{self, CommitId, Interest, Mirror, ObjectId, Visit};
use jiff::Timestamp;
use tagwright_core::automation::Automation;
use tagwright_core::inventory::{self, Inventory, Obstacle};

use super::{MARKED_FILES, survey};
use crate::run::{Doing, Error, Login, Queue, apart};
use crate::wire::images::{Images, UsedImage};

/// Files that may name images.
const IMAGES: git::Criteria = git::Criteria {
    rule: "names-images-1",
    contains: inventory::may_name_images,
    max_total: survey::MAX_TOTAL,
    ..MARKED_FILES
};

/// What Git references.
#[derive(Debug, Default)]
pub struct InUse {
    /// By image repository, tag and digest, each empty where there is none.
    pub images: BTreeMap<(String, String, String), Use>,
    /// How many tags were found whose image could not be told: it stands in another file, or in a variable.
    pub unknown: usize,
    /// Whether a commit before the newest has such a tag.
    pub unknown_before: bool,
    /// How many commits were read.
    pub commits: usize,
    /// What could not be read.
    pub failures: Vec<Error>,
    /// The branches, with their remotes, that have older commits which could not be fetched.
    pub cut: Vec<(String, String)>,
}

/// Where an image is referenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Whether the newest commit of a branch has it.
    pub now: bool,
    /// The newest commit that has it, and its time.
    pub commit: String,
    /// See above.
    pub time: Timestamp,
    /// The remote and the branch of that commit.
    pub remote: String,
    /// See above.
    pub branch: String,
    /// One of the places there: path and line.
    pub file: String,
    /// See above.
    pub line: usize,
}

impl From<InUse> for Images {
    fn from(found: InUse) -> Self {
        let image = |((image, tag, digest), used): ((String, String, String), Use)| {
            let Use { now, commit, time, remote, branch, file, line } = used;
            UsedImage { image, tag, digest, now, commit, time, remote, branch, file, line }
        };
        let (unknown, commits) = (found.unknown, found.commits);
        let cut = found.cut.iter().map(|(url, branch)| lacks_older(url, branch));
        let missing = found.failures.iter().map(Error::chain).chain(cut).collect();
        Self { images: found.images.into_iter().map(image).collect(), unknown, commits, missing }
    }
}

/// Says that older commits of a branch could not be fetched.
pub(crate) fn lacks_older(url: &str, branch: &str) -> String {
    format!("{branch} of {url} has older commits that could not be fetched")
}

/// Fetches what the automations read, with so many commits of it, and finds the images in their paths.
pub async fn in_use(git: &git::Git, automations: &[Arc<Automation>], commits: usize) -> InUse {
    let mut found = InUse::default();
    let mut read = BTreeSet::new();
    for login in Queue::of_remotes(automations).iter().flat_map(Queue::logins) {
        of_remote(git, login, commits.max(1), &mut read, &mut found).await;
    }
    found
}

/// What of a remote was read: URL, commit and paths. Automations often read the same.
type Read = BTreeSet<(String, String, Vec<String>)>;

async fn of_remote(git: &git::Git, login: &Login, commits: usize, read: &mut Read, found: &mut InUse) {
    let remote = &login[0].1.remote;
    let (mirror, advertisement) = match survey::open(git, login).await {
        Ok(opened) => opened,
        Err(source) => return found.failures.push(Error::git(Doing::Read, &remote.url, source)),
    };
    let mut known = HashMap::new();
    for (_, automation) in login {
        let branch = match survey::fetch(&mirror, &advertisement, automation).await {
            Ok(branch) => branch,
            Err(error) => {
                found.failures.push(error);
                continue;
            }
        };
        let paths = automation.paths.iter().map(String::as_str).chain(automation.target_paths());
        let paths = paths.map(str::to_owned).collect();
        if !read.insert((remote.url.clone(), branch.base.to_string(), paths)) {
            continue;
        }
        let generations = u32::try_from(commits).unwrap_or(git::MAX_GENERATIONS).min(git::MAX_GENERATIONS);
        let walked = async {
            mirror.deepen(&advertisement, &branch.want, generations).await?;
            newest(&mirror, branch.base, commits).await
        };
        let result = match walked.await {
            Ok((all, is_cut)) => {
                if is_cut {
                    found.cut.push((remote.url.clone(), branch.name.clone()));
                }
                of_commits(&mirror, automation, &branch.name, &all, &mut known, found).await
            }
            Err(source) => Err(source),
        };
        if let Err(source) = result {
            found.failures.push(Error::git(Doing::ReadHistory, &remote.url, source));
        }
    }
}

/// The newest commits from one on, and whether fewer than these, since the mirror lacks older ones.
async fn newest(mirror: &Mirror, tip: CommitId, most: usize) -> Result<(Vec<(CommitId, i64)>, bool), git::Error> {
    let commits: Arc<Mutex<Vec<(CommitId, i64)>>> = Arc::default();
    let seen = Arc::clone(&commits);
    let visit = move |visit: Visit<'_>| {
        if let Visit::Commit(facts) = visit {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push((facts.id, facts.time));
        }
        Interest::Keep
    };
    let walked = mirror.history(tip, Vec::new(), most, visit).await?;
    let commits = std::mem::take(&mut *commits.lock().unwrap_or_else(PoisonError::into_inner));
    let is_cut = walked.ended == git::End::Boundary && commits.len() < most;
    Ok((commits, is_cut))
}

/// Adds what these commits reference, the newest first.
async fn of_commits(
    mirror: &Mirror,
    automation: &Automation,
    branch: &str,
    commits: &[(CommitId, i64)],
    known: &mut HashMap<ObjectId, Arc<Inventory>>,
    found: &mut InUse,
) -> Result<(), git::Error> {
    for (number, (commit, time)) in commits.iter().enumerate() {
        let snapshot = mirror.snapshot(*commit).await?;
        let files = survey::files(&snapshot, automation, IMAGES).await?.files;
        let new: Vec<git::FoundFile> = files.iter().filter(|file| !known.contains_key(&file.id)).cloned().collect();
        let read = apart("find images", move || {
            new.into_iter().map(|file| (file.id, Arc::new(inventory::find(&file.bytes)))).collect::<Vec<_>>()
        });
        known.extend(read.await.map_err(|_| git::Error::Task)?);
        let mut inventories: Vec<(String, Inventory)> =
            files.into_iter().filter_map(|file| Some((file.path, Inventory::clone(known.get(&file.id)?)))).collect();
        inventory::resolve(inventories.iter_mut().map(|(path, inventory)| (path.as_str(), inventory)));
        found.commits += 1;
        let place = Place { now: number == 0, commit: *commit, time: *time, remote: &automation.remote.url, branch };
        for (path, inventory) in &inventories {
            place.add(path, inventory, found);
        }
    }
    Ok(())
}

/// A commit of a branch.
struct Place<'p> {
    now: bool,
    commit: CommitId,
    time: i64,
    remote: &'p str,
    branch: &'p str,
}

impl Place<'_> {
    fn add(&self, path: &str, inventory: &Inventory, found: &mut InUse) {
        self.lacks(inventory.overrides.len() + inventory.charts.len(), found);
        for image in &inventory.images {
            let Some(repository) = image.repository.as_ref().filter(|_| image.obstacle != Some(Obstacle::Built)) else {
                self.lacks(usize::from(image.repository.is_none()), found);
                continue;
            };
            let digest = image.digest.as_ref().map(ToString::to_string).unwrap_or_default();
            if image.tag.is_empty() && digest.is_empty() || image.obstacle == Some(Obstacle::Variable) {
                self.lacks(usize::from(image.obstacle == Some(Obstacle::Variable)), found);
                continue;
            }
            let time = Timestamp::from_second(self.time).unwrap_or(Timestamp::UNIX_EPOCH);
            let key = (repository.canonical().to_string(), image.tag.clone(), digest);
            let used = found.images.entry(key).or_insert_with(|| self.used(path, image.line(), time));
            let now = used.now || self.now;
            if (self.now, time) > (used.now, used.time) {
                *used = self.used(path, image.line(), time);
            }
            used.now = now;
        }
    }

    /// Counts tags whose image cannot be told.
    fn lacks(&self, tags: usize, found: &mut InUse) {
        match self.now {
            true => found.unknown += tags,
            false => found.unknown_before |= tags > 0,
        }
    }

    fn used(&self, path: &str, line: usize, time: Timestamp) -> Use {
        let (commit, remote, branch) = (self.commit.to_string(), self.remote.to_owned(), self.branch.to_owned());
        Use { now: self.now, commit, time, remote, branch, file: path.to_owned(), line }
    }
}
