//! YAML in a block scalar of YAML, such as the `values.yaml: |` of a ConfigMap.
//!
//! A literal block scalar is its text, line by line, behind an indentation. With the indentation taken off, the text is
//! read as a file of its own, and every place in it is a place in the file. In a folded block scalar (`>`) lines are
//! joined, so that a comment would swallow what follows; these are not edited.
//!
//! One level is enough: what a block scalar within embedded YAML holds is text.

use serde::{Deserialize, Serialize};
use yamlspan::dedent::Dedented;
use yamlspan::document::{Node, NodeKind, Role, Scalar, TagSite};
use yamlspan::lines::Position;

use crate::marker::object::{EMBEDDED, Object};
use crate::marker::{MarkedScalar, Marker, Scan, path};

/// How many levels of embedded YAML are edited.
pub(crate) const MAX_LEVELS: usize = 1;

/// Which embedded YAML is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Embedded {
    /// That of objects with the annotation `tagwright.dev/embedded: "true"`.
    #[default]
    Annotated,
    /// All, but for objects with the annotation `tagwright.dev/embedded: "false"`.
    Everywhere,
}

impl Embedded {
    /// [`Embedded::Everywhere`] if that is wanted.
    #[must_use]
    pub fn everywhere(wanted: bool) -> Self {
        if wanted { Self::Everywhere } else { Self::Annotated }
    }

    /// Whether the markers in an object's embedded YAML count.
    pub(crate) fn permission(self, object: &Object) -> Permission {
        match (object.embedded, self) {
            (Some(true), _) | (None, Self::Everywhere) => Permission::Granted,
            (Some(false), _) => Permission::Declined,
            (None, Self::Annotated) => Permission::NotAsked,
        }
    }
}

/// Whether markers in embedded YAML count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Granted,
    /// The object says no; there is nothing to tell.
    Declined,
    /// Nobody said anything.
    NotAsked,
}

/// A sentence about markers that would count if somebody asked for it.
pub(crate) fn not_asked(count: usize) -> String {
    let (markers, set) = if count == 1 { ("a marker", "sets") } else { ("markers", "set") };
    format!(
        "{markers} in embedded YAML {set} nothing, unless the automation says `embedded: true` or the object has the \
         annotation {EMBEDDED}: \"true\""
    )
}

/// A sentence about markers that count and cannot be edited.
pub(crate) fn unsupported(scalar: &Scalar<'_>, level: usize) -> String {
    let reason = if level > MAX_LEVELS {
        "it is embedded in embedded YAML"
    } else if scalar.folded {
        "its block scalar is folded; write `|` in place of `>`"
    } else {
        "its lines are not those of the value"
    };
    format!("the markers of this embedded YAML set nothing: {reason}")
}

/// Why a scalar of embedded YAML is not edited, though it has a marker.
///
/// A text that is no mapping and no sequence is not meant to be YAML, and leading blank lines of a block scalar would
/// need two indentations.
pub(crate) fn unfit(node: &Node<'_>) -> Option<&'static str> {
    let NodeKind::Scalar(scalar) = &node.kind else { return None };
    if node.role == Role::Root {
        return Some("the marker sets nothing: the text around it is not a mapping or sequence");
    }
    let leading_blank = node.is_block_scalar() && scalar.value.starts_with('\n');
    leading_blank.then_some("the marker sets nothing: the embedded value starts with a blank line")
}

/// A literal block scalar that holds marked YAML.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Block {
    /// The number of the scalar in its document.
    pub(crate) ordinal: usize,
    /// The decoded value, which verification compares.
    pub(crate) value: String,
    pub(crate) tagged: bool,
    pub(crate) source: Dedented,
    /// The scan of the text of [`Block::source`]; its markers are those of the file with [`MarkedScalar::embedded`].
    pub(crate) scan: Scan,
}

impl Block {
    pub(crate) fn new(scalar: &Scalar<'_>, source: Dedented, scan: Scan) -> Self {
        let value = scalar.value.clone().into_owned();
        Self { ordinal: scalar.ordinal, value, tagged: scalar.tag.is_some(), source, scan }
    }

    /// A marker of the block as one of the file.
    pub(crate) fn outward(&self, marker: &Marker, home: Home) -> Marker {
        let place = self.source.position(Position { line: marker.line, column: marker.column });
        let tag = |tag: &TagSite| TagSite { span: self.source.outward(&tag.span), kind: tag.kind };
        Marker {
            span: self.source.outward(&marker.span),
            line: place.line,
            column: place.column,
            scalar: MarkedScalar {
                tag: marker.scalar.tag.as_ref().map(tag),
                header: marker.scalar.header.as_ref().map(|header| self.source.outward(header)),
                document: home.document,
                object: home.object,
                embedded: Some(home.block),
                path: path::within(home.path, marker.scalar.path),
                ..marker.scalar.clone()
            },
            ..marker.clone()
        }
    }
}

/// Where a block is in the scan of its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home {
    pub(crate) document: usize,
    pub(crate) object: usize,
    pub(crate) block: usize,
    /// Of the block scalar.
    pub(crate) path: u64,
}
