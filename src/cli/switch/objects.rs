//! Orders that are written to the objects of a cluster.

use kubernetes::connect::Options;
use tagwright_core::automation::ObjectName;

use super::{About, sentence};
use crate::cli::kubernetes::{kinds_of, unknown};
use crate::cli::{name, streams};
use crate::cluster::people::{Found, People, What};
use crate::failure::{Failure, Result};
use crate::wire::request::Order;

/// What can be held and released.
const HELD: [What; 2] = [What::Policy, What::Native];

/// What can be suspended and resumed.
const SUSPENDED: [What; 2] = [What::Automation, What::Native];

/// Gives an order about one object after the other. Nothing is ordered where one of the names is wrong.
pub(super) async fn give(order: Order, about: &About, options: &Options, reason: Option<&str>) -> Result<()> {
    let kinds = if order.is_for_policies() { HELD } else { SUSPENDED };
    let people = People::connect(options, about.objects.all_namespaces, &What::ORDERED).await?;
    let subjects = match about.all {
        true => all(&people, order, &kinds).await?,
        false => named(&people, order, &kinds, &about.names).await?,
    };
    for found in &subjects {
        let obeyed = people.order(order, found, reason).await?;
        streams::text(&format!("{}\n", sentence(found.what.noun(), &obeyed)))?;
    }
    Ok(())
}

async fn all(people: &People, order: Order, kinds: &[What]) -> Result<Vec<Found>> {
    let found = people.all(kinds).await?;
    if found.is_empty() {
        let noun = if order.is_for_policies() { "policy" } else { "automation" };
        let hint = if people.is_everywhere() { "" } else { "-n takes another namespace, -A all of them" };
        return Err(Failure::missing(format!("there is no {noun} in {}", people.place()), hint));
    }
    Ok(found)
}

async fn named(people: &People, order: Order, kinds: &[What], names: &[String]) -> Result<Vec<Found>> {
    let mut subjects: Vec<Found> = Vec::new();
    for text in names {
        let name = name::parse_in(text, people.namespace())?;
        let kinds = kinds_of(text, kinds);
        let Some(found) = people.find(&kinds, &name).await? else {
            return Err(nothing(people, order, (text, &name), &kinds).await?);
        };
        let is_known = |known: &Found| known.what == found.what && known.name() == found.name();
        if !subjects.iter().any(is_known) {
            subjects.push(found);
        }
    }
    Ok(subjects)
}

/// There is no such object. It may be one of another kind, a part of one, or misspelt.
async fn nothing(people: &People, order: Order, (text, name): (&str, &ObjectName), kinds: &[What]) -> Result<Failure> {
    let (others, command) = match order {
        Order::Hold => (What::Automation, "suspend"),
        Order::Release | Order::Hurry => (What::Automation, "resume"),
        Order::Suspend => (What::Policy, "hold"),
        Order::Resume => (What::Policy, "release"),
    };
    let failure = |hint: String| unknown(text, name, kinds).with_hint(Some(hint));
    if let Some(found) = people.find(&[others], name).await? {
        let (written, noun) = (found.what.written(name), found.what.noun());
        let article = if others == What::Policy { "a" } else { "an" };
        return Ok(failure(format!("{written} is {article} {noun}: `tagwright {command} {written} --kubernetes`")));
    }
    if let Some(automation) = people.automation_of_image(name).await {
        let order = order.as_str();
        return Ok(failure(format!(
            "{} is an image of the automation {automation}, which is ordered about as a whole: `tagwright {order} {automation} \
             --kubernetes`",
            name.marker()
        )));
    }
    let known = people.known(kinds, &name.namespace).await;
    Ok(failure(crate::cli::kubernetes::meant(name, &known).unwrap_or_default()))
}
