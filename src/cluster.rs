//! A bot whose configuration is the objects of a cluster, and which says there what it does.
//!
//! It stands in for Flux's image-reflector-controller and image-automation-controller: it reads their objects, leaves on them
//! what they leave there, and tells what they tell. It reads our own `ImageAutomation`, `Receiver` and `Notification` in the same way.
//!
//! ```text
//! watches ─> objects ─> reading (config) ─> assignment ─> bot (schedule)
//!                 ^                                        │ what it has done
//!                 └── writes (one a pass) <── verdicts <───┘
//! ```
//!
//! # Rules
//! - Automations go by `ImagePolicy.status.latestRef`, whoever wrote it, unless the same process has just polled and selected: that is
//!   what the status is about to say. So those who poll and those who commit may be different processes, and a policy that fails
//!   keeps its selection, as with Flux.
//! - One object that cannot be read is that object's problem, and says so.
//! - Each pass over an object ends with at most one write, and with none when nothing changed.
//! - What an object does not say is not known: nothing of ours outlives a pod but the objects, and what the data directory keeps
//!   where there is a volume.
//! - Secrets and service accounts are asked for by name, when something refers to them.

mod accounts;
mod control;
mod incidents;
mod judge;
mod objects;
pub(crate) mod orders;
mod passed;
pub(crate) mod people;
mod publish;
mod reading;
mod refuse;
mod secrets;
mod selections;
mod shares;
mod versions;
mod voice;
mod what;

use std::sync::Arc;
use std::time::Duration;

use kubernetes::connect::Options;
use kubernetes::lease::{Election, Identity, Timing, leader_election_name};
use kubernetes::shards::{self, Replicas, SHARDS};
use kubernetes::watch::Scope;
use kubernetes::{Cluster, watch};
use tokio::sync::{mpsc, watch as channel};
use tokio::task::{JoinHandle, JoinSet};

use self::control::{Control, Sources};
use self::shares::Half;
use self::what::{What, keeps};
use crate::failure::Failure;
use crate::run::{Gate, Subject};
use crate::schedule::{Done, Handle};

/// How long the last statuses and the release of Leases may take.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How many changes of objects wait before the API server has to.
const CHANGES: usize = 1000;

/// What a bot in a cluster works with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The API server, and who we are there.
    pub options: Options,
    /// Whether objects of all namespaces are worked on, or those of one.
    pub all_namespaces: bool,
    /// The labels of the objects that are ours; empty for all.
    pub selector: String,
    /// Which halves of the work are done.
    pub controllers: Controllers,
    /// Whether nobody may use anything of another namespace.
    pub no_cross_namespace: bool,
    /// Whether Flux's receivers, providers and alerts are obeyed, since its notification-controller does not run.
    pub flux_notifications: bool,
    /// Where events go beside the API server: notification-controller.
    pub events_addr: Option<String>,
    /// When a policy without tags is looked at again, as its condition says; it is as soon as its tags are read.
    pub requeue: Duration,
    /// How several processes get on with each other.
    pub replicas: Mode,
    /// How long their Leases count.
    pub timing: Timing,
    /// What this host is called, as Leases and events name it.
    pub host: String,
}

/// Which halves of the work are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controllers {
    /// Image repositories are polled, and policies evaluated: image-reflector-controller.
    pub reflector: bool,
    /// Automations run: image-automation-controller.
    pub automation: bool,
}

/// How several processes get on with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// There is one.
    Alone,
    /// One leads, under the names of Flux's Leases, so that it and Flux's controllers exclude each other.
    Lead,
    /// They share the work.
    Share,
}

impl Settings {
    /// The kinds that are watched.
    fn watched(&self) -> Vec<What> {
        let Controllers { reflector, automation } = self.controllers;
        let wanted = |what: &What| match what {
            What::Namespace => self.all_namespaces && reflector,
            What::Git | What::Automation => automation,
            What::Repository | What::Policy => true,
            // Who is one half stands in for a controller of Flux, and has no right to other kinds. Where Flux is, applications
            // are its addon's, and notification-controller receives and tells.
            What::Native | What::Application | What::Receiver | What::Notification => reflector && automation,
            What::FluxReceiver | What::FluxProvider | What::FluxAlert => {
                self.flux_notifications && reflector && automation
            }
        };
        What::ALL.into_iter().filter(wanted).collect()
    }

    /// Whether objects of a kind are written by us.
    fn works_on(&self, what: What) -> bool {
        match what {
            What::Repository | What::Policy => self.controllers.reflector,
            What::Automation | What::Native | What::Receiver | What::Notification => self.controllers.automation,
            _ => false,
        }
    }

    /// Which objects of a kind are watched. As with Flux, who runs automations sees all policies and Git repositories.
    fn scope(&self, what: What, namespace: &str) -> Scope {
        let is_labelled = match what {
            What::Repository | What::Policy => self.controllers.reflector,
            What::Git | What::Namespace => false,
            _ => true,
        };
        let namespace = (!self.all_namespaces && what != What::Namespace).then(|| namespace.to_owned());
        Scope { namespace, labels: if is_labelled { self.selector.clone() } else { String::new() } }
    }

    /// What the Leases of those who do the same work begin with.
    fn group(&self) -> String {
        shards::Settings::new(&self.host, self.selector()).group
    }

    fn selector(&self) -> Option<&str> {
        Some(self.selector.as_str()).filter(|selector| !selector.is_empty())
    }

    /// Those who do the same work.
    fn replicas(&self, cluster: &Cluster) -> (Replicas, Option<Replicas>) {
        let selector = self.selector();
        let lead = |controller: &str| {
            let election = Election {
                lease: leader_election_name(controller, selector),
                identity: Identity::new(&self.host),
                timing: self.timing,
            };
            Replicas::lead(cluster.client.clone(), &cluster.namespace, election)
        };
        match self.replicas {
            Mode::Alone => (Replicas::alone(), None),
            Mode::Share => {
                let settings = shards::Settings { timing: self.timing, ..shards::Settings::new(&self.host, selector) };
                (Replicas::start(cluster.client.clone(), &cluster.namespace, settings), None)
            }
            Mode::Lead => match (self.controllers.reflector, self.controllers.automation) {
                (true, true) => (lead("image-reflector-controller"), Some(lead("image-automation-controller"))),
                (true, false) => (lead("image-reflector-controller"), None),
                _ => (lead("image-automation-controller"), None),
            },
        }
    }
}

/// A connection to the API server.
pub struct Connection {
    cluster: Cluster,
    settings: Settings,
    replicas: (Replicas, Option<Replicas>),
}

impl Connection {
    /// Finds the API server, and begins to stand for Leases.
    ///
    /// # Errors
    /// None is known, or the kubeconfig cannot be used.
    pub(crate) async fn new(settings: Settings) -> Result<Self, Failure> {
        let cluster = connect(&settings.options).await?;
        let replicas = settings.replicas(&cluster);
        Ok(Self { cluster, settings, replicas })
    }

    /// Tells whether a piece of work may begin: whoever has lost a lease finds it out here.
    pub(crate) fn gate(&self) -> Gate {
        let (reflector, automation) = halves(&self.replicas);
        let ([polls, runs], runs_this) = ([reflector.any(), automation.any()], automation.gate());
        Arc::new(move |subject| match subject {
            // Polls only read, and images that an automation brings along are polled by whoever runs it.
            Subject::Image => polls() || runs(),
            Subject::Remote(url) => runs_this(url),
        })
    }

    /// Who gives out the tokens of the cluster's service accounts.
    pub(crate) fn accounts(&self) -> Arc<dyn cloud::Accounts> {
        Arc::new(accounts::Accounts(self.cluster.clone()))
    }

    /// Our namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.cluster.namespace
    }

    /// Keeps a bot at work on what the cluster's objects say, until it is told to stop and `done` has ended.
    pub fn attend(
        self,
        handle: Handle,
        done: mpsc::UnboundedReceiver<Done>,
        stop: channel::Receiver<bool>,
    ) -> JoinHandle<()> {
        tokio::spawn(async move {
            let Self { cluster, settings, replicas } = self;
            let (sender, changes) = mpsc::channel(CHANGES);
            let mut watches = JoinSet::new();
            for what in settings.watched() {
                let scope = settings.scope(what, &cluster.namespace);
                let (client, sender) = (cluster.client.clone(), sender.clone());
                watches.spawn(watch::watch(client, what.kind(), scope, keeps, what, sender));
            }
            drop(sender);
            if settings.replicas != Mode::Alone {
                incidents::share(&handle, &cluster, (&settings.group(), &settings.host));
            }
            let control = Control::new(settings, cluster, handle, halves(&replicas));
            tokio::select! {
                () = control.run(Sources { changes, done, stop }) => {}
                // One that breaks would leave us with what was known once.
                () = broken(&mut watches) => return,
            }
            let (first, second) = replicas;
            for replicas in [Some(first), second].into_iter().flatten() {
                if tokio::time::timeout(LAST_WORDS, replicas.shutdown()).await.is_err() {
                    tracing::warn!("the Leases could not be released in time; they expire by themselves");
                }
            }
        })
    }
}

/// Waits until one of the tasks has broken.
async fn broken(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a watch broke");
            return;
        }
    }
    std::future::pending().await
}

/// Finds the API server.
async fn connect(options: &Options) -> Result<Cluster, Failure> {
    Cluster::connect(options).await.map_err(|error| {
        let hint = "name a kubeconfig with `--kubeconfig` or KUBECONFIG, or run as a pod with a ServiceAccount";
        Failure::usage(error.message, hint)
    })
}

/// What is ours of polling, and of running automations.
fn halves((replicas, others): &(Replicas, Option<Replicas>)) -> (Half, Half) {
    (Half::of(replicas, SHARDS), Half::of(others.as_ref().unwrap_or(replicas), SHARDS))
}
