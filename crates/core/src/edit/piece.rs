//! What is verified as one scalar of a document: a marked field, or a block scalar with marked fields in it.
//!
//! Embedded YAML is edited as a file of its own, verified as one, and its patches are carried over to the file around
//! it. There, the second parser must read the block scalar as its old value with the same edit applied.

use yamlspan::dedent::Dedented;
use yamlspan::patch::{self, Patch};
use yamlspan::verify::{Expected, Refusal, TagFate};

use crate::edit::{MarkedField, rewrite};
use crate::marker::embedded::Block;

/// One scalar that may change.
pub(crate) enum Piece<'f, 's> {
    Field(&'f MarkedField<'s>),
    Block(EmbeddedEdit<'s>),
}

impl Piece<'_, '_> {
    /// The index of its document in the scan.
    pub(crate) fn document(&self) -> usize {
        match self {
            Self::Field(field) => field.marker.scalar.document,
            Self::Block(edit) => edit.document,
        }
    }

    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Field(field) => field.new.is_some(),
            Self::Block(edit) => !edit.patches.is_empty(),
        }
    }

    pub(crate) fn expected(&self) -> Expected<'_> {
        match self {
            Self::Field(field) => {
                let marker = field.marker;
                let tag = match (&field.new, &marker.scalar.tag) {
                    (Some(value), _) => patch::tag_fate(&marker.slot(), value),
                    (None, Some(_)) => TagFate::Kept,
                    (None, None) => TagFate::Absent,
                };
                Expected { ordinal: marker.scalar.ordinal, old: &marker.value, new: field.value(), tag }
            }
            Self::Block(EmbeddedEdit { block, new, .. }) => {
                let tag = if block.tagged { TagFate::Kept } else { TagFate::Absent };
                Expected { ordinal: block.ordinal, old: &block.value, new, tag }
            }
        }
    }
}

/// The edit of embedded YAML.
pub(crate) struct EmbeddedEdit<'s> {
    block: &'s Block,
    document: usize,
    /// The new decoded value of the block scalar.
    new: String,
    /// Of the file.
    pub(crate) patches: Vec<Patch>,
    /// Whether every value stays within its line.
    pub(crate) in_line: bool,
}

impl<'s> EmbeddedEdit<'s> {
    /// Edits the text of a block; the fields are those of its markers, in their order.
    pub(crate) fn of(block: &'s Block, fields: &[MarkedField<'s>]) -> Result<Self, Refusal> {
        let inner: Vec<MarkedField<'_>> = block
            .scan
            .markers
            .iter()
            .zip(fields)
            .map(|(marker, field)| MarkedField { marker, new: field.new.clone() })
            .collect();
        let (patches, text, in_line) = rewrite(&block.source.text, &block.scan, &inner)?;
        let outward = |patch: Patch| Patch { span: block.source.outward(&patch.span), ..patch };
        Ok(Self {
            block,
            document: fields[0].marker.scalar.document,
            new: Dedented::value_of(&text, &block.value),
            patches: patches.into_iter().map(outward).collect(),
            in_line,
        })
    }
}
