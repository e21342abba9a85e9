//! `tagwright message`: renders a commit message from a template and recorded changes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gotext::template::Template;
use serde::Deserialize;
use tagwright_core::change::Change;
use tagwright_core::message::{self, Facts};

use super::{Ending, streams};
use crate::failure::{Context, Failure, Result};
use crate::wire;

const EXAMPLES: &str = "\
Examples:
  tagwright message --changes changes.json
  tagwright message --template message.tmpl --changes changes.json --trailers";

/// Render a commit message from a Go template and a list of changes; the text is printed as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// File with the template; `-` reads stdin [default: that of native automations]
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// File with the changes: {"automation": {"namespace", "name"}, "values": {…}, "images": [{"policy", "image"}], "changes": […]}
    #[arg(long, value_name = "FILE.json")]
    changes: PathBuf,
    /// End the message with the trailers that name the automation and its policies
    #[arg(long)]
    trailers: bool,
}

/// The document that `--changes` names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    automation: AutomationName,
    #[serde(default)]
    values: Option<BTreeMap<String, String>>,
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    changes: Vec<wire::edit::Change>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AutomationName {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    policy: String,
    image: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending> {
    let template = template(arguments)?;
    let path = &arguments.changes;
    if path.to_string_lossy().trim_start().starts_with(['{', '[']) && !path.exists() {
        let hint = "name a file that has it, or write --changes - and give it on standard input";
        return Err(Failure::usage("--changes takes a file, and not the JSON itself", hint));
    }
    let input = input(&streams::read(&arguments.changes)?)
        .with_context(|| format!("cannot read the changes in {}", streams::name(&arguments.changes)))?;
    if input.changes.is_empty() {
        streams::sentence("note", &format!("{} has no changes for the message to tell of", streams::name(path)));
    }
    let changes: Vec<Change> = input.changes.into_iter().map(Change::from).collect();
    let images = input.images.into_iter().map(|image| (image.policy, image.image)).collect();
    let facts = Facts {
        automation_namespace: &input.automation.namespace,
        automation_name: &input.automation.name,
        group: "",
        values: &input.values.unwrap_or_default(),
        changes: &changes,
        images: &images,
        // What registries would say is not asked for.
        differences: &BTreeMap::new(),
    };
    let text = message::render(&template, &facts)?;
    streams::data(&if arguments.trailers { message::with_trailers(&text, &facts) } else { text })?;
    Ok(Ending::Done)
}

fn input(text: &str) -> Result<Input> {
    // A list would be taken for the members one after the other.
    if text.trim_start().starts_with('[') {
        return Err(Failure::shape("a list where an object with \"changes\" is expected"));
    }
    serde_json::from_str(text).map_err(|error| Failure::json(&error))
}

fn template(arguments: &Arguments) -> Result<Template> {
    let Some(path) = &arguments.template else {
        return Ok(Template::parse("commit message", message::NATIVE_MESSAGE)?);
    };
    if streams::is_stdin(path) && streams::is_stdin(&arguments.changes) {
        return Err(Failure::usage("--template and --changes cannot both be standard input", "write one to a file"));
    }
    Ok(Template::parse("commit message", &streams::read(path)?)?)
}
