//! The tools, with what each takes: the types are what is read, and their schema is what clients are told.

use std::sync::Arc;

use rmcp::model::{Tool, ToolAnnotations};
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::question::Source;

/// Nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What is asked about; nothing is all.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// Policies (NAMESPACE:NAME) and automations (NAMESPACE/NAME); none is all.
    #[serde(default)]
    pub(super) names: Vec<String>,
}

/// A policy, and perhaps a tag.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Explain {
    /// The policy, NAMESPACE:NAME.
    pub(super) policy: String,
    /// A tag: why it is selected or not, in one sentence. It need not be listed.
    #[serde(default)]
    pub(super) tag: Option<String>,
}

/// Which part of the history.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    /// Only what concerns this policy, NAMESPACE:NAME.
    #[serde(default)]
    pub(super) policy: Option<String>,
    /// Only what concerns this automation, NAMESPACE/NAME.
    #[serde(default)]
    pub(super) automation: Option<String>,
    /// Only what is not older: a duration (24h, 7d), a day (2026-11-20) or a time (RFC 3339).
    #[serde(default)]
    pub(super) since: Option<String>,
    /// At most so many entries, the newest first; 30 when it is not said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub(super) limit: Option<usize>,
}

/// Which findings.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Findings {
    /// Only those of this automation, NAMESPACE/NAME.
    #[serde(default)]
    pub(super) automation: Option<String>,
}

/// An automation.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    /// The automation, NAMESPACE/NAME.
    pub(super) automation: String,
}

/// How much of Git is looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Images {
    /// How many commits of each branch, the newest first; 50 when it is not said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    pub(super) commits: Option<usize>,
    /// Only what the newest commits reference.
    #[serde(default)]
    pub(super) now: bool,
}

/// What every order has beside what it is about.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Given {
    /// Why, for those who will ask; it is kept in the history.
    #[schemars(length(min = 1, max = 500))]
    pub(super) reason: String,
    /// The token that the first call gave back, once the user has agreed.
    #[serde(default)]
    pub(super) confirm: Option<String>,
}

/// An order about a policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyOrder {
    /// The policy, NAMESPACE:NAME.
    pub(super) policy: String,
}

/// An order that nothing is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeOrder {
    /// NAMESPACE/NAME for an automation, NAMESPACE/* for a namespace, NAMESPACE:NAME for a policy; none is everything.
    #[serde(default)]
    pub(super) selectors: Vec<String>,
    /// When it ends by itself: a duration (4h, 3d), a day or a time (RFC 3339). Without, somebody has to end it.
    #[serde(default)]
    pub(super) until: Option<String>,
}

/// An order to look at registries now.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct PollOrder {
    /// The image repository of this policy, NAMESPACE:NAME.
    #[serde(default)]
    pub(super) policy: Option<String>,
    /// The image repositories of this automation, NAMESPACE/NAME, which then runs. Neither is everything.
    #[serde(default)]
    pub(super) automation: Option<String>,
}

/// The tools that a source has.
pub(super) fn of(source: &Source, with_orders: bool) -> Vec<Tool> {
    let images =
        "Every image that Git references, now and in the commits before, with file and line; remotes are asked.";
    let explain = "Why a policy selects the tag that it selects: what was listed, what was left out and why, and the candidates; or what becomes of one tag.";
    match source {
        Source::Files { .. } => vec![
            asking::<Explain>("explain", explain),
            asking::<History>(
                "history",
                "What was committed, as the Git remotes of the configuration tell it, newest first.",
            ),
            asking::<Nothing>(
                "findings",
                "What is wrong with the configuration and with markers in the Git remotes that it names.",
            ),
            asking::<Images>("images", images),
        ],
        Source::Bot { .. } => {
            let mut tools = vec![
                asking::<Names>(
                    "status",
                    "What the bot selects, does and waits for: policies, automations, holds, freezes, registries, and what is wrong.",
                ),
                asking::<Names>(
                    "selections",
                    "The policies alone: image, selected tag, since when, and why none is selected.",
                ),
                asking::<Explain>("explain", explain),
                asking::<History>(
                    "history",
                    "What was committed, held back and failed, and who ordered what, newest first.",
                ),
                asking::<Findings>(
                    "findings",
                    "What is wrong with markers and configuration, as the last runs found it.",
                ),
                asking::<About>(
                    "pending",
                    "What an automation would write if it ran now, as a diff; its remote is asked, and nothing is pushed.",
                ),
                asking::<Images>("images", images),
            ];
            if with_orders {
                tools.extend(orders());
            }
            tools
        }
    }
}

fn orders() -> [Tool; 7] {
    [
        ordering::<PolicyOrder>("hold", "The fields of a policy keep their values until it is released.", false),
        ordering::<PolicyOrder>(
            "release",
            "End a hold, also one for a revert: the next run writes what is selected.",
            true,
        ),
        ordering::<About>("suspend", "An automation does nothing until it is resumed.", false),
        ordering::<About>("resume", "A suspended automation goes on: the next run writes what is selected.", true),
        ordering::<FreezeOrder>("freeze", "Nothing is written anywhere, or of what selectors name.", false),
        ordering::<PollOrder>("poll", "Ask registries for tags now, before they are due.", false),
        ordering::<About>(
            "run",
            "Run an automation now, on what the last polls came to; it may commit and push.",
            true,
        ),
    ]
}

fn asking<T: JsonSchema + 'static>(name: &'static str, description: &'static str) -> Tool {
    let annotations = ToolAnnotations::new().read_only(true).open_world(true);
    Tool::new(name, description, serde_json::Map::new()).with_input_schema::<T>().with_annotations(annotations)
}

/// What has something written is called destructive: it overwrites values in Git.
fn ordering<T: JsonSchema + 'static>(name: &'static str, description: &'static str, writes: bool) -> Tool {
    let annotations = ToolAnnotations::new().read_only(false).destructive(writes).idempotent(true).open_world(true);
    let of = |tool: Tool| Arc::unwrap_or_clone(tool.input_schema);
    let empty = || Tool::new(name, description, serde_json::Map::new());
    let (mut schema, given) = (of(empty().with_input_schema::<T>()), of(empty().with_input_schema::<Given>()));
    for key in ["properties", "required"] {
        match (schema.get_mut(key), given.get(key)) {
            (Some(Value::Object(own)), Some(Value::Object(more))) => own.extend(more.clone()),
            (Some(Value::Array(own)), Some(Value::Array(more))) => own.extend(more.iter().cloned()),
            (None, Some(more)) => drop(schema.insert(key.to_owned(), more.clone())),
            _ => {}
        }
    }
    Tool::new(name, description, schema).with_annotations(annotations)
}
