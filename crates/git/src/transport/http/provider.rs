//! Logins that a provider gives out: a GitHub App, Azure DevOps, AWS CodeCommit.

use access::{Git, GitLogin};
use cloud::{Cloud, Granted, Way};

use crate::error::Error;
use crate::url::Url;

/// A login that was given out, in place of the provider that it is from.
pub(crate) struct Given {
    /// How the remote is reached with it.
    pub(crate) access: Git,
    /// What it is called in a message.
    pub(super) name: &'static str,
    /// What it can be forgotten by.
    pub(super) granted: Granted<()>,
}

/// Gets the login for a remote; None where no provider is configured.
pub(crate) async fn given(cloud: &Cloud, access: &Git, remote: &Url, at: &url::Url) -> Result<Option<Given>, Error> {
    let fail = |source| Error::Cloud { remote: remote.to_string(), source: Box::new(source) };
    let proxy = access.proxy.as_ref();
    let way = |account| Way { account, proxy, authority: None };
    let (login, name, granted) = match &access.login {
        GitLogin::Machine | GitLogin::User(_) | GitLogin::Basic(_) | GitLogin::Bearer(_) | GitLogin::Ssh(_) => {
            return Ok(None);
        }
        GitLogin::GithubApp(app) => {
            // The secret with the App's key may have the authority of its GitHub.
            let way = Way { account: None, proxy, authority: access.tls.ca.as_deref() };
            let (login, granted) = cloud.github_app(app, at, way).await.map_err(fail)?.split();
            (GitLogin::Basic(login), "the token of the GitHub App", granted)
        }
        GitLogin::AzureDevOps(account) => {
            let (token, granted) = cloud.azure_devops(at, way(account.as_ref())).await.map_err(fail)?.split();
            (GitLogin::Bearer(token), "the token of Entra ID", granted)
        }
        GitLogin::CodeCommit(account) => {
            let (login, granted) = cloud.code_commit(at, way(account.as_ref())).await.map_err(fail)?.split();
            (GitLogin::Basic(login), "the signature for CodeCommit", granted)
        }
    };
    Ok(Some(Given { access: Git { login, ..access.clone() }, name, granted }))
}
