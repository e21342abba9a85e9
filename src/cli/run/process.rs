//! `tagwright run` without `--once`: a process that works until it is told to stop.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::watch::{Fingerprint, LOOK, Watch};
use super::{Settings, clients};
use crate::cli::{Ending, at};
use crate::cluster::{self, Connection};
use crate::config::{self, Configuration, Effect, Sources};
use crate::failure::{Context, Failure, Kind, Result};
use crate::run::Edges;
use crate::schedule::{self, Assignment, Bot, Done, Handle, Trigger};
use crate::server::{Oidc, Server};
use crate::store::{self, Notice, Opened, Store};

/// How long is waited for what cannot be stopped before the process exits.
const EXIT_WAIT: Duration = Duration::from_secs(1);

/// Where a bot answers, and to whom.
#[derive(Debug, Default)]
pub(super) struct Faces {
    /// The address for everything.
    pub(super) listen: Option<SocketAddr>,
    /// An address for metrics and probes alone.
    pub(super) metrics: Option<SocketAddr>,
    /// The file with the tokens that are taken.
    pub(super) tokens: Option<PathBuf>,
    /// What tokens of an issuer count for.
    pub(super) oidc: Option<Oidc>,
}

impl Faces {
    async fn bind(&self, folder: &Path) -> Result<Server> {
        let mut server = Server::bind(folder, self.listen).await?;
        if self.listen.is_none() && (self.tokens.is_some() || self.oidc.is_some()) {
            tracing::warn!("takes no tokens, since nothing listens without --listen");
        }
        if let Some(file) = &self.tokens {
            server = server.with_tokens(file)?;
        }
        if let Some(rules) = &self.oidc {
            server = server.with_oidc(rules.clone())?;
        }
        if let Some(address) = self.metrics.filter(|address| Some(*address) != self.listen) {
            server = server.with_metrics(address).await?;
        }
        Ok(server)
    }
}

/// Works until it is told to stop.
pub(super) fn run(
    settings: &Settings,
    grace: Duration,
    faces: &Faces,
    cluster: Option<cluster::Settings>,
) -> Result<Ending> {
    let runtime = crate::cli::runtime()?;
    let ending = runtime.block_on(serve(settings, grace, faces, cluster));
    // What hangs in the system must not keep the process.
    runtime.shutdown_timeout(EXIT_WAIT);
    ending
}

async fn serve(
    settings: &Settings,
    grace: Duration,
    faces: &Faces,
    cluster: Option<cluster::Settings>,
) -> Result<Ending> {
    let signals = Signals::new()?;
    let calendars = &settings.sources.calendars;
    let (mut receivers, mut syncs, mut notifications) = (Vec::new(), Vec::new(), Vec::new());
    let (begin, calendar, source) = match cluster {
        Some(cluster) => {
            // The objects of a cluster are watched; its calendar is a file.
            let sources = Sources { calendars: calendars.clone(), ..Sources::default() };
            let watch = Watch::new(Fingerprint::of(&sources));
            let calendar = config::load_calendar(calendars)?;
            let connection = Box::new(Connection::new(cluster).await?);
            (begin_in_cluster(), calendar, Source::Cluster(connection, watch, sources))
        }
        None => {
            let begin = Fingerprint::of(&settings.sources);
            let (configuration, beside) = load(&settings.sources);
            let configuration = configuration?;
            let watch = Watch::new(begin.with(&beside));
            (receivers, syncs) = (configuration.receivers, configuration.syncs);
            notifications = configuration.notifications;
            let files = Source::Files(watch, settings.sources.clone(), beside);
            (configuration.automations.into(), configuration.calendar, files)
        }
    };
    let folder = at::folder(settings.data_dir.as_deref())?;
    let (registry, git, forges) = clients(settings, folder.clone(), source.accounts())?;
    let store = open(&folder)?;
    let server = faces.bind(&folder).await?;
    let count = source.files().then_some(begin.automations.len());
    let (listener, done) = unbounded_channel();
    let (listener, gate) = match &source {
        Source::Files(..) => (None, None),
        Source::Cluster(connection, ..) => (Some(listener), Some(connection.gate())),
    };
    let settings_of_bot = schedule::Settings { grace, listener, gate, ..schedule::Settings::default() };
    let (bot, handle) = Bot::new(Edges { registry, git, forges, store }, begin, settings_of_bot);
    handle.take_calendar(calendar);
    if !receivers.is_empty() && server.address().is_none() {
        tracing::warn!(receivers = receivers.len(), "receives no webhooks, since nothing listens without --listen");
    }
    handle.take_receivers(receivers);
    handle.take_syncs(syncs);
    handle.take_notifications(notifications);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        automations = count,
        namespace = source.namespace(),
        data_dir = %folder.display(),
        listen = server.address().map(tracing::field::display),
        metrics = server.metrics_address().map(tracing::field::display),
        "started"
    );
    let bot = tokio::spawn(bot.run());
    // What the bot is asked while it stops is answered, too.
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(handle.clone(), async { drop(stopped.await) }));
    let ending = attend(bot, handle, signals, source, done).await;
    drop(stop);
    let _ = serving.await;
    Ok(ending)
}

/// Reads the configuration, which must have something to do. Whether or not it can be used, the files that it names are told: they may be
/// what is wrong.
fn load(sources: &Sources) -> (Result<Configuration>, Vec<PathBuf>) {
    let configuration = match config::load(sources) {
        Ok(configuration) => configuration,
        Err(error) => {
            let beside = error.beside.clone();
            return (Err(error.into()), beside);
        }
    };
    let beside = configuration.beside.clone();
    if let Err(failure) = super::something_to_do(sources, &configuration) {
        return (Err(failure), beside);
    }
    for notice in &configuration.notices {
        // A bot says all that it says in its log, which may be JSON.
        match notice.effect {
            Effect::Lost => tracing::warn!(%notice, "the configuration has something without effect"),
            Effect::Intended | Effect::Unchecked => tracing::info!(%notice, "about the configuration"),
        }
    }
    (Ok(configuration), beside)
}

/// Opens the store; there is one bot for each data directory.
fn open(folder: &Path) -> Result<Store> {
    match Store::open(folder) {
        Opened::Ready { notice: Some(Notice::InMemory { reason, .. }), .. } => Err(super::unusable(folder, &reason)),
        Opened::Ready { store, notice } => {
            if let Some(notice) = notice {
                tracing::warn!(%notice, "the state of earlier runs cannot be used");
            }
            Ok(store)
        }
        Opened::InUse { path } => {
            let who = holder(folder).map_or_else(String::new, |process| format!(" (process {process})"));
            let message = format!("another tagwright{who} uses {}", path.display());
            Err(Failure::usage(message, "stop it, or name another folder with `--data-dir`"))
        }
    }
}

/// The process that holds a folder's lock, where the system tells.
fn holder(folder: &Path) -> Option<u32> {
    let inode = std::fs::metadata(folder.join(store::LOCK)).ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 4242 fd:01:1234567 0 EOF
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (process, file) = (words.get(4)?, words.get(5)?);
        (file.rsplit(':').next() == Some(inode.as_str())).then(|| process.parse().ok())?
    })
}

/// The signals that a bot listens to.
struct Signals {
    hangup: Signal,
    user: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            user: listen(SignalKind::user_defined1())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

/// Where the configuration comes from.
enum Source {
    /// Files, which are read again when they change, and those that they name.
    Files(Watch, Sources, Vec<PathBuf>),
    /// The objects of a cluster, and the files with its calendar.
    Cluster(Box<Connection>, Watch, Sources),
}

impl Source {
    fn files(&self) -> bool {
        matches!(self, Self::Files(..))
    }

    fn accounts(&self) -> Option<Arc<dyn cloud::Accounts>> {
        match self {
            Self::Files(..) => None,
            Self::Cluster(connection, ..) => Some(connection.accounts()),
        }
    }

    fn namespace(&self) -> Option<&str> {
        match self {
            Self::Files(..) => None,
            Self::Cluster(connection, ..) => Some(connection.namespace()),
        }
    }
}

/// Nothing, until the cluster's objects are known.
fn begin_in_cluster() -> Assignment {
    Assignment { polled: Some(Vec::new()), ..Assignment::default() }
}

/// Attends to signals and to where the configuration comes from until the bot has ended.
async fn attend(
    mut bot: JoinHandle<()>,
    handle: Handle,
    mut signals: Signals,
    source: Source,
    done: UnboundedReceiver<Done>,
) -> Ending {
    let (again, asked) = tokio::sync::mpsc::channel(1);
    let ended = watch::Sender::new(false);
    let (reader, mut control) = match source {
        Source::Files(watch, sources, beside) => {
            let reader = read(handle.clone(), watch, (sources, beside), asked);
            (Some(tokio::spawn(reader)), None)
        }
        Source::Cluster(connection, watch, sources) => {
            let reader = (!sources.calendars.is_empty())
                .then(|| tokio::spawn(read_calendar(handle.clone(), watch, sources, asked)));
            (reader, Some(connection.attend(handle.clone(), done, ended.subscribe())))
        }
    };
    let (mut stopping, mut is_broken) = (false, false);
    let ending = loop {
        let stop = tokio::select! {
            ended = &mut bot => break ending(ended),
            // It ends when it is told to, which is not yet.
            () = ended_early(&mut control) => {
                tracing::error!("what attends to the objects of the cluster broke");
                (control, is_broken) = (None, true);
                handle.shutdown();
                false
            }
            _ = signals.terminate.recv() => true,
            _ = signals.interrupt.recv() => true,
            _ = signals.hangup.recv() => {
                tracing::info!("told to read the configuration again");
                // One that waits is as good as two.
                let _ = again.try_send(());
                false
            }
            _ = signals.user.recv() => {
                tracing::info!("told to look at everything now");
                handle.trigger(&Trigger::All);
                false
            }
        };
        if stop && stopping {
            tracing::warn!("told to stop twice, and exits at once");
            break Ending::Failed(Kind::Transient);
        }
        if stop {
            stopping = true;
            handle.shutdown();
        }
    };
    if let Some(reader) = reader {
        reader.abort();
    }
    if let Some(control) = control {
        // What the bot has done to its end is said, too.
        ended.send_replace(true);
        let _ = control.await;
    }
    // Somebody starts it again, with all that it knows read anew.
    if is_broken { Ending::Failed(Kind::Internal) } else { ending }
}

/// Waits for the end of a task; for ever where there is none.
async fn ended_early(task: &mut Option<JoinHandle<()>>) {
    match task {
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}

fn ending(ended: Result<(), tokio::task::JoinError>) -> Ending {
    match ended {
        Ok(()) => Ending::Done,
        Err(error) => {
            tracing::error!(%error, "the main loop broke");
            Ending::Failed(Kind::Internal)
        }
    }
}

/// Reads the calendar again whenever its files have changed or somebody asks for it. One that cannot be read leaves the one before.
async fn read_calendar(handle: Handle, mut watch: Watch, sources: Sources, mut asked: tokio::sync::mpsc::Receiver<()>) {
    loop {
        let asked = tokio::select! {
            _ = asked.recv() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let look = sources.clone();
        let Ok(fingerprint) = tokio::task::spawn_blocking(move || Fingerprint::of(&look)).await else { continue };
        if !watch.look(fingerprint) && !asked {
            continue;
        }
        watch.read(fingerprint);
        let files = sources.calendars.clone();
        match tokio::task::spawn_blocking(move || config::load_calendar(&files)).await {
            Ok(Ok(calendar)) => {
                tracing::info!("uses the new calendar");
                handle.take_calendar(calendar);
            }
            Ok(Err(error)) => handle.configuration_failed(&error.into()),
            Err(error) => tracing::error!(%error, "reading the calendar broke"),
        }
    }
}

/// Reads the configuration again whenever its files have changed or somebody asks for it.
async fn read(
    handle: Handle,
    mut watch: Watch,
    (sources, mut beside): (Sources, Vec<PathBuf>),
    mut asked: tokio::sync::mpsc::Receiver<()>,
) {
    loop {
        let asked = tokio::select! {
            _ = asked.recv() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let look = (sources.clone(), beside.clone());
        let look = move || Fingerprint::of(&look.0).with(&look.1);
        let Ok(fingerprint) = tokio::task::spawn_blocking(look).await else { continue };
        if !watch.look(fingerprint) && !asked {
            continue;
        }
        watch.read(fingerprint);
        let files = sources.clone();
        let loaded = tokio::task::spawn_blocking(move || {
            let (loaded, beside) = load(&files);
            (loaded, fingerprint.with(&beside), beside)
        });
        let loaded = loaded.await.map(|(loaded, fingerprint, named)| {
            watch.read(fingerprint);
            beside = named;
            loaded
        });
        match loaded {
            Ok(Ok(configuration)) => {
                tracing::info!(automations = configuration.automations.len(), "uses the new configuration");
                handle.take_calendar(configuration.calendar);
                handle.take_receivers(configuration.receivers);
                handle.take_syncs(configuration.syncs);
                handle.take_notifications(configuration.notifications);
                handle.configure(configuration.automations);
            }
            Ok(Err(failure)) => handle.configuration_failed(&failure),
            Err(error) => {
                let what = format!("reading the configuration broke: {error}");
                handle.configuration_failed(&Failure::new(Kind::Internal, what));
            }
        }
    }
}
