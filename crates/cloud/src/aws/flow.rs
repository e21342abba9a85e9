//! The way from a machine to the logins of ECR and CodeCommit.
//!
//! The machine's credentials are looked for as AWS's own tools do: the environment, the profile, a web identity, the container,
//! the metadata of the machine. What is there and wrong is an error; what is not there leads to the next.

use access::{ExposeSecret as _, Login, ServiceAccount};
use jiff::Timestamp;
use url::Url;
use web::words::one_line;

use crate::cache::{Fresh, Kept};
use crate::error::{Error, Kind};
use crate::machine;
use crate::request::{Answer, Request};
use crate::{Asking, Granted};

use super::profile::{Profiles, Role, Way, With};
use super::{Keys, codecommit, container, ecr, keys, metadata, region, sts};

/// The annotation of a service account with its role, as EKS has it.
const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";
/// Whom the token of a service account is shown to.
const STS_AUDIENCE: &str = "sts.amazonaws.com";
/// The longest name of a role.
const MAX_ROLE: usize = 64;

/// One place where credentials may be.
enum Found {
    Keys(Fresh<Keys>),
    /// Not there, for a reason in words.
    Absent(String),
}

impl Asking<'_> {
    /// Returns the login of a registry of ECR.
    pub(crate) async fn ecr(self, host: &str) -> Result<Granted<Login>, Error> {
        let place = ecr::Place::of_host(host).ok_or_else(|| Error::Host {
            provider: "aws",
            host: one_line(host, 100),
            hosts: super::REGISTRIES.to_owned(),
        })?;
        let environment = &self.shared.environment;
        let named = environment.endpoint(&place.variables)?;
        // One password is for all registries of the account, and for those of others that let it in.
        let shown = named.as_ref().map_or("", Url::as_str);
        let key = self.key(&["ecr", &place.region, place.variables[0], shown, host_kind(host)]);
        let fetch = async {
            let kept = self.keys(&place.region).await?;
            match self.password(&place, named.clone(), &kept.value).await {
                Err(Error::Denied { .. }) if kept.is_old => {
                    // They may have been renewed where they come from.
                    self.forget_keys(&place.region, &kept);
                    let kept = self.keys(&place.region).await?;
                    self.password(&place, named.clone(), &kept.value).await
                }
                settled => settled,
            }
        };
        let kept = self.shared.tokens.get(key, Box::pin(fetch)).await?;
        Ok(Granted::of(key, kept, |password| Login { username: ecr::USER.to_owned(), password }))
    }

    async fn password(
        self,
        place: &ecr::Place,
        named: Option<Url>,
        keys: &Keys,
    ) -> Result<Fresh<access::Secret>, Error> {
        let make = |now| place.request(named.clone(), keys, now);
        ecr::read(&self.shared.exchange.ask(&self.way, make).await?)
    }

    /// Returns the login of a remote of CodeCommit.
    pub(crate) async fn code_commit(self, remote: &Url) -> Result<Granted<Login>, Error> {
        let region = codecommit::region_of(remote).ok_or_else(|| Error::Host {
            provider: "aws",
            host: web::show(remote),
            hosts: super::REMOTES.to_owned(),
        })?;
        let key = self.keys_key(region);
        let kept = self.keys(region).await?;
        Ok(Granted::of(key, kept, |keys| codecommit::login(remote, region, &keys, Timestamp::now())))
    }

    fn keys_key(self, usual_region: &str) -> access::Fingerprint {
        self.key(&["aws", usual_region])
    }

    fn forget_keys(self, usual_region: &str, kept: &Kept<Keys>) {
        self.shared.keys.forget(self.keys_key(usual_region), kept.serial);
    }

    /// Returns the machine's credentials. The region is that of roles where the machine names none.
    async fn keys(self, usual_region: &str) -> Result<Kept<Keys>, Error> {
        self.shared.keys.get(self.keys_key(usual_region), self.look_for_keys(usual_region)).await
    }

    async fn look_for_keys(self, usual_region: &str) -> Result<Fresh<Keys>, Error> {
        if let Some(account) = self.way.account {
            return self.of_account(account, usual_region).await;
        }
        let profiles = self.profiles().await?;
        let environment = &self.shared.environment;
        let profile = environment.get("AWS_PROFILE");
        let region = environment
            .first(&["AWS_REGION", "AWS_DEFAULT_REGION"])
            .or_else(|| profiles.get(profile.unwrap_or("default"), "region"))
            .unwrap_or(usual_region);
        let region = region::parse(region).ok_or_else(|| Error::Setting {
            name: "AWS_REGION".to_owned(),
            reason: "is not the name of a region".to_owned(),
        })?;
        let mut tried = Vec::new();
        let mut note = |place: &str, found: Found| match found {
            Found::Keys(keys) => Some(keys),
            Found::Absent(reason) => {
                tried.push((place.to_owned(), reason));
                None
            }
        };
        if let Some(keys) = note("the environment", self.of_environment()?) {
            return Ok(keys);
        }
        let place = format!("the profile {}", profile.unwrap_or("default"));
        if let Some(keys) = note(&place, self.of_profile(&profiles, profile, region).await?) {
            return Ok(keys);
        }
        if let Some(keys) = note("a web identity", self.of_web_identity(region).await?) {
            return Ok(keys);
        }
        if let Some(keys) = note("the container", self.of_container().await?) {
            return Ok(keys);
        }
        if let Some(keys) = note("the metadata of the machine", self.of_metadata().await?) {
            return Ok(keys);
        }
        Err(Error::Nothing { cloud: "AWS", tried })
    }

    fn of_environment(self) -> Result<Found, Error> {
        let get = |name: &str| self.shared.environment.get(name);
        let wrong = |name: &str, other: &str| Error::Setting {
            name: name.to_owned(),
            reason: format!("is set without {other}"),
        };
        match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                let session = get("AWS_SESSION_TOKEN").map(access::Secret::from);
                Ok(Found::Keys(Keys { id: id.to_owned(), secret: secret.into(), session }.written()))
            }
            (None, None) => Ok(Found::Absent("AWS_ACCESS_KEY_ID is not set".to_owned())),
            (Some(_), None) => Err(wrong("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
            (None, Some(_)) => Err(wrong("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")),
        }
    }

    /// Reads the profiles; files that are named must be there.
    async fn profiles(self) -> Result<Profiles, Error> {
        let environment = &self.shared.environment;
        let file = async |variable: &str, usual: &str| match environment.get(variable) {
            Some(path) => machine::read(variable, &environment.path(path)).await.map(Some),
            None if environment.get("HOME").is_none() => Ok(None),
            None => machine::read_if_there(&environment.path(usual)).await,
        };
        let config = file("AWS_CONFIG_FILE", "~/.aws/config").await?.unwrap_or_default();
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials").await?.unwrap_or_default();
        Ok(Profiles::parse(config.expose_secret(), credentials.expose_secret()))
    }

    async fn of_profile(self, profiles: &Profiles, named: Option<&str>, region: &str) -> Result<Found, Error> {
        let profile = named.unwrap_or("default");
        let wrong = |reason: String| Error::Setting { name: format!("the profile {}", one_line(profile, 100)), reason };
        match (profiles.has(profile), named) {
            (true, _) => {}
            (false, Some(_)) => return Err(wrong("does not exist, and AWS_PROFILE names it".to_owned())),
            (false, None) => return Ok(Found::Absent("~/.aws/credentials and ~/.aws/config have none".to_owned())),
        }
        match profiles.way(profile).map_err(wrong)? {
            Way::None => Ok(Found::Absent("it has neither keys nor a role".to_owned())),
            way => self.by_profile(way, region).await.map(Found::Keys),
        }
    }

    /// Takes roles one after another, beginning with the keys at the end of the chain.
    async fn by_profile(self, way: Way, region: &str) -> Result<Fresh<Keys>, Error> {
        let mut roles = Vec::new();
        let mut way = way;
        let mut fresh = loop {
            let source = match way {
                Way::Written(keys) => break keys.written(),
                Way::WebIdentity { role, file } => {
                    break self.take_with_token("the profile", &file, &role, region).await?;
                }
                Way::None => return Err(self.nothing("a profile that has neither keys nor a role")),
                Way::Role { role, with } => {
                    roles.push(role);
                    with
                }
            };
            let found = match source {
                With::Profile(next) => {
                    way = *next;
                    continue;
                }
                With::Environment => self.of_environment()?,
                With::Container => self.of_container().await?,
                With::Machine => self.of_metadata().await?,
            };
            match found {
                Found::Keys(keys) => break keys,
                Found::Absent(reason) => return Err(self.nothing(&format!("`credential_source`: {reason}"))),
            }
        };
        let url = self.sts(region)?;
        for role in roles.iter().rev() {
            let make = |now| Ok(sts::with_keys(url.clone(), role, &fresh.value, region, now));
            fresh = sts::read(&self.shared.exchange.ask(&self.way, make).await?)?;
        }
        Ok(fresh)
    }

    fn nothing(self, reason: &str) -> Error {
        Error::Nothing { cloud: "AWS", tried: vec![("the profile".to_owned(), reason.to_owned())] }
    }

    async fn of_web_identity(self, region: &str) -> Result<Found, Error> {
        const FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
        const ROLE: &str = "AWS_ROLE_ARN";
        let get = |name: &str| self.shared.environment.get(name);
        let Some(file) = get(FILE) else { return Ok(Found::Absent(format!("{FILE} is not set"))) };
        let Some(arn) = get(ROLE) else {
            return Err(Error::Setting { name: FILE.to_owned(), reason: format!("is set without {ROLE}") });
        };
        let session = get("AWS_ROLE_SESSION_NAME").map(str::to_owned);
        let role = Role { arn: arn.to_owned(), session, external_id: None };
        self.take_with_token(FILE, file, &role, region).await.map(Found::Keys)
    }

    /// Takes a role with a token from a file, which is read anew each time, since it is renewed.
    async fn take_with_token(self, setting: &str, file: &str, role: &Role, region: &str) -> Result<Fresh<Keys>, Error> {
        let url = self.sts(region)?;
        let token = machine::read(setting, &self.shared.environment.path(file)).await?;
        let token = token.expose_secret().trim().into();
        let make = |_| Ok(sts::with_web_identity(url.clone(), role, &token));
        sts::read(&self.shared.exchange.ask(&self.way, make).await?)
    }

    /// Takes the role that a service account is annotated with, as EKS has it, with a token of the account.
    async fn of_account(self, account: &ServiceAccount, usual_region: &str) -> Result<Fresh<Keys>, Error> {
        let arn = account.annotations.get(ROLE_ANNOTATION).ok_or_else(|| Error::Account {
            account: account.to_string(),
            kind: Kind::Denied,
            reason: format!("has no annotation `{ROLE_ANNOTATION}`, which names its role at AWS"),
        })?;
        let role = Role { arn: arn.clone(), session: None, external_id: None };
        let url = self.sts(usual_region)?;
        let token = self.account_token(account, STS_AUDIENCE).await?;
        let make = |_| Ok(sts::with_web_identity(url.clone(), &role, &token));
        sts::read(&self.shared.exchange.ask(&self.way, make).await?)
    }

    fn sts(self, region: &str) -> Result<Url, Error> {
        let named = self.shared.environment.endpoint(&["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"])?;
        sts::address(named, region)
    }

    async fn of_container(self) -> Result<Found, Error> {
        let environment = &self.shared.environment;
        let Some(url) = container::address(environment)? else {
            return Ok(Found::Absent("AWS_CONTAINER_CREDENTIALS_FULL_URI is not set".to_owned()));
        };
        let url = container::checked(url).await?;
        let token = match environment.get(container::TOKEN_FILE) {
            Some(file) => {
                let token = machine::read(container::TOKEN_FILE, &environment.path(file)).await?;
                Some(token.expose_secret().trim().into())
            }
            None => environment.get(container::TOKEN).map(access::Secret::from),
        };
        let answer = self.near(container::request(url, token)).await?;
        read_keys(&answer).map(Found::Keys)
    }

    async fn of_metadata(self) -> Result<Found, Error> {
        let environment = &self.shared.environment;
        if environment.is_true(metadata::DISABLED) {
            return Ok(Found::Absent(format!("{} is set", metadata::DISABLED)));
        }
        let base = metadata::address(environment)?;
        let token = match self.near(metadata::token(&base)).await {
            Ok(answer) => answer.body.expose_secret().trim().into(),
            Err(error) => return absent(error),
        };
        let role = match self.near(metadata::role(&base, &token)).await {
            Ok(answer) => first_line(answer.body.expose_secret()),
            Err(Error::Denied { status: 404, .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(role) = role else { return Ok(Found::Absent("the machine has no role".to_owned())) };
        let answer = self.near(metadata::keys(&base, &token, &role)).await?;
        read_keys(&answer).map(Found::Keys)
    }

    /// Asks something of the machine or its node.
    pub(crate) async fn near(self, request: Request) -> Result<Answer, Error> {
        self.shared.exchange.ask(&self.way, |_| Ok(request.clone())).await
    }
}

/// What does not answer is not there; what answers wrongly is.
pub(crate) fn absent_reason(error: Error) -> Result<String, Error> {
    match error {
        Error::Network { .. } => Ok(error.to_string()),
        // Something else than the metadata of this cloud is there.
        Error::Denied { status: 404 | 405, .. } => Ok(error.to_string()),
        error => Err(error),
    }
}

fn absent(error: Error) -> Result<Found, Error> {
    absent_reason(error).map(Found::Absent)
}

fn read_keys(answer: &Answer) -> Result<Fresh<Keys>, Error> {
    let malformed = |reason| Error::Malformed { url: answer.url.clone(), reason };
    keys::read(answer.body.expose_secret(), answer.now).map_err(malformed)
}

fn first_line(text: &str) -> Option<String> {
    let line = text.lines().next().unwrap_or_default().trim();
    (!line.is_empty() && line.len() <= MAX_ROLE).then(|| line.to_owned())
}

/// Registries of one region may have logins from two endpoints, by how their hosts are written.
fn host_kind(host: &str) -> &str {
    host.split_once('.').map_or("", |(_, rest)| rest)
}
