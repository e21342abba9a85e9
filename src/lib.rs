//! tagwright keeps the image tags in a Git configuration repository current.
//!
//! It polls container registries, picks one tag per policy, rewrites the YAML fields that carry a marker such as
//! `# {"$imagepolicy": "default:podinfo"}`, and pushes one commit with a templated message. Nothing else in the repository
//! changes, not even white space.
//!
//! # Data flows one way: observe, plan, act
//!
//! [`run::once`] is the whole story. It polls registries ([`registry`]) and evaluates policies ([`policy`]), fetches the
//! head of a remote into a bare mirror and finds the marked files ([`git`], [`marker`]), plans the edits and the message as
//! a value ([`plan`], [`edit`], [`message`]), leaves out what a guard holds ([`guard`]), and only then commits and pushes
//! ([`git`]). A bot does the same piece by piece: [`run::poll()`] and [`run::act`], each when it is due ([`schedule`]).
//!
//! # Layers
//!
//! ```text
//! core    pure: no async, I/O, clock, environment, logging; `now` is an argument
//!   image       Repository, Tag, Digest, Reference
//!   access      credentials, certificates, proxies, deadlines, as data
//!   words       texts from outside, made safe to show
//!   dockerconfig  the JSON of Docker's configuration -> access
//!   change      ObjectIdentity, Change, Diagnostic and its codes, Location
//!   snippet     one thing found, written out with its line underlined
//!   pattern     Go's regular expressions
//!   version     Masterminds' versions and ranges
//!   policy      filter, semver, numerical, alphabetical; select()
//!   marker      markers in YAML text -> byte spans, field, policy, object identity
//!   edit        spans + selections -> new bytes + changes; quoting; verification by a second parser
//!   suggest     a tag in use -> the policy to follow it with
//!   inventory   where YAML files name images
//!   mark        which markers to put where, and the policies they name, as documents
//!   template    Go text/template and the sprig functions; knows nothing of images
//!   message     the data that templates see; trailers; recognising the bot's commits
//!   automation  the validated description of one job
//!   guard       what holds a selection back, and what lifts the hold
//!   plan        what to do, as a value
//!   explain     why a policy selects what it does, and what becomes of its fields
//!   lint        what is wrong with markers, policies and automations, before anything is done
//! edges   one outside system each, own Error, no decisions
//!   web         the one HTTP leaf: clients, where a proof may go, redirects, hosts that ask for time
//!   registry    tags and digests; login; limits
//!   git         pack protocol, mirrors, tree walk, commits in memory, push
//!   files       a plain directory as source and target
//!   store       what must outlive a run, in one file
//! shell
//!   run         observe -> plan -> act, the only place that joins decisions with I/O; Outcome; Error::kind()
//!   schedule    when what is due, as a pure state machine; the tasks around it
//! faces
//!   config      documents -> Automation (raw, then validated): native, Flux, KubeVela, secrets
//!   server      the bot over HTTP: a Unix socket for its user, TCP to read
//!   cli, report, telemetry   subcommands; texts and JSON; exit codes; logs
//! ```
//!
//! `use` lines point downwards only; `tests/layers.rs` holds the table of allowed arrows, so that a new arrow is a decision.
//!
//! # Invariants
//!
//! - Bytes outside the marked scalars never change, and an edited file that a second, independent parser does not confirm
//!   is not committed ([`edit`]).
//! - A push is a compare-and-swap on the head that the plan was made on; when the branch moved, the plan is made again.
//! - Nothing goes backwards, and what a person took back is not written again; the branch itself says so, not the state kept
//!   beside it ([`guard`]). With the store deleted, the same commits are made.
//! - Nothing from a registry, repository or template is trusted: sizes, counts and times are bounded, and only tags that
//!   OCI allows are considered.
//! - A credential goes to the host it is for, and appears in no argv, URL, log, error or commit.

pub mod cli;
pub mod config;
pub mod files;
pub mod report;
pub mod run;
pub mod schedule;
pub mod server;
pub mod snippet;
pub mod store;
pub mod telemetry;
