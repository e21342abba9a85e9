//! What is ordered on the page: a sentence that says what will happen, and a form that has it happen, once.
//!
//! `GET /do/ACTION?of=SUBJECT` asks, `POST` of its form does it. The form was made for this login and this order (`sessions`), is sent by a
//! page from here, and is good once; whoever may not act gets the command instead.

use std::collections::BTreeSet;

use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tagwright_core::automation::ObjectName;
use tagwright_core::freeze::Selector;

use super::frame::{Frame, Viewer};
use super::login::from_here;
use super::model::link_of;
use super::{Wrong, count, show};
use crate::schedule::Trigger;
use crate::server::orders::{due, freeze, switch, unfreeze};
use crate::server::routes::{current, no};
use crate::server::sessions::Login;
use crate::store::Toggle;
use crate::wire::freeze::{Freeze, Unfreeze};
use crate::wire::request::{Order, Wish};
use crate::wire::status::Status;

/// What somebody can order on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Hold,
    Release,
    Hurry,
    Suspend,
    Resume,
    Poll,
    Run,
    Freeze,
    Unfreeze,
}

impl Action {
    const ALL: [Self; 9] = [
        Self::Hold,
        Self::Release,
        Self::Hurry,
        Self::Suspend,
        Self::Resume,
        Self::Poll,
        Self::Run,
        Self::Freeze,
        Self::Unfreeze,
    ];

    /// The word for it in addresses.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Hurry => "hurry",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Poll => "poll",
            Self::Run => "run",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
        }
    }

    /// What its button says.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Hold => "Hold",
            Self::Release => "Release",
            Self::Hurry => "Release now",
            Self::Suspend => "Suspend",
            Self::Resume => "Resume",
            Self::Poll => "Poll now",
            Self::Run => "Run now",
            Self::Freeze => "Freeze",
            Self::Unfreeze => "Unfreeze",
        }
    }

    /// The command that orders the same.
    pub(super) fn command(self, of: &str) -> String {
        let of = if of == "*" { String::new() } else { format!(" {of}") };
        match self {
            Self::Hold => format!("tagwright hold{of} --reason TEXT"),
            Self::Release => format!("tagwright release{of}"),
            Self::Hurry => format!("tagwright release{of} --now --reason TEXT"),
            Self::Suspend => format!("tagwright suspend{of} --reason TEXT"),
            Self::Resume => format!("tagwright resume{of}"),
            // There is no command that runs without polling.
            Self::Poll | Self::Run => format!("tagwright poll{of}"),
            Self::Freeze => format!("tagwright freeze{of} --until TIME --reason TEXT"),
            Self::Unfreeze => format!("tagwright unfreeze{of}"),
        }
    }

    /// Whether it takes a reason.
    const fn needs_reason(self) -> bool {
        matches!(self, Self::Hurry)
    }

    fn parse(text: &str, of: &str) -> Result<(Self, Subject), Wrong> {
        let action = Self::ALL.into_iter().find(|action| action.as_str() == text);
        let subject = Selector::parse(of);
        let kind = |action: Self, subject: &Subject| match action {
            Self::Hold | Self::Release | Self::Hurry => matches!(subject, Selector::Policy(_)),
            Self::Suspend | Self::Resume | Self::Run => matches!(subject, Selector::Automation(_)),
            Self::Poll => !matches!(subject, Selector::Namespace(_)),
            Self::Freeze | Self::Unfreeze => true,
        };
        match (action, subject) {
            (Some(action), Some(subject)) if kind(action, &subject) => Ok((action, subject)),
            _ => Err(Wrong(StatusCode::NOT_FOUND, "There is no such order.".to_owned())),
        }
    }
}

/// What an order is about: a policy, an automation, or all that a selector names.
type Subject = Selector;

#[derive(Template)]
#[template(path = "ask.html")]
struct Ask {
    frame: Frame,
    action: Action,
    of: String,
    /// What will happen.
    sentence: String,
    /// Why nobody has to order it, or nothing will come of it at once.
    note: String,
    /// What has to come back with the form; none for somebody who may not act.
    form: Option<String>,
    command: String,
    back: String,
}

/// What is ordered.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    of: String,
}

pub(super) async fn ask(
    viewer: Viewer,
    Path(action): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Wrong> {
    let Query(Asked { of }) = asked.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let (action, subject) = Action::parse(&action, &of)?;
    let status = current(&viewer.app).await?;
    is_known(&viewer, action, &subject)?;
    let form = match viewer.caller.acts() {
        Some(login) => {
            let form = viewer.app.door.sessions.form(login, &order(action, &subject));
            let none = |_| Wrong(StatusCode::INTERNAL_SERVER_ERROR, "The system gives no random numbers.".to_owned());
            Some(form.map_err(none)?)
        }
        None => None,
    };
    let users: Vec<String> = match &subject {
        Selector::Policy(policy) => viewer.app.handle.users(policy).iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    Ok(show(&Ask {
        frame: viewer.frame("ask"),
        sentence: sentence(action, &subject, &status, &users),
        note: note(action, &subject, &status, &users),
        command: action.command(&subject.to_string()),
        back: back(&subject),
        of: subject.to_string(),
        action,
        form,
    }))
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Sent {
    of: String,
    form: String,
    #[serde(default)]
    reason: String,
    /// For how many hours something is frozen; empty is until somebody ends it.
    #[serde(default)]
    hours: String,
}

pub(super) async fn act(
    viewer: Viewer,
    Path(action): Path<String>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Result<Response, Wrong> {
    from_here(&headers)?;
    let forbidden = |line: &str| Wrong(StatusCode::FORBIDDEN, line.to_owned());
    let login = viewer.caller.acts().ok_or_else(|| forbidden("Whoever is logged in here may ask, and not order."))?;
    let Form(sent) = sent.map_err(|error| Wrong(StatusCode::BAD_REQUEST, error.body_text()))?;
    let (action, subject) = Action::parse(&action, &sent.of)?;
    if !viewer.app.door.sessions.take(login, &order(action, &subject), &sent.form) {
        return Err(forbidden(
            "This form was sent before, is older than a quarter of an hour, or was made for somebody else. Nothing was done; ask anew.",
        ));
    }
    let notice = carry_out(&viewer, action, &subject, &sent).await?;
    tell(&viewer, login, notice);
    Ok((StatusCode::SEE_OTHER, [(LOCATION, back(&subject))]).into_response())
}

fn tell(viewer: &Viewer, login: Login, notice: String) {
    viewer.app.door.sessions.tell(login, notice);
}

/// Does what was ordered, and says what came of it.
async fn carry_out(viewer: &Viewer, action: Action, subject: &Subject, sent: &Sent) -> Result<String, Wrong> {
    let Viewer { app, caller } = viewer;
    let reason = Some(sent.reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if action.needs_reason() && reason.is_none() {
        return Err(Wrong(
            StatusCode::BAD_REQUEST,
            "This takes a reason, for those who will ask. Nothing was done.".to_owned(),
        ));
    }
    let trigger = match subject {
        Selector::Policy(policy) => Trigger::Policy(policy.clone()),
        Selector::Automation(automation) => Trigger::Automation(automation.clone()),
        _ => Trigger::All,
    };
    let switched = async |order: Order, name: &ObjectName| {
        let obeyed = switch(app, caller, order, name.clone(), Wish { reason: reason.clone() }).await?;
        let said = match (order, obeyed.changed) {
            (Order::Hold, true) => "is held",
            (Order::Hold, false) => "was held already",
            (Order::Release, _) => "is released",
            (Order::Hurry, _) => "is released now, whatever its age",
            (Order::Suspend, true) => "is suspended",
            (Order::Suspend, false) => "was suspended already",
            (Order::Resume, true) => "is resumed",
            (Order::Resume, false) => "was not suspended",
        };
        Ok::<_, Wrong>(format!("{} {said}.", obeyed.name))
    };
    let what = if *subject == Selector::Everything { "Everything".to_owned() } else { subject.to_string() };
    let named = || vec![subject.to_string()];
    match (action, subject) {
        (Action::Hold, Selector::Policy(name)) => switched(Order::Hold, name).await,
        (Action::Release, Selector::Policy(name)) => switched(Order::Release, name).await,
        (Action::Hurry, Selector::Policy(name)) => switched(Order::Hurry, name).await,
        (Action::Suspend, Selector::Automation(name)) => switched(Order::Suspend, name).await,
        (Action::Resume, Selector::Automation(name)) => switched(Order::Resume, name).await,
        (Action::Run, Selector::Automation(name)) => {
            due(app, caller, Toggle::Ran, &Trigger::Run(name.clone()), Some(reason.unwrap_or_default())).await?;
            Ok(format!("{name} is due now."))
        }
        (Action::Poll, _) => {
            let due = due(app, caller, Toggle::Polled, &trigger, Some(reason.unwrap_or_default())).await?.due;
            Ok(format!("{} now.", count(due, "poll or run is due", "polls and runs are due")))
        }
        (Action::Freeze, _) => {
            freeze(app, caller, Freeze { selectors: named(), until: until(&sent.hours)?, reason }).await?;
            Ok(format!("{what} is frozen."))
        }
        (Action::Unfreeze, _) => {
            let wish = Unfreeze { selectors: named(), reason, ..Unfreeze::default() };
            let ended = unfreeze(app, caller, wish).await?.results.iter().any(|result| result.changed);
            Ok(format!("{what} {}.", if ended { "is no longer frozen by hand" } else { "was not frozen by hand" }))
        }
        _ => Err(no(StatusCode::NOT_FOUND, "There is no such order.").into()),
    }
}

/// When a freeze of so many hours ends.
fn until(hours: &str) -> Result<Option<Timestamp>, Wrong> {
    let wrong = || Wrong(StatusCode::BAD_REQUEST, "This is no number of hours. Nothing was done.".to_owned());
    match hours {
        "" => Ok(None),
        hours => {
            let hours: i64 = hours.parse().ok().filter(|hours| (1..=24 * 366).contains(hours)).ok_or_else(wrong)?;
            Timestamp::now().checked_add(SignedDuration::from_hours(hours)).map(Some).map_err(|_| wrong())
        }
    }
}

/// The order that a form is for.
fn order(action: Action, subject: &Subject) -> String {
    format!("{} {subject}", action.as_str())
}

/// The view that shows what came of it.
fn back(subject: &Subject) -> String {
    Some(link_of(&subject.to_string())).filter(|link| !link.is_empty()).unwrap_or_else(|| "/".to_owned())
}

/// Whether what an order is about is configured; what was frozen and is not any more can still be ended.
fn is_known(viewer: &Viewer, action: Action, subject: &Subject) -> Result<(), Wrong> {
    match action == Action::Unfreeze || viewer.app.handle.is_known(subject) {
        true => Ok(()),
        false => Err(Wrong(StatusCode::NOT_FOUND, format!("{subject} is not configured."))),
    }
}

/// What will happen.
fn sentence(action: Action, subject: &Subject, status: &Status, users: &[String]) -> String {
    let name = subject.to_string();
    let what = if *subject == Selector::Everything { "everything".to_owned() } else { name.clone() };
    let policy = status.policies.iter().find(|policy| policy.id().marker() == name);
    let automation = status.automations.iter().find(|automation| automation.id().to_string() == name);
    let branch = automation.map(|it| it.branch.as_str()).filter(|branch| !branch.is_empty()).unwrap_or("its branch");
    match action {
        Action::Hold => {
            let keep = match policy.and_then(|policy| policy.tag.as_deref()) {
                Some(tag) => format!("also when something else than {tag} is selected"),
                None => "whatever is selected".to_owned(),
            };
            format!("Hold {name}: its fields keep the values that they have, {keep}, until somebody releases it.")
        }
        Action::Release => match released(status, &name) {
            Some(written) => format!("Release {name}: the next run writes {written}."),
            None => format!(
                "Release {name}: neither somebody's hold nor what people took back until now keeps its fields as they are."
            ),
        },
        Action::Hurry => {
            format!("Release {name} now: what is there by now need not become older first; the next run writes it.")
        }
        Action::Suspend => format!("Suspend {name}: it writes nothing until somebody resumes it."),
        Action::Resume => {
            format!("Resume {name}: its image repositories are polled, and it runs and pushes to {branch} at once.")
        }
        Action::Poll => match subject {
            Selector::Policy(_) => format!(
                "Poll the tags of {}, then run {}.",
                policy.map_or("its image", |it| it.image.as_str()),
                listed(users)
            ),
            Selector::Automation(_) => {
                format!("Poll the image repositories of {name}, then run it: what is new is pushed to {branch}.")
            }
            _ => format!(
                "Poll all image repositories, then run all automations ({} and {}).",
                count(status.policies.len(), "policy", "policies"),
                count(status.automations.len(), "automation", "automations")
            ),
        },
        Action::Run => format!("Run {name} on what the last polls came to: what is new is pushed to {branch}."),
        Action::Freeze => format!(
            "Freeze {what}: until that ends, nothing of it is written. Polls go on, and what waits is written afterwards."
        ),
        Action::Unfreeze => {
            format!("Unfreeze {what}: what waited is written by the next run, unless the calendar freezes it.")
        }
    }
}

/// What a release lets be written: `6.7.1 in 2 files`.
fn released(status: &Status, policy: &str) -> Option<String> {
    let ours = || {
        let holds = status
            .automations
            .iter()
            .flat_map(|automation| automation.holds.iter().map(move |hold| (automation, hold)));
        holds.filter(|(_, hold)| {
            hold.policy == policy && matches!(hold.code.as_str(), "manual" | "reverted" | "contested")
        })
    };
    let wanted = ours().map(|(_, hold)| hold.wanted.as_str()).min_by_key(|wanted| wanted.len())?;
    let files: BTreeSet<(&str, &str)> = ours().map(|(it, hold)| (it.remote.as_str(), hold.file.as_str())).collect();
    Some(format!("{wanted} in {}", count(files.len(), "file", "files")))
}

/// What stands in the way all the same.
fn note(action: Action, subject: &Subject, status: &Status, users: &[String]) -> String {
    let is_frozen = || {
        let freezes = status
            .freezes
            .iter()
            .filter(|freeze| freeze.active && freeze.kind != crate::wire::freeze::FreezeKind::Exception);
        freezes.filter_map(|freeze| Selector::parse(&freeze.selector)).any(|freeze| match subject {
            Selector::Automation(name) => freeze.covers_automation(name),
            Selector::Policy(policy) => {
                users.iter().filter_map(|user| user.split_once('/')).any(|(namespace, name)| {
                    let user = ObjectName { namespace: namespace.to_owned(), name: name.to_owned() };
                    freeze.covers(&user, policy)
                })
            }
            _ => freeze == Selector::Everything,
        })
    };
    let writes = matches!(action, Action::Release | Action::Hurry | Action::Resume | Action::Poll | Action::Run);
    if writes && is_frozen() {
        "It is frozen at the moment, so that nothing is written before that ends.".to_owned()
    } else {
        String::new()
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "no automation, since none applies it".to_owned(),
        names if names.len() > 3 => count(names.len(), "automation", "automations"),
        names => names.join(", "),
    }
}
