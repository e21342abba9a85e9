//! Images in YAML that a block scalar holds, such as the `values.yaml: |` of a ConfigMap.
//!
//! Markers there are text unless somebody says otherwise, so that the images are named and not marked. One level is looked
//! at; a text that is no YAML, or names no image, is none.

use yamlspan::dedent::Dedented;
use yamlspan::document::{Document, Node, NodeKind};
use yamlspan::lines::{Lines, Position};

use super::{Image, ImageScalar, Inventory, Level, LineEnd, Obstacle, Taken, found_in, may_name_images};

/// Where a document stands.
pub(super) struct Place<'s> {
    pub(super) text: &'s str,
    pub(super) lines: &'s Lines,
    /// Where the document starts in the text.
    pub(super) offset: usize,
}

/// Adds the images without a marker in the block scalars of a document that are looked at.
pub(super) fn find(
    place: &Place<'_>,
    document: &Document<'_>,
    is_looked_at: impl Fn(usize) -> bool,
    inventory: &mut Inventory,
) {
    for (index, node) in document.nodes.iter().enumerate().filter(|(_, node)| node.is_block_scalar() && node.settable())
    {
        let NodeKind::Scalar(scalar) = &node.kind else { continue };
        if may_name_images(scalar.value.as_bytes()) && is_looked_at(index) {
            let inner = found_in(&scalar.value, Level::Embedded);
            let unmarked = inner.images.into_iter().filter(|image| image.marked().is_none());
            inventory.images.extend(unmarked.map(|image| outward(place, node, image)));
        }
    }
}

/// An image of a block scalar as one of the file around it.
fn outward(place: &Place<'_>, node: &Node<'_>, image: Image) -> Image {
    let NodeKind::Scalar(scalar) = &node.kind else { return image };
    let source = Dedented::of(place.text, place.lines, place.offset, node, &scalar.value);
    // In a folded block scalar places are not known; its first line is.
    let start = place.offset + node.span.start;
    let first = place.lines.position(place.text, start);
    let place = |it: ImageScalar| match &source {
        Some(source) => {
            let Position { line, column } = source.position(Position { line: it.line, column: it.column });
            ImageScalar { span: source.outward(&it.span), line, column, ..it }
        }
        None => ImageScalar { span: start..start, line: first.line, column: first.column, ..it },
    };
    let taken = |it: ImageScalar| ImageScalar { line_end: LineEnd::Taken(Taken::Block), ..place(it) };
    let scalars = image.scalars.into_iter().map(taken).collect();
    Image { scalars, obstacle: Some(Obstacle::Embedded), keys: String::new(), ..image }
}
