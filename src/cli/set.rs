//! `tagwright set`: rewrites the marked fields of a directory, without registry or Git.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use image::{Digest, Reference, Repository, Tag};
use serde::Deserialize;
use tagwright_core::change::{Code, Diagnostic};
use tagwright_core::edit::{self, Selection, Selections};
use tagwright_core::marker;
use tagwright_core::marker::{Embedded, Marker};
use tagwright_core::plan::{self, MarkedFile, Plan};

use super::{Ending, Output, streams};
use crate::failure::{Context, Failure, Result};
use crate::report::diff;
use crate::wire::edit::{Change, Set};
use crate::{files, report};

const EXAMPLES: &str = "\
Examples:
  tagwright set . --image default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0
  tagwright set clusters/prod --image default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0 --diff
  tagwright set . --images images.json --check";

/// How many policies that have markers are named in a hint.
const MAX_NAMED: usize = 10;

/// Rewrite the marked fields of a directory; no registry, no Git.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directory, or one file
    directory: PathBuf,
    /// What a policy selects, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0; may be repeated
    #[arg(long, value_name = "NS:NAME=REF")]
    image: Vec<String>,
    /// File with selections: [{"namespace", "name", "image", "tag", "digest"}]; `-` reads stdin
    #[arg(long, value_name = "FILE.json")]
    images: Option<PathBuf>,
    /// Edit YAML in block scalars, too, such as the `values.yaml: |` of a ConfigMap
    #[arg(long)]
    embedded: bool,
    /// Write nothing; exit with 3 when something would change
    #[arg(long)]
    check: bool,
    /// Write nothing; print the unified diff
    #[arg(long, conflicts_with = "output")]
    diff: bool,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
}

/// One entry of `--images`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    namespace: String,
    name: String,
    image: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    digest: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    if arguments.image.is_empty() && arguments.images.is_none() {
        return Err(Failure::usage("name an image: --image NS:NAME=REF, or --images FILE.json", ""));
    }
    let (selections, mut findings) = selections(arguments)?;
    if let Some(name) = passed_over(&arguments.directory) {
        streams::sentence("note", &format!("{name} is not looked at: it is not named *.yaml, *.yml or Kustomization"));
    }
    let search = files::Search { is_candidate: marker::is_candidate_path, contains: marker::contains_token };
    let found = files::search(&arguments.directory, search)?;
    findings.extend(found.oversized.iter().map(|path| {
        let limit = files::MAX_FILE_BYTES;
        plan::about_path(path, Code::FileTooLarge, &format!("the file is larger than {limit} bytes and was not read"))
    }));
    findings.extend(
        found
            .links
            .iter()
            .map(|path| plan::about_path(path, Code::SymbolicLink, "a symbolic link, which is not followed")),
    );
    let embedded = Embedded::everywhere(arguments.embedded);
    let marked: Vec<_> = found.files.into_iter().map(|(path, bytes)| MarkedFile::with(path, bytes, embedded)).collect();
    let mut plan = plan::edits(&marked, &selections);
    findings.append(&mut plan.diagnostics);
    if let Err(failure) = all_are_named(arguments, &marked) {
        // Why a marker may not count; that other markers name unknown policies is no news.
        findings.retain(|finding| finding.code != Code::UnknownPolicy);
        streams::talk(&report::diagnostics(&findings));
        return Err(failure);
    }
    if !arguments.check && !arguments.diff {
        for edit in &plan.edits {
            files::replace(&arguments.directory, &edit.path, &edit.new)?;
        }
    }
    print(arguments, &plan, &findings)?;
    Ok(if arguments.check && !plan.edits.is_empty() { Ending::WouldChange } else { Ending::Done })
}

/// Whether each policy of the command line has a marker that names it: one that has none is most likely misspelt. A file of
/// `--images` may have the policies of other directories, too.
fn all_are_named(arguments: &Arguments, files: &[MarkedFile]) -> Result<()> {
    let policies = files.iter().flat_map(|file| &file.scan.markers).map(Marker::policy);
    let known: Vec<&str> = policies.collect::<BTreeSet<_>>().into_iter().collect();
    let mut given = arguments.image.iter().filter_map(|text| text.split_once('=')).map(|(policy, _)| policy);
    let Some(unknown) = given.find(|policy| !known.contains(policy)) else { return Ok(()) };
    let mut reported = files.iter().flat_map(|file| &file.scan.diagnostics);
    let hint = match (edit::meant(&known, unknown), known.len()) {
        (Some(nearest), _) => format!("did you mean {nearest}?"),
        _ if reported.any(|it| it.code == Code::EmbeddedOff) => {
            "markers in embedded YAML count with --embedded".to_owned()
        }
        (None, 0) => "nothing there has a marker; `tagwright mark` writes them".to_owned(),
        (None, 1..=MAX_NAMED) => format!("the markers there name {}", known.join(", ")),
        (None, _) => format!("the markers there name {} and more", known[..MAX_NAMED].join(", ")),
    };
    let place = arguments.directory.display();
    Err(Failure::usage(format!("no marker in {place} names {unknown}"), hint))
}

/// The name of a file that was asked for and has no name of a YAML file.
fn passed_over(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    (path.is_file() && !marker::is_candidate_path(&name)).then(|| path.display().to_string())
}

fn print(arguments: &Arguments, plan: &Plan, findings: &[Diagnostic]) -> Result<()> {
    if arguments.output == Output::Json {
        let changes = plan.changes().map(Change::from).collect();
        return streams::json(&Set { changes, diagnostics: findings.iter().map(Into::into).collect() });
    }
    streams::talk(&report::diagnostics(findings));
    if arguments.diff {
        return streams::files(&diff::unified(&plan.edits));
    }
    streams::text(&report::changes(plan.changes()))
}

fn selections(arguments: &Arguments) -> Result<(Selections, Vec<Diagnostic>)> {
    let mut selections = Selections::new();
    let mut findings = Vec::new();
    if let Some(path) = &arguments.images {
        let images: Vec<Image> = serde_json::from_str(&streams::read(path)?)
            .map_err(|error| Failure::json(&error))
            .with_context(|| format!("cannot read the selections in {}", streams::name(path)))?;
        for image in images {
            let name = format!("{}:{}", image.namespace, image.name);
            let selection = match reference(&image) {
                Ok(reference) => Selection::Selected(reference),
                Err(error) => {
                    let message = format!("the selection of {name} was ignored, and its fields stay: {error}");
                    findings.push(plan::about_path("", Code::InvalidReference, &message));
                    Selection::NoSelection("its selection is not a valid reference".to_owned())
                }
            };
            selections.insert(name, selection);
        }
    }
    let mut given = BTreeSet::new();
    for text in &arguments.image {
        let (name, reference) = argument(text)?;
        if !given.insert(name.clone()) {
            return Err(Failure::usage(format!("--image {text}: {name} is given twice"), "give each policy once"));
        }
        selections.insert(name, Selection::Selected(reference));
    }
    Ok((selections, findings))
}

fn reference(image: &Image) -> Result<Reference, image::Error> {
    Ok(Reference {
        repository: Repository::parse(&image.image)?,
        tag: Some(Tag::parse(&image.tag)?),
        digest: if image.digest.is_empty() { None } else { Some(Digest::parse(&image.digest)?) },
    })
}

fn argument(text: &str) -> Result<(String, Reference)> {
    let usage = |message: String| {
        Failure::usage(
            message,
            "write --image NAMESPACE:POLICY=IMAGE:TAG, such as default:podinfo=ghcr.io/stefanprodan/podinfo:6.7.0",
        )
    };
    let (name, reference) = text.split_once('=').ok_or_else(|| usage(format!("--image {text}: no '=' in it")))?;
    let named = name
        .split_once(':')
        .is_some_and(|(namespace, policy)| !namespace.is_empty() && !policy.is_empty() && !policy.contains(':'));
    if !named {
        return Err(usage(format!("--image {text}: {name:?} is not NAMESPACE:POLICY")));
    }
    let reference = Reference::parse(reference).map_err(|error| usage(format!("--image {text}: {error}")))?;
    if reference.tag.is_none() {
        return Err(usage(format!("--image {text}: the reference has no tag")));
    }
    Ok((name.to_owned(), reference))
}
