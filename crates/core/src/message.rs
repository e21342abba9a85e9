//! Commit messages: the data that templates see, Git trailers, and telling the bot's commits from others.
//!
//! The data has the shape that Flux gives to its templates:
//!
//! | field | what it is |
//! |---|---|
//! | `.AutomationObject` | `.Namespace`, `.Name`; prints as `namespace/name` |
//! | `.Changed.FileChanges` | file → object → list of changes |
//! | `.Changed.Objects` | object → list of changes, over all files |
//! | `.Changed.Changes` | the distinct changes, in the order of files and documents |
//! | `.Values` | the strings configured for the message |
//! | `.Updated.Files`, `.Updated.Objects`, `.Updated.Images` | the images, as Flux had them before its version 1 |
//! | `.Summary` | what changes, in one line: `Update podinfo to 6.7.1 (+1 more)` |
//! | `.Images` | the images that change, once each: `.Name`, `.Path`, `.OldTag`, `.NewTag`, `.OldDigest`, `.NewDigest` |
//! | `.Group` | what the changes have in common where each group of them has a pull request: a policy, an image or a file |
//!
//! An object has `.APIVersion`, `.Kind`, `.Name` and `.Namespace`; a change has `.OldValue`, `.NewValue` and
//! `.Setter`, and of what the images say of themselves `.Source`, `.OldRevision`, `.Revision`, `.Compare` and `.Details`, which are
//! empty where nobody knows ([`tells_of_images`]). Maps are ranged over in sorted order, objects by those four fields.
//!
//! Differences from Flux 1: the order of `.Changed.Changes` is always the same, and `.Updated`, which Flux removed, still
//! works, because the templates of KubeVela use it; `.Summary`, `.Images` and `.Group` are ours, and so is what images say. None of it shows when the whole data is printed.

mod advice;
mod data;
mod images;
mod legacy;
mod recognise;
mod summary;
mod trailer;

use std::collections::BTreeMap;

use gotext::template::{RenderError, Template};

use crate::change::Change;
use crate::difference::Differences;

pub use self::advice::{advice, advice_on_text};
pub use self::recognise::{Author, Criteria, DEFAULT_AUTHOR, KUBEVELA_AUTHOR, Recognised, is_written_by, recognise};
pub(crate) use self::trailer::RELEASE_TRAILER;
pub use self::trailer::{releases, with_trailers};
pub(crate) use self::trailer::{with_sign_off, with_trailers_of_each};

/// The message of an automation that has no template, as Flux has it.
pub const DEFAULT_MESSAGE: &str = "Update from image update automation";

/// The message of a native automation that has none: what changes. Its commits are known by their trailers.
pub const NATIVE_MESSAGE: &str = "{{ .Summary }}";

/// The facts of a commit that templates and trailers may repeat.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The automation's namespace, as templates see it.
    pub automation_namespace: &'a str,
    /// The automation's name, as templates see it.
    pub automation_name: &'a str,
    /// What the changes have in common where they are some of the automation's: a policy, an image or a file; empty where they are all of
    /// them.
    pub group: &'a str,
    /// The strings configured for the message.
    pub values: &'a BTreeMap<String, String>,
    /// The changes, those of one file in the order of its documents.
    pub changes: &'a [Change],
    /// The selected reference of each policy, by `namespace:name`.
    pub images: &'a BTreeMap<String, String>,
    /// What changed between images, as far as it was asked for.
    pub differences: &'a Differences,
}

/// Whether a template wants to know what changed between images, so that somebody has to be asked.
#[must_use]
pub fn tells_of_images(template: &Template) -> bool {
    let text = template.source();
    let names = |method: &&str| {
        let name = format!(".{method}");
        let mut rests = text.match_indices(&name).map(|(at, found)| &text[at + found.len()..]);
        rests.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    data::OF_IMAGES.iter().any(names)
}

/// Renders a message. The text is used as it is: nothing is trimmed or added.
///
/// ```
/// use std::collections::BTreeMap;
/// use tagwright_core::change::{Change, ObjectIdentity};
/// use tagwright_core::message::{Facts, render};
/// use gotext::template::Template;
///
/// let image = "ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910".to_owned();
/// let changes = [Change {
///     file: "app.yaml".into(),
///     line: 7,
///     object: ObjectIdentity::default(),
///     old: "ghcr.io/fogdong/test-fog:master-1".into(),
///     new: image.clone(),
///     setter: "default:image-gitops".into(),
/// }];
/// let facts = Facts {
///     automation_namespace: "default",
///     automation_name: "image-gitops",
///     group: "",
///     values: &BTreeMap::new(),
///     changes: &changes,
///     images: &BTreeMap::from([("default:image-gitops".to_owned(), image)]),
///     differences: &BTreeMap::new(),
/// };
/// let template = Template::parse("commit message", "Image: {{range .Updated.Images}}{{println .}}{{end}}")?;
/// assert_eq!(render(&template, &facts)?, "Image: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The template fails on this data, or exceeds a limit of [`gotext::template`].
pub fn render(template: &Template, facts: &Facts<'_>) -> Result<String, RenderError> {
    template.render(&data::template_data(facts))
}

/// The message of a commit with more changes than its template can take, and why. The changes are right all the same, and would
/// only become more.
pub(crate) fn in_place_of(error: &RenderError) -> String {
    let why: String = error.to_string().chars().map(|c| if trailer::is_unprintable(c) { ' ' } else { c }).collect();
    format!("{DEFAULT_MESSAGE}\n\nThe message template exceeds a limit with what this commit changes: {why}\n")
}

#[cfg(test)]
mod tests;
