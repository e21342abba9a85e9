//! Who we are to which API server: a kubeconfig as kubectl finds it, or the ServiceAccount of the pod.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use reqwest::Url;

use crate::error::{Error, Reason};

/// How long one request may take. Watches are no requests in this sense.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The namespace of the pod's ServiceAccount, as the kubelet mounts it.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// How the API server is found; by default as kubectl finds it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A kubeconfig file.
    pub kubeconfig: Option<PathBuf>,
    /// One of its contexts, in place of the current one.
    pub context: Option<String>,
    /// The namespace of whatever names none.
    pub namespace: Option<String>,
}

/// The variables that name a proxy where the kubeconfig does not, as kube reads them.
const PROXIES: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];

/// An API server, and our namespace there.
#[derive(Clone)]
pub struct Cluster {
    /// Where it is, safe to print.
    pub url: String,
    /// The client.
    pub client: Client,
    /// The namespace that was asked for, or that of the context, or that of the pod.
    pub namespace: String,
}

impl Cluster {
    /// Makes a client; nothing is asked yet.
    ///
    /// A kubeconfig that is named counts, then `KUBECONFIG`, then `~/.kube/config` where it is there, then the ServiceAccount
    /// of the pod. A token that is mounted is read again before it expires. A proxy is that of the kubeconfig, or else that of the
    /// environment; a pod goes by none.
    ///
    /// # Errors
    /// There is no usable kubeconfig, and this is no pod.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        let mut config = configuration(options).await?;
        let url = Url::parse(&config.cluster_url.to_string()).ok();
        if url.as_ref().is_some_and(web::is_loopback) {
            // No proxy of the environment can be meant, as with kubectl.
            config.proxy_url = config.proxy_url.filter(|proxy| !is_of_environment(proxy));
        }
        config.connect_timeout = Some(CONNECT);
        // A watch is silent for minutes; what may not be has a deadline of its own.
        config.read_timeout = None;
        // What failed is tried again by whoever knows how urgent it is, and not in silence for minutes.
        config.default_retry = false;
        let own = std::fs::read_to_string(Path::new(OWN_NAMESPACE)).ok();
        let in_pod = own.map(|name| name.trim().to_owned()).filter(|_| options.kubeconfig.is_none());
        let namespace = options.namespace.clone().or(in_pod).unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(Error::from)?;
        Ok(Self { url: url.as_ref().map(web::show).unwrap_or_default(), client, namespace })
    }
}

/// Whether the environment names a proxy.
fn is_of_environment(proxy: &http::Uri) -> bool {
    let named = PROXIES.into_iter().filter_map(|name| std::env::var(name).ok()?.parse::<http::Uri>().ok());
    named.into_iter().any(|named| named == *proxy)
}

async fn configuration(options: &Options) -> Result<Config, Error> {
    let unusable = |error: &dyn std::error::Error| Error {
        reason: Reason::Invalid,
        message: format!("cannot use the kubeconfig: {}", story(error)),
        retry_after: None,
    };
    let chosen = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    if let Some(path) = &options.kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
        return Config::from_custom_kubeconfig(file, &chosen).await.map_err(|error| unusable(&error));
    }
    match Config::from_kubeconfig(&chosen).await {
        Ok(config) => Ok(config),
        Err(error) if options.context.is_some() => Err(unusable(&error)),
        Err(error) => Config::incluster().map_err(|in_cluster| Error {
            reason: Reason::Invalid,
            message: format!("no API server is known: {}; and this is no pod: {}", story(&error), story(&in_cluster)),
            retry_after: None,
        }),
    }
}

/// An error and what caused it, on one line.
fn story(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = inner.source();
    }
    words::one_line(&text, 500)
}

/// Waits for the answer to one request, for as long as a request may take.
pub(crate) async fn within<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, request).await {
        Ok(answer) => answer.map_err(Error::from),
        Err(_) => Err(Error::late(DEADLINE)),
    }
}
