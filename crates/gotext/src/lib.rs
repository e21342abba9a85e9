//! Go's text world, for people who write policies and messages as they do for Flux.
//!
//! Configurations of Go programs hold regular expressions, templates and version ranges that mean what Go and its usual libraries make
//! of them. This crate reads the three as they are read there, with the same results and the same error texts, and knows
//! nothing of images:
//!
//! - [`pattern`]: Go's regular expressions (RE2), on the `regex` crate;
//! - [`template`]: `text/template` with sprig's repeatable functions;
//! - [`version`]: versions and ranges of Masterminds' semver.
//!
//! Besides, it prints a [`duration`] as Go does. All three take untrusted text: each bounds its input, its memory and its work, and says by how much in its own pages.
//!
//! ```
//! use gotext::{pattern::Pattern, template::{Template, Value}, version::{Range, Version}};
//!
//! let tag = "v1.4.2-20261126";
//! let version = Pattern::parse(r"^v(?P<version>[\d.]+)-\d+$")?.expand_first(tag, "$version").unwrap_or_default();
//! assert!(Range::parse("^1.4")?.matches(&Version::parse(&version)?));
//! let message = Template::parse("message", "Update to {{ . | quote }}")?;
//! assert_eq!(message.render(&Value::string(&version))?, "Update to \"1.4.2\"");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where Go and its libraries are at odds with their documentation, what they do counts, not what they say: the cases in the
//! repository's `fixtures` were recorded from them.

pub mod duration;
pub mod pattern;
mod quote;
pub mod template;
pub mod version;
