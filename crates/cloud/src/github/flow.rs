//! The way from an App's key to the login of a remote.

use access::{GithubApp, Installation, Login, Secret};
use url::Url;

use crate::cache::Fresh;
use crate::error::Error;
use crate::{Asking, Granted};

use super::app;

impl Asking<'_> {
    /// Returns the login of an App for a remote on its GitHub.
    pub(crate) async fn github(self, app: &GithubApp, remote: &Url) -> Result<Granted<Login>, Error> {
        let api = app::api(app)?;
        let host = app::git_host(&api);
        let is_private_way = remote.scheme() == "https" || web::is_loopback(remote);
        if !is_private_way || !remote.host_str().is_some_and(|remote| remote.eq_ignore_ascii_case(&host)) {
            let hosts = format!("https://{host}");
            return Err(Error::Host { provider: "github", host: web::show(remote), hosts });
        }
        let key = self.key_for("github", app);
        let kept = self.shared.tokens.get(key, self.installation_token(app, &api)).await?;
        Ok(Granted::of(key, kept, |password| Login { username: app::USER.to_owned(), password }))
    }

    async fn installation_token(self, app: &GithubApp, api: &Url) -> Result<Fresh<Secret>, Error> {
        let exchange = &self.shared.exchange;
        let installation = match &app.installation {
            Installation::Id(id) => *id,
            Installation::Owner(owner) => self.installation(app, api, owner).await?,
        };
        app::read(&exchange.ask(&self.way, |now| app::token(app, api, installation, now)).await?)
    }

    /// Looks for the installation at an organisation first, and then at a person's account.
    async fn installation(self, app: &GithubApp, api: &Url, owner: &str) -> Result<u64, Error> {
        let ask = async |kind: &str| {
            let make = |now| app::installation(app, api, kind, owner, now);
            app::read_installation(&self.shared.exchange.ask(&self.way, make).await?)
        };
        match ask("orgs").await {
            Err(Error::Denied { status: 404, .. }) => ask("users").await,
            settled => settled,
        }
    }
}
