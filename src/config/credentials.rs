//! What secrets mean: registry logins, certificates, proxies, Git logins. The rules and texts are Flux's.

use access::{self, GithubApp, Installation, Login, Proxy, RegistryLogin, SshIdentity, Tls, TlsIdentity};

use super::remote::{self, Address, Transport};
use super::report::{Checked, Finding, quoted};
use super::secrets::Secret;

/// The longest address of a proxy.
const MAX_PROXY_ADDRESS: usize = 2048;

/// The schemes of proxies.
const PROXY_SCHEMES: [&str; 3] = ["http", "https", "socks5"];

/// The keys of a GitHub App.
const GITHUB_APP: [&str; 4] = [APP_ID, APP_INSTALLATION, APP_OWNER, APP_KEY];
const APP_ID: &str = "githubAppID";
const APP_INSTALLATION: &str = "githubAppInstallationID";
const APP_OWNER: &str = "githubAppInstallationOwner";
const APP_KEY: &str = "githubAppPrivateKey";
const APP_BASE: &str = "githubAppBaseURL";

/// Reads the logins of a registry secret.
///
/// Flux looks at the type alone and pulls anonymously when it is another one. Here a secret of no type, of type Opaque,
/// or from a folder counts by its keys, and any other one is said to have no effect.
pub(super) fn registry(secret: &Secret<'_>) -> Checked<Vec<RegistryLogin>> {
    const CONFIG: &str = ".dockerconfigjson";
    const LEGACY: &str = ".dockercfg";
    let (config, legacy) = match secret.kind.as_deref() {
        Some("kubernetes.io/dockerconfigjson") => (required(secret, CONFIG)?, None),
        Some("kubernetes.io/dockercfg") => (None, required(secret, LEGACY)?),
        None | Some("Opaque") => (secret.filled(CONFIG)?, secret.filled(LEGACY)?),
        Some(_) => (None, None),
    };
    let logins = match (config, legacy) {
        (Some(text), _) => logins::config(&text).map_err(|error| (CONFIG, error)),
        (None, Some(text)) => logins::legacy(&text).map_err(|error| (LEGACY, error)),
        (None, None) => {
            secret.notice("has no registry login (`.dockerconfigjson` or `.dockercfg`), so it has no effect");
            return Ok(Vec::new());
        }
    };
    logins.map_err(|(key, error)| secret.error(format!("{}: key '{key}': {error}", secret.noun())))
}

fn required(secret: &Secret<'_>, key: &str) -> Checked<Option<String>> {
    match secret.filled(key)? {
        Some(value) => Ok(Some(value)),
        None => Err(secret.error(format!("{}: key '{key}' not found", secret.noun()))),
    }
}

/// Reads certificates that must be there: `ca.crt`, or `tls.crt` with `tls.key`, or the older names of these.
pub(super) fn tls(secret: &Secret<'_>) -> Checked<Tls> {
    let tls = optional_tls(secret)?;
    if tls.ca.is_none() && tls.identity.is_none() {
        let message = format!("{} must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'", secret.noun());
        return Err(secret.error(message));
    }
    Ok(tls)
}

/// Reads certificates that may be there.
pub(super) fn optional_tls(secret: &Secret<'_>) -> Checked<Tls> {
    let ca = secret.first(&["ca.crt", "caFile"])?;
    let certificate = secret.first(&["tls.crt", "certFile"])?;
    let key = secret.first(&["tls.key", "keyFile"])?;
    let noun = secret.noun();
    for (name, pem) in [("ca.crt", &ca), ("tls.crt", &certificate), ("tls.key", &key)] {
        let label = if name == "tls.key" { "PRIVATE KEY-----" } else { "-----BEGIN CERTIFICATE-----" };
        if pem.as_ref().is_some_and(|pem| !pem.contains("-----BEGIN ") || !pem.contains(label)) {
            let what = if name == "tls.key" { "private key" } else { "certificate" };
            return Err(secret.error(format!("{noun}: '{name}' is not a PEM {what}")));
        }
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsIdentity { certificate, key: key.into() }),
        (Some(_), None) => return Err(secret.error(format!("{noun} contains 'tls.crt' but missing 'tls.key'"))),
        (None, Some(_)) => return Err(secret.error(format!("{noun} contains 'tls.key' but missing 'tls.crt'"))),
        (None, None) => None,
    };
    Ok(Tls { ca, identity })
}

/// Reads the address and login of a proxy.
pub(super) fn proxy(secret: &Secret<'_>) -> Checked<Proxy> {
    let noun = secret.noun();
    let Some(address) = secret.get("address")? else {
        return Err(secret.error(format!("{noun}: key 'address' not found")));
    };
    if address.is_empty() {
        return Err(secret.error(format!("{noun}: proxy address is empty")));
    }
    if address.len() > MAX_PROXY_ADDRESS {
        return Err(secret.error(format!("{noun}: proxy address is longer than {MAX_PROXY_ADDRESS} bytes")));
    }
    let Ok(mut url) = url::Url::parse(&address) else {
        return Err(secret.error(format!("{noun}: proxy address is not a URL")));
    };
    if !PROXY_SCHEMES.contains(&url.scheme()) {
        let schemes = PROXY_SCHEMES.join(", ");
        let message =
            format!("{noun}: proxy URL must use one of the supported schemes ({schemes}), got '{}'", url.scheme());
        return Err(secret.error(message));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(secret.error(format!("{noun}: proxy address names no host")));
    }
    let in_url = (!url.username().is_empty())
        .then(|| (remote::decoded(url.username()), remote::decoded(url.password().unwrap_or(""))));
    // Both only fail for URLs without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let login = match secret.filled("username")? {
        Some(username) => Some((username, secret.get("password")?.unwrap_or_default())),
        None => in_url,
    };
    let login = login.map(|(username, password)| Login { username, password: password.into() });
    Ok(Proxy { address: String::from(url).trim_end_matches('/').to_owned(), login })
}

/// Reads login and certificates for a Git remote. Without a secret, a login in the URL is used, or the machine's.
pub(super) fn git(address: &Address, secret: Option<&Secret<'_>>) -> Checked<(access::GitLogin, Tls)> {
    let Some(secret) = secret else {
        let login = match &address.login {
            None => access::GitLogin::Machine,
            Some((username, password)) if password.is_empty() => access::GitLogin::User(username.clone().into()),
            Some((username, password)) => {
                access::GitLogin::Basic(Login { username: username.clone(), password: password.clone().into() })
            }
        };
        return Ok((login, Tls::default()));
    };
    match address.transport {
        Transport::Ssh => Ok((ssh(secret)?, Tls::default())),
        Transport::Http | Transport::Https => http(address, secret),
        Transport::Local => {
            secret.notice("has no effect, because the remote is a local path");
            Ok((access::GitLogin::Machine, Tls::default()))
        }
    }
}

/// Whether a secret has something of a GitHub App.
pub(super) fn has_github_app(secret: &Secret<'_>) -> Checked<bool> {
    for key in GITHUB_APP {
        if secret.has(key)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a GitHub App: its id, exactly one of installation and owner, and its key.
pub(super) fn github_app(secret: &Secret<'_>) -> Checked<GithubApp> {
    let noun = secret.noun();
    let needed = |key: &str| match secret.filled(key)? {
        Some(value) => Ok(value),
        None => Err(secret.error(format!("{noun}: key '{key}' not found"))),
    };
    let id = needed(APP_ID)?.trim().to_owned();
    let key = needed(APP_KEY)?;
    if !(key.contains("-----BEGIN ") && key.contains("PRIVATE KEY-----")) {
        return Err(secret.error(format!("{noun}: '{APP_KEY}' is not a PEM private key")));
    }
    let installation = match (secret.filled(APP_INSTALLATION)?, secret.filled(APP_OWNER)?) {
        (Some(number), None) => match number.trim().parse() {
            Ok(number) => Installation::Id(number),
            Err(_) => return Err(secret.error(format!("{noun}: '{APP_INSTALLATION}' is not a number"))),
        },
        (None, Some(owner)) => Installation::Owner(owner.trim().to_owned()),
        (Some(_), Some(_)) => {
            return Err(secret.error(format!("{noun}: '{APP_INSTALLATION}' and '{APP_OWNER}' exclude each other")));
        }
        (None, None) => return Err(secret.error(format!("{noun}: '{APP_INSTALLATION}' or '{APP_OWNER}' is needed"))),
    };
    let base_url = secret.filled(APP_BASE)?.map(|url| url.trim().to_owned());
    Ok(GithubApp { id, installation, key: key.into(), base_url })
}

fn http(address: &Address, secret: &Secret<'_>) -> Checked<(access::GitLogin, Tls)> {
    let tls = optional_tls(secret)?;
    let scheme = if address.transport == Transport::Https { "https" } else { "http" };
    if let Some(token) = secret.filled("bearerToken")? {
        if address.login.is_some() {
            let message = "basic auth and bearer token cannot be set at the same time";
            return Err(secret.add(Finding::at(secret.place, message).hint("take the login out of the URL")));
        }
        return Ok((access::GitLogin::Bearer(token.into()), tls));
    }
    let (url_username, url_password) = address.login.clone().unzip();
    let username = secret.filled("username")?.or(url_username);
    let password = secret.filled("password")?.or(url_password);
    let login = match (username, password) {
        (Some(username), password) => {
            access::GitLogin::Basic(Login { username, password: password.unwrap_or_default().into() })
        }
        (None, Some(_)) => {
            let message =
                format!("{}: invalid '{scheme}' auth option: 'password' requires 'username' to be set", secret.noun());
            return Err(secret.error(message));
        }
        (None, None) if tls.ca.is_some() || tls.identity.is_some() => access::GitLogin::Machine,
        (None, None) => {
            let message = format!("{} has nothing that a remote with {scheme} needs", secret.noun());
            let hint = match secret.has("identity")? {
                true => "`identity` is for ssh URLs; https needs `username` and `password`, or `bearerToken`",
                false => "the keys are `username` and `password`, `bearerToken`, `ca.crt`, `tls.crt` and `tls.key`",
            };
            return Err(secret.add(Finding::at(secret.place, message).hint(hint)));
        }
    };
    Ok((login, tls))
}

fn ssh(secret: &Secret<'_>) -> Checked<access::GitLogin> {
    let value = |key: &str| match secret.filled(key)? {
        Some(value) => Ok(value),
        None => Err(secret.error(format!("{}: invalid 'ssh' auth option: {} is required", secret.noun(), quote(key)))),
    };
    let key = value("identity")?;
    let known_hosts = value("known_hosts")?;
    if !(key.contains("-----BEGIN ") && key.contains("PRIVATE KEY-----")) {
        return Err(secret.error(format!("{}: 'identity' is not a private key", secret.noun())));
    }
    let passphrase = secret.filled("password")?.map(access::Secret::from);
    Ok(access::GitLogin::Ssh(SshIdentity { key: key.into(), passphrase, known_hosts }))
}

fn quote(key: &str) -> String {
    quoted(key).replace('`', "'")
}

/// Reads the Docker configuration in a secret.
mod logins {
    use access::RegistryLogin;
    use access::dockerconfig::{self, Error};

    pub(super) fn config(text: &str) -> Result<Vec<RegistryLogin>, Error> {
        dockerconfig::parse(text.as_bytes()).map(|config| config.logins)
    }

    pub(super) fn legacy(text: &str) -> Result<Vec<RegistryLogin>, Error> {
        dockerconfig::parse_legacy(text.as_bytes())
    }
}
