//! `fastLane`: what says that a release fixes a vulnerability.
//!
//! Documents are files: their paths are relative to the file of the configuration that names them. A label is a label of images.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tagwright_core::advisory::{Advisory, MAX_DOCUMENT};
use tagwright_core::automation::FastLane;

use super::decode::Fields;
use super::report::{Finding, Report, quoted};
use super::source;
use super::text::Text;
use super::yaml::Place;

/// The annotation for `fastLane.label`, or `true` for the label that it is where none is given.
pub(super) const LABEL: &str = "tagwright.dev/fast-lane-label";

/// The annotation for `fastLane.documents`, its items between white space.
pub(super) const DOCUMENTS: &str = "tagwright.dev/fast-lane-documents";

/// How many documents an image may have.
const MAX_DOCUMENTS: usize = 64;

/// How many names an image may have in documents.
const MAX_PACKAGES: usize = 16;

/// The longest name of a label or a package, in bytes.
const MAX_NAME: usize = 256;

/// Reads `fastLane`.
pub(super) fn fast_lane(fields: &mut Fields<'_>) -> Option<FastLane> {
    let mut fields = fields.fields("fastLane")?;
    let report = fields.report();
    let (place, has_label) = (fields.key("documents"), fields.key("label").is_some());
    let path = fields.path("documents");
    let documents = fields.texts("documents").zip(place);
    let documents = documents.map(|(texts, place)| documents_of(report, &path, place, &texts));
    let label = fields.filled_text("label").and_then(|text| name(report, &text));
    let place = fields.key("packages");
    let path = fields.path("packages");
    let packages = fields.texts("packages").zip(place);
    let packages = packages.map(|(texts, place)| packages_of(report, &path, place, &texts)).unwrap_or_default();
    fields.finish();
    let default = || Some(FastLane::LABEL.to_owned()).filter(|_| documents.is_none() && !has_label);
    let label = label.or_else(default);
    Some(FastLane { label, documents: documents.unwrap_or_default(), packages })
}

/// Reads the annotations of an object.
pub(super) fn annotated(
    report: &Report,
    label: Option<Text>,
    documents: Option<(Place, Vec<Text>)>,
) -> Option<FastLane> {
    if label.is_none() && documents.is_none() {
        return None;
    }
    let documents = documents.map(|(place, texts)| documents_of(report, DOCUMENTS, place, &texts)).unwrap_or_default();
    let label = label.and_then(|text| match text.value.as_str() {
        "true" => Some(FastLane::LABEL.to_owned()),
        _ => name(report, &text),
    });
    Some(FastLane { documents, label, packages: Vec::new() })
}

fn name(report: &Report, text: &Text) -> Option<String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.len() <= MAX_NAME && !name.contains(|c: char| c.is_control() || c.is_whitespace())
    };
    if is_name(&text.value) {
        return Some(text.value.clone());
    }
    let message = format!("`{}`: {} is not a name", text.path, quoted(&text.value));
    report.add(Finding::at(text.place, message).hint(format!("a name has no blanks and at most {MAX_NAME} bytes")));
    None
}

fn packages_of(report: &Report, path: &str, place: Place, texts: &[Text]) -> Vec<String> {
    if texts.len() > MAX_PACKAGES {
        report.error(place, format!("`{path}` has more than {MAX_PACKAGES} items"));
        return Vec::new();
    }
    texts.iter().filter_map(|text| name(report, text)).collect()
}

fn documents_of(report: &Report, path: &str, place: Place, texts: &[Text]) -> Vec<Arc<Advisory>> {
    if report.is_of_objects() {
        let finding = Finding::at(place, format!("`{path}` names files, and objects of a cluster have none"));
        report.add(finding.hint("use a label of the images"));
        return Vec::new();
    }
    if texts.len() > MAX_DOCUMENTS {
        report.error(place, format!("`{path}` has more than {MAX_DOCUMENTS} items"));
        return Vec::new();
    }
    texts.iter().filter_map(|text| document(report, text)).collect()
}

fn document(report: &Report, text: &Text) -> Option<Arc<Advisory>> {
    let Some(file) = beside(report, text) else {
        report.error(text.place, format!("`{}` is empty", text.path));
        return None;
    };
    report.read_beside(&file);
    let read = || {
        let json = contents(&file).map_err(|error| format!("cannot be read: {}", words::system(&error.to_string())))?;
        Advisory::parse(&text.value, &json).map(Arc::new).map_err(|problem| problem.to_string())
    };
    // Files with one path from two places are two files, and several images name one.
    let found = report.alike.document(&format!("{}\n{}", file.display(), text.value), read);
    match found {
        Ok(document) if document.is_empty() => {
            let message = format!("`{}`: {} names no release as fixed", text.path, quoted(&text.value));
            report.idle(text.place, message);
            Some(document)
        }
        Ok(document) => Some(document),
        Err(reason) => {
            let finding = Finding::at(text.place, format!("`{}`: {} {reason}", text.path, quoted(&text.value)));
            report.add(
                finding.hint(
                    "a path is relative to the file that names it; documents are OSV, OpenVEX or CSAF-VEX, as JSON",
                ),
            );
            None
        }
    }
}

/// The file that is meant, beside the one that names it.
fn beside(report: &Report, text: &Text) -> Option<PathBuf> {
    if text.value.is_empty() {
        return None;
    }
    let own = Path::new(&report.sources()[text.place.file].path);
    Some(own.parent().unwrap_or(Path::new("")).join(&text.value))
}

/// Reads a bounded text, and no more of it than that.
fn contents(path: &Path) -> std::io::Result<String> {
    let invalid = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let file: File = source::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_DOCUMENT {
        return Err(invalid(format!("it has {length} bytes, and at most {MAX_DOCUMENT} are read")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(invalid(format!("it has more than {MAX_DOCUMENT} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8 text".to_owned()))
}
