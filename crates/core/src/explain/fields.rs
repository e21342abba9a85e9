//! What becomes of the fields that a policy sets.

use memchr::memmem;

use crate::change::{Code, Diagnostic};
use crate::edit::{self, Edited, Selection, Selections};
use crate::guard::Hold;
use crate::marker::Marker;
use crate::plan::{Guards, MarkedFile};

/// A field whose marker names the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The file, with `/` between folders.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The marker's whole value.
    pub setter: String,
    /// The value that it has.
    pub old: String,
    /// The value that it would have, where that is known.
    pub new: Option<String>,
    /// Why it keeps the value that it has, unless that is the new one.
    pub why: Option<String>,
    /// What holds it, if a guard does; `why` is its sentence.
    pub hold: Option<Hold>,
    /// What changes in the image, each in a few words, as far as somebody has asked.
    pub details: Vec<String>,
}

/// The fields of a policy, and what stands in the way of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// By file and place.
    pub fields: Vec<Field>,
    /// Findings at places that mention the policy.
    pub diagnostics: Vec<Diagnostic>,
}

impl Fields {
    /// Lets every field that would change keep its value, for a reason that holds for all of them.
    #[must_use]
    pub fn held(mut self, why: &str) -> Self {
        for field in self.fields.iter_mut().filter(|field| field.why.is_none()) {
            if field.new.as_ref() != Some(&field.old) {
                field.why = Some(why.to_owned());
            }
        }
        self
    }
}

/// Says of every field of a policy, `namespace:name`, what it would be.
#[must_use]
pub fn fields<'f>(
    files: impl IntoIterator<Item = &'f MarkedFile>,
    policy: &str,
    selection: &Selection,
    guards: &Guards<'_>,
) -> Fields {
    let selections: Selections = [(policy, selection.clone())].into_iter().collect();
    let mut found = Fields::default();
    for file in files {
        let mut holds = guards.holds(file, &selections);
        let edited = edit::apply_unless(&file.bytes, &file.scan, &selections, |index| holds.contains_key(&index));
        for (index, marker) in file.scan.markers.iter().enumerate().filter(|(_, marker)| marker.policy() == policy) {
            let mut field = field(&file.path, marker, index, &edited);
            let backwards = matches!(holds.get(&index), Some(Hold::Downgrade { .. }));
            let pinned = edited.pinned.iter().filter(|_| backwards);
            if let Some((_, wanted)) = edited.held.iter().chain(pinned).find(|(held, _)| *held == index)
                && let Some(hold) = holds.remove(&index)
            {
                field = Field { new: Some(wanted.clone()), why: Some(hold.to_string()), hold: Some(hold), ..field };
            }
            found.fields.push(field);
        }
        let named = |diagnostic: &Diagnostic| Diagnostic { file: file.path.clone(), ..diagnostic.clone() };
        let about = file.scan.diagnostics.iter().filter(|diagnostic| mentions(&file.bytes, diagnostic, policy));
        found.diagnostics.extend(about.map(named));
    }
    found.fields.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    found.diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    found
}

fn field(file: &str, marker: &Marker, index: usize, edited: &Edited) -> Field {
    let change = edited.changed.binary_search(&index).ok().map(|place| &edited.changes[place]);
    let at_marker = |it: &&Diagnostic| (it.line, it.column) == (marker.line, marker.column);
    let refused = || edited.diagnostics.iter().find(|it| it.code == Code::EditRefused);
    let why = match change {
        Some(_) => None,
        None => edited.diagnostics.iter().find(at_marker).or_else(refused).map(|it| it.message.clone()),
    };
    let new = match change {
        Some(change) => Some(change.new.clone()),
        None => why.is_none().then(|| marker.value.clone()),
    };
    Field {
        file: file.to_owned(),
        line: marker.line,
        column: marker.column,
        setter: marker.setter.clone(),
        old: marker.value.clone(),
        new,
        why,
        hold: None,
        details: Vec::new(),
    }
}

/// Whether a finding is about a policy: its line names it, or it is about more than a line of a file that does.
fn mentions(bytes: &[u8], diagnostic: &Diagnostic, policy: &str) -> bool {
    let one_line = matches!(diagnostic.code, Code::UnknownField | Code::MalformedMarker | Code::MisplacedMarker);
    let text = match (one_line, diagnostic.line.checked_sub(1)) {
        (true, Some(line)) => bytes.split(|byte| *byte == b'\n').nth(line).unwrap_or_default(),
        _ => bytes,
    };
    names(text, policy)
}

/// Whether a text has the policy's name as a whole: neither a longer name nor one in a longer namespace.
fn names(text: &[u8], policy: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    memmem::find_iter(text, policy).any(|at| {
        let before = at.checked_sub(1).map(|before| text[before]);
        let after = text.get(at + policy.len()).copied();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}
