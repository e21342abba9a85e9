//! The way from a machine to the logins of Google's registries.
//!
//! Tokens are had as Google's own libraries do: with the file that `GOOGLE_APPLICATION_CREDENTIALS` names, with the one that
//! `gcloud auth application-default login` leaves, or from the metadata of the machine.

use access::{ExposeSecret as _, Login, Secret, ServiceAccount};
use serde_json::Value;
use web::words::one_line;

use crate::cache::Fresh;
use crate::error::{Error, Kind};
use crate::machine::{self, below};
use crate::request::{Answer, Request};
use crate::{Asking, Granted};

use super::account::{self, PROVIDER_ANNOTATION};
use super::document::{Document, Federated, Federation, Source};
use super::token;

const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const METADATA: &str = "GCE_METADATA_HOST";
/// Where Google's services for that are, as gcloud has them.
const STS_ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_STS";
const CREDENTIALS_ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS";
/// What the token of a service account is.
const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";
/// What the metadata of Google says of itself.
const FLAVOR: &str = "Google";

impl Asking<'_> {
    /// Returns the login of a registry of Google.
    pub(crate) async fn artifact_registry(self, registry: &str) -> Result<Granted<Login>, Error> {
        if !super::is_registry(registry) {
            let hosts = super::REGISTRIES.to_owned();
            return Err(Error::Host { provider: "gcp", host: one_line(registry, 100), hosts });
        }
        // One token is for all of them.
        let key = self.key(&["google"]);
        let kept = self.shared.tokens.get(key, self.google()).await?;
        Ok(Granted::of(key, kept, |password| Login { username: super::USER.to_owned(), password }))
    }

    async fn google(self) -> Result<Fresh<Secret>, Error> {
        let environment = &self.shared.environment;
        if let Some(account) = self.way.account {
            return self.by_account(account).await;
        }
        let mut tried = Vec::new();
        if let Some(path) = environment.get(FILE) {
            let path = environment.path(path);
            return self.by_file(&path, &machine::read(FILE, &path).await?).await;
        }
        tried.push(("the environment".to_owned(), format!("{FILE} is not set")));
        if let Some(folder) = environment.get("CLOUDSDK_CONFIG").or(environment.get("HOME").map(|_| "~/.config/gcloud"))
        {
            let path = environment.path(folder).join("application_default_credentials.json");
            if let Some(text) = machine::read_if_there(&path).await? {
                return self.by_file(&path, &text).await;
            }
            tried.push((
                "the login of gcloud".to_owned(),
                format!("there is no {}", one_line(&path.display().to_string(), 200)),
            ));
        }
        match self.by_metadata().await {
            Err(
                error @ (Error::Network { .. } | Error::Denied { status: 404 | 405, .. } | Error::Malformed { .. }),
            ) => {
                tried.push(("the metadata of the machine".to_owned(), error.to_string()));
                Err(Error::Nothing { cloud: "Google", tried })
            }
            settled => settled,
        }
    }

    async fn by_metadata(self) -> Result<Fresh<Secret>, Error> {
        token::read(&self.metadata(token::OF_MACHINE).await?)
    }

    /// Asks the metadata of the machine.
    async fn metadata(self, path: &str) -> Result<Answer, Error> {
        let named = self.shared.environment.get(METADATA).unwrap_or("metadata.google.internal");
        let base = machine::endpoint(METADATA, &format!("http://{named}"))?;
        let answer = self.near(token::metadata(&base, path)).await?;
        match answer.flavor.as_deref() {
            Some(FLAVOR) => Ok(answer),
            _ => {
                let reason = "something that is not the metadata of Google".to_owned();
                Err(Error::Malformed { url: answer.url, reason })
            }
        }
    }

    async fn by_file(self, path: &std::path::Path, text: &Secret) -> Result<Fresh<Secret>, Error> {
        let wrong = |reason| Error::File { path: one_line(&path.display().to_string(), 300), reason };
        match Document::parse(text).map_err(wrong)? {
            Document::Account(account) => {
                token::read(&self.shared.exchange.ask(&self.way, |now| token::with_key(&account, now)).await?)
            }
            Document::User(user) => {
                token::read(&self.shared.exchange.ask(&self.way, |_| Ok(token::with_refresh(&user))).await?)
            }
            Document::Federation(federation) => self.by_federation(&federation).await,
        }
    }

    /// Exchanges the token of a service account of a cluster: through the provider that it is annotated with, or else that of the
    /// cluster of Google that this machine is in.
    async fn by_account(self, account: &ServiceAccount) -> Result<Fresh<Secret>, Error> {
        let wrong = |reason: String| Error::Account { account: account.to_string(), kind: Kind::Denied, reason };
        let (for_cluster, for_google) = match account.annotations.get(PROVIDER_ANNOTATION) {
            Some(provider) => {
                let audience = account::provider(provider).ok_or_else(|| {
                    wrong(format!(
                        "has no name of a workload identity provider in its annotation `{PROVIDER_ANNOTATION}`"
                    ))
                })?;
                (audience.clone(), audience)
            }
            None => self.own_cluster().await.map_err(|error| match error {
                Error::Network { .. } | Error::Denied { status: 404 | 405, .. } | Error::Malformed { .. } => wrong(
                    format!("has no annotation `{PROVIDER_ANNOTATION}`, and this is no cluster of Google: {error}"),
                ),
                error => error,
            })?,
        };
        let endpoint = |variable: &str, usual: &str| match self.shared.environment.endpoint(&[variable])? {
            Some(named) => Ok(named),
            None => machine::address(variable, usual),
        };
        let impersonation = match account.annotations.get(account::EMAIL_ANNOTATION) {
            Some(email) => {
                let path = account::impersonation(email).ok_or_else(|| {
                    wrong(format!(
                        "has no address of a service account in its annotation `{}`",
                        account::EMAIL_ANNOTATION
                    ))
                })?;
                Some(below(&endpoint(CREDENTIALS_ENDPOINT, "https://iamcredentials.googleapis.com")?, &path))
            }
            None => None,
        };
        let federation = Federation {
            audience: for_google,
            token_type: TOKEN_TYPE.to_owned(),
            token_url: below(&endpoint(STS_ENDPOINT, "https://sts.googleapis.com")?, "/v1/token"),
            impersonation,
        };
        let subject = self.account_token(account, &for_cluster).await?;
        self.exchange_token(&federation, &subject).await
    }

    /// What the tokens of a cluster of Google are for, and by what name Google knows the cluster.
    async fn own_cluster(self) -> Result<(String, String), Error> {
        let mut said = Vec::new();
        for path in ["project/project-id", "instance/attributes/cluster-location", "instance/attributes/cluster-name"] {
            let answer = self.metadata(path).await?;
            let text = answer.body.expose_secret().trim().to_owned();
            let is_name = !text.is_empty() && text.len() <= 200 && !text.contains(['/', ':', ' ', '\n']);
            if !is_name {
                return Err(Error::Malformed { url: answer.url, reason: "something else than a name".to_owned() });
            }
            said.push(text);
        }
        let [project, location, cluster] = &said[..] else {
            return Err(Error::Nothing { cloud: "Google", tried: Vec::new() });
        };
        let pool = format!("{project}.svc.id.goog");
        let place =
            format!("https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{cluster}");
        Ok((pool.clone(), format!("identitynamespace:{pool}:{place}")))
    }

    async fn by_federation(self, federation: &Federated) -> Result<Fresh<Secret>, Error> {
        let subject = self.subject(federation).await?;
        self.exchange_token(&federation.federation, &subject).await
    }

    async fn exchange_token(self, federation: &Federation, subject: &Secret) -> Result<Fresh<Secret>, Error> {
        let make = |_| Ok(token::exchange(federation, subject));
        let fresh = token::read(&self.shared.exchange.ask(&self.way, make).await?)?;
        let Some(url) = &federation.impersonation else { return Ok(fresh) };
        let make = |_| Ok(token::impersonate(url, &fresh.value));
        token::read_impersonated(&self.shared.exchange.ask(&self.way, make).await?)
    }

    /// Returns the token of the other identity provider; a file is read anew each time, since it is renewed.
    async fn subject(self, federation: &Federated) -> Result<Secret, Error> {
        let (text, place) = match &federation.source {
            Source::File(path) => {
                let path = self.shared.environment.path(path);
                (machine::read("`credential_source`", &path).await?, path.display().to_string())
            }
            Source::Url(url, headers) => {
                // The names of headers are few, and live as long as the process: a file that is read again has the same.
                let request =
                    headers.iter().try_fold(Request::get(url.clone(), "a token to this machine"), add_header)?;
                let answer = self.shared.exchange.ask(&self.way, |_| Ok(request.clone())).await?;
                (answer.body, answer.url)
            }
        };
        let Some(field) = &federation.field else { return Ok(text.expose_secret().trim().into()) };
        let json: Option<Value> = serde_json::from_str(text.expose_secret()).ok();
        let token = json.as_ref().and_then(|json| json.get(field)?.as_str()).map(Secret::from);
        token.ok_or_else(|| Error::File {
            path: one_line(&place, 300),
            reason: format!("has no text in `{}`", one_line(field, 100)),
        })
    }
}

/// The headers that such an address may want: names are fixed in our requests.
fn add_header(request: Request, (name, value): (&String, &Secret)) -> Result<Request, Error> {
    let known = ["authorization", "metadata", "metadata-flavor", "x-identity-header", "accept"];
    let name = known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).ok_or_else(|| Error::Setting {
        name: "`credential_source.headers`".to_owned(),
        reason: format!("has a header that is not sent; those that are: {}", known.join(", ")),
    })?;
    Ok(request.with(name, value.clone()))
}
