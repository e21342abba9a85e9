//! The way from a machine to the logins of Azure's registries and Git.
//!
//! Tokens of Entra ID are had as Azure's own libraries do: with an application and its password in the environment, with the token
//! of a workload identity, or as the managed identity of the machine. No program is run.

use access::{Login, Secret, ServiceAccount};
use url::Url;
use web::words::one_line;

use crate::cache::{Fresh, Kept};
use crate::error::{Error, Kind};
use crate::machine::{self, Environment};
use crate::{Asking, Granted};

use super::entra::{self, Application};
use super::{acr, devops};

const TENANT: &str = "AZURE_TENANT_ID";
const CLIENT: &str = "AZURE_CLIENT_ID";
const SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
/// Whom the token of a service account is shown to.
const ASSERTION_AUDIENCE: &str = "api://AzureADTokenExchange";
const METADATA: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

impl Asking<'_> {
    /// Returns the login of a registry of Azure.
    pub(crate) async fn acr(self, host: &str) -> Result<Granted<Login>, Error> {
        let authority = acr::authority(host).ok_or_else(|| Error::Host {
            provider: "azure",
            host: one_line(host, 100),
            hosts: super::REGISTRIES.to_owned(),
        })?;
        let key = self.key(&["acr", host]);
        let fetch = async {
            let token = self.entra(authority, acr::SCOPE).await?;
            match self.exchange(host, &token.value).await {
                Err(Error::Denied { .. }) if token.is_old => {
                    self.shared.tokens.forget(self.entra_key(authority, acr::SCOPE), token.serial);
                    let token = self.entra(authority, acr::SCOPE).await?;
                    self.exchange(host, &token.value).await
                }
                settled => settled,
            }
        };
        let kept = self.shared.tokens.get(key, Box::pin(fetch)).await?;
        Ok(Granted::of(key, kept, |password| Login { username: acr::USER.to_owned(), password }))
    }

    async fn exchange(self, host: &str, token: &Secret) -> Result<Fresh<Secret>, Error> {
        acr::read(&self.shared.exchange.ask(&self.way, |_| acr::exchange(host, token)).await?)
    }

    /// Returns the token for a remote of Azure DevOps.
    pub(crate) async fn azure_devops(self, remote: &Url) -> Result<Granted<Secret>, Error> {
        if !devops::is_remote(remote) {
            let hosts = super::REMOTES.to_owned();
            return Err(Error::Host { provider: "azure", host: web::show(remote), hosts });
        }
        let key = self.entra_key(devops::AUTHORITY, devops::SCOPE);
        let kept = self.entra(devops::AUTHORITY, devops::SCOPE).await?;
        Ok(Granted::of(key, kept, |token| token))
    }

    fn entra_key(self, authority: &str, scope: &str) -> access::Fingerprint {
        self.key(&["entra", authority, scope])
    }

    /// Returns a token of Entra ID, from the authority that the environment names, or else the usual one.
    async fn entra(self, usual: &str, scope: &str) -> Result<Kept<Secret>, Error> {
        self.shared.tokens.get(self.entra_key(usual, scope), self.look_for_token(usual, scope)).await
    }

    async fn look_for_token(self, usual: &str, scope: &str) -> Result<Fresh<Secret>, Error> {
        let environment = &self.shared.environment;
        let authority = match environment.endpoint(&["AZURE_AUTHORITY_HOST"])? {
            Some(named) => named,
            None => machine::address("the authority", usual)?,
        };
        let ask = async |make: &(dyn Fn() -> crate::request::Request + Sync)| {
            entra::read(&self.shared.exchange.ask(&self.way, |_| Ok(make())).await?)
        };
        if let Some(account) = self.way.account {
            let application = of_account(account, environment, &authority)?;
            let assertion = self.account_token(account, ASSERTION_AUDIENCE).await?;
            return ask(&|| entra::with_assertion(application, scope, &assertion)).await;
        }
        let mut tried = Vec::new();
        match (environment.get(SECRET), environment.get(TOKEN_FILE)) {
            (Some(secret), _) => {
                let application = application(environment, &authority, SECRET)?;
                return ask(&|| entra::with_secret(application, scope, secret)).await;
            }
            (None, Some(file)) => {
                let application = application(environment, &authority, TOKEN_FILE)?;
                let assertion = machine::read(TOKEN_FILE, &environment.path(file)).await?;
                return ask(&|| entra::with_assertion(application, scope, &assertion)).await;
            }
            (None, None) => {
                tried.push(("the environment".to_owned(), format!("{SECRET} is not set")));
                tried.push(("a workload identity".to_owned(), format!("{TOKEN_FILE} is not set")));
            }
        }
        let base = match environment.endpoint(&[METADATA])? {
            Some(named) => named,
            None => machine::address(METADATA, "http://169.254.169.254")?,
        };
        match ask(&|| entra::managed(&base, scope, environment.get(CLIENT))).await {
            Err(error @ (Error::Network { .. } | Error::Denied { status: 404 | 405, .. })) => {
                tried.push(("the metadata of the machine".to_owned(), error.to_string()));
                Err(Error::Nothing { cloud: "Azure", tried })
            }
            settled => settled,
        }
    }
}

/// Returns the application that a service account is annotated with; the tenant may also be that of the environment.
fn of_account<'a>(
    account: &'a ServiceAccount,
    environment: &'a Environment,
    authority: &'a Url,
) -> Result<Application<'a>, Error> {
    let wrong = |name: &str, reason: &str| Error::Account {
        account: account.to_string(),
        kind: Kind::Denied,
        reason: format!("has {reason} `{name}`"),
    };
    let get = |name: &str, usual: Option<&'a str>| {
        let value = account.annotations.get(name).map(String::as_str).or(usual);
        let value = value.ok_or_else(|| wrong(name, "no annotation"))?;
        entra::is_name(value).then_some(value).ok_or_else(|| wrong(name, "no name that Entra ID has in its annotation"))
    };
    let tenant = get("azure.workload.identity/tenant-id", environment.get(TENANT))?;
    Ok(Application { authority, tenant, client: get("azure.workload.identity/client-id", None)? })
}

/// Returns the application that the environment names beside its proof.
fn application<'a>(environment: &'a Environment, authority: &'a Url, proof: &str) -> Result<Application<'a>, Error> {
    let get = |name: &'static str| {
        let value = environment
            .get(name)
            .ok_or_else(|| Error::Setting { name: proof.to_owned(), reason: format!("is set without {name}") })?;
        match entra::is_name(value) {
            true => Ok(value),
            false => Err(Error::Setting { name: name.to_owned(), reason: "is no name that Entra ID has".to_owned() }),
        }
    };
    Ok(Application { authority, tenant: get(TENANT)?, client: get(CLIENT)? })
}
