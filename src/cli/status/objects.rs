//! `status --kubernetes`: what the objects of a cluster say of themselves.

use jiff::Timestamp;
use kubernetes::connect::Options;
use tagwright_core::automation::ObjectName;

use super::Arguments;
use crate::cli::kubernetes::meant;
use crate::cli::{Tabular, name, streams};
use crate::cluster::people::{People, What, overview};
use crate::failure::{Failure, Result};
use crate::report;
use crate::wire::objects::Objects;

/// The objects that were asked for.
pub(super) struct Seen {
    objects: Objects,
    /// What to say where there are none.
    none: String,
}

/// Reads the objects of the namespace, or of all.
pub(super) async fn obtain(arguments: &Arguments, options: &Options) -> Result<Seen> {
    let people = People::connect(options, arguments.objects.all_namespaces, &What::ORDERED).await?;
    let names = arguments.names.iter().map(|text| name::parse_in(text, people.namespace()));
    let names = names.collect::<Result<Vec<ObjectName>>>()?;
    let hint = if people.is_everywhere() { "" } else { "; -n takes another namespace, -A all of them" };
    let none = format!("there is no policy and no automation in {}{hint}", people.place());
    if names.is_empty() {
        return Ok(Seen { objects: overview(&people.all(&What::ORDERED).await?), none });
    }
    let mut objects = Objects::default();
    for name in &names {
        let of_name = of_name(&people, name).await?;
        objects.policies.extend(of_name.policies);
        objects.automations.extend(of_name.automations);
    }
    Ok(Seen { objects, none })
}

/// The rows of a name, which may be that of a policy, of an automation, or of both.
async fn of_name(people: &People, name: &ObjectName) -> Result<Objects> {
    let mut found = Vec::new();
    for what in What::ORDERED {
        found.extend(people.find(&[what], name).await?);
    }
    if let Some(automation) = people.automation_of_image(name).await.filter(|automation| automation != name) {
        found.extend(people.find(&[What::Native], &automation).await?);
    }
    let mut rows = overview(&found);
    rows.policies.retain(|row| row.id() == *name || row.automation.as_deref() == Some(&name.to_string()));
    rows.automations.retain(|row| row.id() == *name);
    if rows.policies.is_empty() && rows.automations.is_empty() {
        let known = people.known(&What::ORDERED, &name.namespace).await;
        let message = format!("there is no policy and no automation {name}");
        return Err(Failure::missing(message, meant(name, &known).unwrap_or_default()));
    }
    Ok(rows)
}

impl Seen {
    pub(super) fn print(self, output: Tabular) -> Result<()> {
        let Self { objects, none } = self;
        match output {
            Tabular::Json => streams::json(&objects),
            _ if objects.policies.is_empty() && objects.automations.is_empty() => {
                streams::talk(&none);
                Ok(())
            }
            output => {
                let style = report::style(std::io::stdout());
                streams::data(&report::objects::tables(&objects, Timestamp::now(), output.width(), style))
            }
        }
    }
}
