//! `poll --kubernetes`: asks for a pass over objects, as `flux reconcile` does, and waits for it.

use kubernetes::connect::Options;
use tokio::time::Instant;

use super::Arguments;
use crate::cli::kubernetes::{kinds_of, meant, unknown};
use crate::cli::{Ending, name, streams};
use crate::cluster::people::{Answer, Found, People, What};
use crate::failure::{Failure, Kind, Result};

/// Policies are polled first, so that what runs afterwards goes by what they select.
const FIRST: [What; 2] = [What::Repository, What::Policy];

pub(super) async fn run(arguments: &Arguments, options: &Options) -> Result<Ending> {
    let deadline = Instant::now() + arguments.timeout;
    let people = People::connect(options, arguments.objects.all_namespaces, &What::ASKED).await?;
    let subjects = match arguments.names.as_slice() {
        [] => everything(&people).await?,
        names => named(&people, names).await?,
    };
    let (first, then): (Vec<Found>, Vec<Found>) = subjects.into_iter().partition(|found| FIRST.contains(&found.what));
    let mut wave = Wave { people: &people, arguments, deadline, worst: None };
    let asked_first = wave.ask(&first).await?;
    for (found, request) in first.iter().zip(&asked_first) {
        people.handled(found, request, deadline).await?;
    }
    let asked_then = wave.ask(&then).await?;
    for (found, request) in first.iter().zip(&asked_first).chain(then.iter().zip(&asked_then)) {
        wave.settle(found, request).await?;
    }
    Ok(wave.worst.map_or(Ending::Done, Ending::Failed))
}

/// All that can be polled where we look and is not suspended.
async fn everything(people: &People) -> Result<Vec<Found>> {
    let found = people.all(&What::ORDERED).await?;
    if found.is_empty() {
        let hint = if people.is_everywhere() { "" } else { "-n takes another namespace, -A all of them" };
        return Err(Failure::missing(format!("there is no policy and no automation in {}", people.place()), hint));
    }
    Ok(found.into_iter().filter(|found| !found.is_suspended()).collect())
}

async fn named(people: &People, names: &[String]) -> Result<Vec<Found>> {
    let mut subjects = Vec::new();
    for text in names {
        let name = name::parse_in(text, people.namespace())?;
        let kinds = kinds_of(text, &What::ASKED);
        let Some(found) = people.find(&kinds, &name).await? else {
            let hint = match people.automation_of_image(&name).await {
                Some(automation) => {
                    let image = name.marker();
                    Some(format!(
                        "{image} is an image of the automation {automation}: `tagwright poll {automation} --kubernetes`"
                    ))
                }
                None => meant(&name, &people.known(&kinds, &name.namespace).await),
            };
            return Err(unknown(text, &name, &kinds).with_hint(hint));
        };
        if found.is_suspended() {
            return Err(suspended(&found));
        }
        subjects.push(found);
    }
    Ok(subjects)
}

fn suspended(found: &Found) -> Failure {
    let written = found.what.written(&found.name());
    let why = found.why_suspended().map_or_else(String::new, |why| format!(": {why}"));
    let hint = match found.what {
        What::Automation | What::Native => format!("resume it: `tagwright resume {written} --kubernetes`"),
        _ => "take `suspend` out of its spec".to_owned(),
    };
    Failure::missing(format!("{} {written} is suspended{why}", found.what.noun()), hint)
}

/// Objects that are polled together.
struct Wave<'w> {
    people: &'w People,
    arguments: &'w Arguments,
    deadline: Instant,
    worst: Option<Kind>,
}

impl Wave<'_> {
    /// Asks for a pass over each; returns by what the answers are known.
    async fn ask(&self, subjects: &[Found]) -> Result<Vec<String>> {
        let mut requests = Vec::new();
        for found in subjects {
            requests.push(self.people.request(found).await?);
        }
        Ok(requests)
    }

    /// Waits for an object, and says what became of it. What failed does not keep the others from being waited for.
    async fn settle(&mut self, found: &Found, request: &str) -> Result<()> {
        let subject = format!("{} {}", found.what.noun(), found.what.written(&found.name()));
        let tell = |message: &str| streams::sentence("note", &format!("{subject}: {message}; it is tried again"));
        let kind = match self.people.answer(found, request, self.deadline, tell).await? {
            Answer::Current(message) => {
                streams::text(&format!("{subject}: {message}\n"))?;
                return Ok(());
            }
            Answer::Failed(message) => {
                streams::sentence("error", &format!("{subject}: {message}"));
                Kind::Denied
            }
            Answer::Retrying(message) => {
                let waited = self.waited();
                streams::sentence("error", &format!("{subject}: not ready {waited}: {message}"));
                Kind::Transient
            }
            Answer::Nobody => {
                let waited = self.waited();
                streams::sentence(
                    "error",
                    &format!("{subject}: no bot has answered {waited}; does one run, and work on this namespace?"),
                );
                Kind::Transient
            }
        };
        self.worst = self.worst.max(Some(kind));
        Ok(())
    }

    /// `within 5m (--timeout)`
    fn waited(&self) -> String {
        let timeout = jiff::SignedDuration::try_from(self.arguments.timeout).unwrap_or_default();
        format!("within {timeout:#} (--timeout)")
    }
}
