//! The login of a remote for whoever asks its forge for something else than Git.

use access::{GitLogin, Login};

use super::error::Error;
use super::token::{self, Verdict};
use super::transport::given;
use super::url::{Location, Url};
use super::{Git, credential};

impl Git {
    /// Who gives out the logins of clouds and forges.
    #[must_use]
    pub fn cloud(&self) -> &cloud::Cloud {
        &self.shared.settings.cloud
    }

    /// Returns the login of a remote, for the website that it is on: a user name and password, or a bearer token. What a provider gives
    /// out is given out; of the machine, the token of the environment counts, and then what git's credential helpers know.
    /// None where there is nothing that a website would take, such as an ssh key.
    ///
    /// It is for the remote's own host. Whoever shows it to another has to know that this is the same service.
    ///
    /// # Errors
    /// The URL is none, or the provider gives no login.
    pub async fn login_of(&self, url: &str, access: &access::Git) -> Result<Option<GitLogin>, Error> {
        let shared = &self.shared;
        let remote = Url::parse(&shared.rules.fetch_url(url))?;
        let http = match remote.location() {
            Location::Http(url) => Some(url.clone()),
            // The token of the environment is for hosts, however they are reached.
            Location::Ssh(target) => url::Url::parse(&format!("https://{}/", target.host)).ok(),
            Location::Local(_) => None,
        };
        let Some(at) = http else { return Ok(None) };
        match &access.login {
            GitLogin::Basic(_) | GitLogin::Bearer(_) => return Ok(Some(access.login.clone())),
            GitLogin::GithubApp(_) | GitLogin::AzureDevOps(_) => {
                let given = given(&shared.settings.cloud, access, &remote, &at).await?;
                return Ok(given.map(|given| given.access.login));
            }
            GitLogin::CodeCommit(_) => return Ok(None),
            GitLogin::Machine | GitLogin::User(_) | GitLogin::Ssh(_) => {}
        }
        if let Some(text) = shared.settings.text(token::TOKEN)
            && shared.token_hosts.judge(&shared.settings, &at) == Verdict::Goes
        {
            let named = shared.settings.text(token::USERNAME);
            let username = named.unwrap_or_else(|| token::user(&at, text)).to_owned();
            return Ok(Some(GitLogin::Basic(Login { username, password: text.to_owned().into() })));
        }
        match (&access.login, remote.location()) {
            (GitLogin::Machine | GitLogin::User(_), Location::Http(_)) => {
                Ok(credential::fill(&shared.settings, &at, None).await.map(GitLogin::Basic))
            }
            _ => Ok(None),
        }
    }
}
