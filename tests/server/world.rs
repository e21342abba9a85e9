//! A bot that is asked and does nothing: its loop is not run.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tagwright::config;
use tagwright::run::Edges;
use tagwright::schedule::{Bot, Handle, Settings};
use tagwright::server::{Oidc, SOCKET, Server};
use tagwright::store::Store;
use tagwright_core::automation::Automation;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// An automation with two policies, one of them suspended.
const CONFIGURATION: &str = "
apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {name: shop}
spec:
  git: {url: https://git.example.com/acme/config.git, branch: main}
  images:
    - name: web
      image: ghcr.io/acme/web
      policy: {semver: {range: 1.x}}
    - name: postgres
      image: docker.io/library/postgres
      suspend: true
      policy: {semver: {range: '*'}}
";

/// A server with a bot behind it.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) handle: Handle,
    pub(crate) tcp: String,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    _bot: Bot,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::begin(tempfile::tempdir().unwrap(), None, CONFIGURATION).await
    }

    /// A server whose bot works with this configuration.
    pub(crate) async fn with_configuration(text: &str) -> Self {
        Self::begin(tempfile::tempdir().unwrap(), None, text).await
    }

    /// A server that goes by a file with these tokens.
    pub(crate) async fn with_tokens(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, text).unwrap();
        Self::begin(folder, Some(&file), CONFIGURATION).await
    }

    /// A server that goes by tokens of an issuer, and by a file with these.
    pub(crate) async fn with_oidc(rules: Oidc, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, text).unwrap();
        Self::begin_with(folder, Some(&file), Some(rules), CONFIGURATION).await
    }

    async fn begin(folder: TempDir, tokens: Option<&Path>, configuration: &str) -> Self {
        Self::begin_with(folder, tokens, None, configuration).await
    }

    async fn begin_with(folder: TempDir, tokens: Option<&Path>, oidc: Option<Oidc>, configuration: &str) -> Self {
        let configuration = config::parse("shop.yaml", configuration).unwrap();
        let (bot, handle) = bot(folder.path(), configuration.automations);
        handle.take_syncs(configuration.syncs);
        handle.take_notifications(configuration.notifications);
        let mut server = Server::bind(folder.path(), Some("127.0.0.1:0".parse().unwrap())).await.unwrap();
        if let Some(file) = tokens {
            server = server.with_tokens(file).unwrap();
        }
        if let Some(rules) = oidc {
            server = server.with_oidc(rules).unwrap();
        }
        let tcp = format!("http://{}", server.address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(server.serve(handle.clone(), stopped));
        Self { folder, handle, tcp, stop: Some(stop), task: Some(task), _bot: bot }
    }

    /// Ends the server and waits for that.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        self.task.take().unwrap().await.unwrap();
    }

    /// A client of the Unix socket.
    pub(crate) fn private(&self) -> (reqwest::Client, String) {
        let client = reqwest::Client::builder().no_proxy().unix_socket(self.folder.path().join(SOCKET));
        (client.build().unwrap(), "http://localhost".to_owned())
    }

    /// A client of the TCP address.
    pub(crate) fn public(&self) -> (reqwest::Client, String) {
        (reqwest::Client::builder().no_proxy().build().unwrap(), self.tcp.clone())
    }

    /// Gives an order and returns status and answer.
    pub(crate) async fn order(&self, path: &str, body: &str) -> (u16, Value) {
        let (client, base) = self.private();
        answer(client.post(format!("{base}{path}")).body(body.to_owned())).await
    }

    /// Asks something over the socket.
    pub(crate) async fn ask(&self, path: &str) -> (u16, Value) {
        let (client, base) = self.private();
        answer(client.get(format!("{base}{path}"))).await
    }
}

/// Sends a request; an answer that is no JSON is given as a text.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn bot(folder: &Path, automations: Vec<Arc<Automation>>) -> (Bot, Handle) {
    let registry = registry::Client::new(registry::Settings::default()).unwrap();
    let git = git::Git::new(git::Settings::of_machine(folder.to_owned())).unwrap();
    Bot::new(
        Edges { registry, git, forges: forge::Forges::default(), store: Store::in_memory() },
        automations,
        Settings::default(),
    )
}
