//! Freezes that are written to the objects of a cluster, where every bot that works on them sees them.

use jiff::Timestamp;
use kubernetes::connect::Options;

use crate::cli::kubernetes::{kinds_of, meant, unknown};
use crate::cli::{name, streams};
use crate::cluster::people::{Found, Freezing, People, What};
use crate::failure::{Failure, Result};
use crate::schedule::freeze::EXCEPTION;
use crate::wire::freeze::{Freeze, Unfreeze};

/// What can be frozen.
const FROZEN: [What; 3] = [What::Automation, What::Native, What::Policy];

/// What is frozen where nothing is named.
const AUTOMATIONS: [What; 2] = [What::Automation, What::Native];

/// Freezes objects.
pub(super) async fn freeze(wish: &Freeze, all_namespaces: bool, options: &Options) -> Result<()> {
    let reason = wish.reason.as_deref().unwrap_or_default();
    let until = wish.until.map_or_else(String::new, |until| format!(" until {until:.0}"));
    let order = Freezing::Freeze { until: wish.until, reason };
    give(&wish.selectors, all_namespaces, options, order, &AUTOMATIONS, |changed| match changed {
        true => format!("frozen{until}"),
        false => format!("frozen already{until}"),
    })
    .await
}

/// Ends freezes of objects, or makes exceptions to them.
pub(super) async fn unfreeze(wish: &Unfreeze, all_namespaces: bool, options: &Options) -> Result<()> {
    let until = wish.until.unwrap_or_else(|| Timestamp::now() + EXCEPTION);
    let reason = wish.reason.as_deref().unwrap_or_default();
    // `--all` ends whatever somebody has frozen.
    let kinds: &[What] = if wish.all { &FROZEN } else { &AUTOMATIONS };
    match wish.break_glass {
        true => {
            let order = Freezing::BreakGlass { until, reason };
            let said = |_| format!("written until {until:.0}, whatever freezes it");
            give(&wish.selectors, all_namespaces, options, order, kinds, said).await
        }
        false => {
            let said = |changed| match changed {
                true => "no longer frozen by hand".to_owned(),
                false => "was not frozen by hand".to_owned(),
            };
            give(&wish.selectors, all_namespaces, options, Freezing::Unfreeze, kinds, said).await
        }
    }
}

/// Gives an order about one object after the other. Nothing is ordered where one of the names is wrong.
async fn give(
    selectors: &[String],
    all_namespaces: bool,
    options: &Options,
    order: Freezing<'_>,
    kinds: &[What],
    said: impl Fn(bool) -> String,
) -> Result<()> {
    let people = People::connect(options, all_namespaces, &FROZEN).await?;
    let subjects = if selectors.is_empty() { all(&people, kinds).await? } else { named(&people, selectors).await? };
    for found in &subjects {
        let changed = people.freeze(order, found).await?;
        let (noun, written) = (found.what.noun(), found.what.written(&found.name()));
        streams::text(&format!("{noun} {written} {}\n", said(changed)))?;
    }
    Ok(())
}

async fn all(people: &People, kinds: &[What]) -> Result<Vec<Found>> {
    let found = people.all(kinds).await?;
    if found.is_empty() {
        let hint = if people.is_everywhere() { "" } else { "-n takes another namespace, -A all of them" };
        return Err(Failure::missing(format!("there is no automation in {}", people.place()), hint));
    }
    Ok(found)
}

async fn named(people: &People, selectors: &[String]) -> Result<Vec<Found>> {
    let mut subjects: Vec<Found> = Vec::new();
    for text in selectors {
        if text.contains('*') {
            let hint =
                "name the namespace with -n, or all of them with -A, and no selector: each object is frozen by itself";
            return Err(Failure::usage(format!("{text} names no object of a cluster"), hint));
        }
        let name = name::parse_in(text, people.namespace())?;
        let kinds = kinds_of(text, &FROZEN);
        let Some(found) = people.find(&kinds, &name).await? else {
            let known = people.known(&kinds, &name.namespace).await;
            return Err(unknown(text, &name, &kinds).with_hint(meant(&name, &known)));
        };
        subjects.push(found);
    }
    Ok(subjects)
}
