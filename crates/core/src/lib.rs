//! What tagwright decides, as pure functions on values.
//!
//! No I/O, no async, no clock, no environment, no logging: `now` is an argument, and what is decided is a value that somebody else
//! acts on. The manifest of this crate has none of the libraries that could do otherwise.
//!
//! ```text
//! advisory    documents that say which release fixes a vulnerability
//! chart       versions of Helm charts in YAML
//! change      what an edit did, and what an observer has to say about a place in a file
//! difference  what changed between two images, as they say
//! policy      filter, semver, calver, newest, numerical, alphabetical -> the tag to use
//! automation  the validated description of one job
//! marker      markers in YAML text -> byte spans, field, policy, object identity
//! edit        spans + selections -> new bytes + changes, verified
//! message     the data that templates see; trailers; recognising the bot's commits
//! freeze      times in which nothing is written, and exceptions to them
//! guard       what holds a selection back, and what lifts the hold
//! plan        what to do, as a value
//! proposal    what a pull request says, and what is read off it
//! suggest     a tag in use -> the policy to follow it with
//! import      the configuration of other image updaters -> policies, places, and what has no counterpart
//! inventory   where YAML files name images
//! pages       where a forge shows commits and files, by the URL of a remote
//! mark        which markers to put where, and the policies they name, as documents
//! moves       image repositories that are known to have moved
//! explain     why a policy selects what it does, and what becomes of its fields
//! lint        what is wrong with markers, policies and automations, before anything is done
//! spelling    what was meant by a name that does not exist
//! ```

pub mod advisory;
pub mod automation;
pub mod change;
mod chart;
pub mod comment;
pub mod difference;
pub mod edit;
pub mod explain;
pub mod freeze;
pub mod group;
pub mod guard;
pub mod import;
pub mod inventory;
pub mod lint;
pub mod mark;
pub mod marker;
pub mod message;
pub mod moves;
pub mod pages;
pub mod plan;
pub mod policy;
pub mod proposal;
mod sops;
pub mod spelling;
pub mod submit;
mod suggest;
