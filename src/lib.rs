//! tagwright keeps the image tags in a Git configuration repository current.
//!
//! It polls container registries, picks one tag per policy, rewrites the YAML fields that carry a marker such as
//! `# {"$imagepolicy": "default:podinfo"}`, and pushes one commit with a templated message. Nothing else in the repository
//! changes, not even white space.
//!
//! # Data flows one way: observe, plan, act
//!
//! [`pass::once`] is the whole story. It polls registries and evaluates policies ([`observe`]), fetches the head of a remote into a
//! bare mirror and finds the marked files, plans the edits and the message as a value ([`tagwright_core::plan`]), leaves out
//! what a guard holds ([`tagwright_core::guard`]), and only then commits and pushes ([`act`]). A bot does the same piece by
//! piece: [`observe::poll()`] and [`act::act`], each when it is due ([`schedule`]). What polls came to is handed to runs as a value.
//!
//! # Layers
//!
//! What knows nothing of automations is a crate of its own; which may name which is in their manifests.
//!
//! ```text
//! gotext           Go's text world: templates with sprig, regular expressions, versions and ranges
//! image            image names in OCI's terms
//! words            texts from outside, made safe to show
//! access           credentials, certificates, proxies, deadlines, as data
//! yamlspan         YAML text as spans, and edits that a second parser confirms
//! signing          signatures of commits: OpenPGP, SSH
//! trust            signatures of images and where these were built, held against keys and roots that are given
//! otlp             traces for OpenTelemetry, for those who ask for them
//! notify           notifications: gathered, put into words, sent to chats, mailboxes, programs and forges
//! tagwright_core   the decisions, pure: policies, markers, edits, guards, messages, plans, and what explains them
//! web              the rules that every HTTP client keeps: proof, redirects, Retry-After, harmless words
//! oidc             tokens of OpenID Connect issuers: whose keys signed them, and what they have to say
//! hooks            webhooks: whether they are genuine, and what they tell
//! cloud            short-lived logins of clouds and forges: AWS, Azure, Google, GitHub Apps
//! forge            pull requests of forges: opened once, kept current, merged, closed
//! git              pack protocol, mirrors, tree walk, commits in memory, push
//! registry         lists of tags, digests, login, manners
//! flux             what Flux's image controllers say of their objects: conditions, status, events
//! kubernetes       the API server: objects watched, status patched, events, Leases
//! ```
//!
//! This crate is the program; `tests/layers.rs` holds the table of its arrows, so that a new one is a decision.
//!
//! ```text
//! files       a plain directory as source and target
//! failure     what went wrong, with its kind and what to do about it
//! wire        documents as others read them: JSON of commands and of the API
//! trace       the spans of a trace, and what they say
//! metrics     what is counted, and what is read off, as OpenMetrics
//! store       what must outlive a run, in one file
//! run         what a run works with, and how it ends
//! observe     what registries list, what remotes hold, what people took back; changes nothing
//! act         one remote: plan, commit, push; what is submitted as well
//! pass        both, once, for everything
//! announce    what happened, as events for those who are told of it
//! schedule    when what is due, as a pure state machine; the tasks around it
//! imports     a checkout in which other image updaters are told what to do, as documents
//! config      documents -> Automation (raw, then validated): native, Flux, KubeVela, secrets
//! cluster     a bot whose configuration is the objects of a cluster, and which says there what it does
//! server      the bot over HTTP: a Unix socket for its user, TCP by tokens
//! cli, report, snippet, telemetry   subcommands; texts and JSON; exit codes; logs
//! ```
//!
//! # Invariants
//!
//! - Bytes outside the marked scalars never change, and an edited file that a second, independent parser does not confirm
//!   is not committed ([`tagwright_core::edit`]).
//! - A push is a compare-and-swap on the head that the plan was made on; when the branch moved, the plan is made again.
//! - Nothing goes backwards, and what a person took back is not written again; the branch itself says so, not the state kept
//!   beside it ([`tagwright_core::guard`]). With the store deleted, the same commits are made.
//! - Nothing from a registry, repository or template is trusted: sizes, counts and times are bounded, and only tags that
//!   OCI allows are considered.
//! - A credential goes to the host it is for, and appears in no argv, URL, log, error or commit.

pub mod act;
mod announce;
pub mod cli;
pub mod cluster;
pub mod config;
mod failure;
mod files;
mod imports;
mod metrics;
pub mod observe;
pub mod pass;
mod report;
pub mod run;
pub mod schedule;
pub mod server;
mod snippet;
pub mod store;
mod telemetry;
mod trace;
pub mod wire;
