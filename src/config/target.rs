//! Where notifications go: the part of `Notification` and of Flux's `Provider` that names a service, and its secrets.

use std::sync::Arc;

use access::{Login, Proxy, Tls};
use forge::Product;
use notify::{Account, Chat, Form, Http, Mail, Route, Security, Service, Status, Writer};
use tagwright_core::automation::ObjectName;
use url::Url;

use super::credentials;
use super::decode::Fields;
use super::policies::Context;
use super::report::{Checked, Finding, Report, Reported, quoted};
use super::secrets::Secret;
use super::text::Text;

/// Slack's API, to which a token goes where no address is given.
const SLACK: &str = "https://slack.com/api/chat.postMessage";

/// What a status is known by where nothing is said of it.
const CONTEXT: &str = "tagwright";

/// The longest address, in bytes.
const MAX_ADDRESS: usize = 4096;

/// How many headers a secret may have.
const MAX_HEADERS: usize = 50;

/// Which service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Slack,
    Teams,
    Discord,
    Generic,
    GenericHmac,
    Mail,
    Status(Product),
}

const KINDS: [(&str, Kind); 10] = [
    ("slack", Kind::Slack),
    ("msteams", Kind::Teams),
    ("discord", Kind::Discord),
    ("generic", Kind::Generic),
    ("generic-hmac", Kind::GenericHmac),
    ("github", Kind::Status(Product::GitHub)),
    ("gitlab", Kind::Status(Product::GitLab)),
    ("gitea", Kind::Status(Product::Gitea)),
    ("forgejo", Kind::Status(Product::Forgejo)),
    ("email", Kind::Mail),
];

/// Those that Flux knows, too.
const OF_FLUX: usize = 8;

const SECURITIES: [(&str, Security); 3] =
    [("starttls", Security::StartTls), ("tls", Security::Tls), ("none", Security::Plain)];

/// Where notifications go, with secrets still to be looked up.
#[derive(Debug)]
pub(super) struct Place {
    kind: Kind,
    /// Where the type stands.
    word: Text,
    given: Given,
    is_cloud_event: bool,
    mail: Option<MailFields>,
    context: String,
    environment: String,
    form: Form,
}

/// What is given of all services.
#[derive(Debug)]
struct Given {
    address: Option<Text>,
    channel: String,
    username: String,
    secret: Option<Text>,
    certificates: Option<Text>,
    proxy: Option<Text>,
}

#[derive(Debug)]
struct MailFields {
    host: Text,
    port: Option<u16>,
    security: Security,
    from: Text,
    to: Vec<Text>,
}

impl Kind {
    /// The fields of [`native`] that only others have a use for.
    const fn lost(self) -> &'static [&'static str] {
        match self {
            Self::Slack => &["cloudEvents", "email", "context", "environment", "checkRun"],
            Self::Discord => &["channel", "cloudEvents", "email", "context", "environment", "checkRun"],
            Self::Teams => &["channel", "username", "cloudEvents", "email", "context", "environment", "checkRun"],
            Self::Generic | Self::GenericHmac => {
                &["channel", "username", "email", "context", "environment", "checkRun"]
            }
            Self::Mail => &["address", "channel", "username", "cloudEvents", "context", "environment", "checkRun"],
            Self::Status(Product::GitHub) => &["channel", "username", "cloudEvents", "email"],
            Self::Status(_) => &["channel", "username", "cloudEvents", "email", "checkRun"],
        }
    }
}

impl Place {
    /// Whether commits are given a status there.
    pub(super) const fn is_status(&self) -> bool {
        matches!(self.kind, Kind::Status(_))
    }

    /// Says which of these fields are there and have no effect.
    pub(super) fn has_no_use_for(&self, spec: &Fields<'_>, names: &[&'static str]) {
        for name in names {
            if let Some(at) = spec.key(name) {
                let message = format!("`{}` has no effect for type `{}`", spec.path(name), self.word.value);
                spec.report().idle(at, message);
            }
        }
    }

    /// The secrets that it names.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Text> {
        [&self.given.secret, &self.given.certificates, &self.given.proxy].into_iter().flatten()
    }
}

/// Reads where a `Notification` goes.
pub(super) fn native(spec: &mut Fields<'_>) -> Option<Place> {
    let report = spec.report();
    let word = spec.required_text("type");
    let kind = word.as_ref().and_then(|word| {
        let known = KINDS.iter().find(|(known, _)| *known == word.value).map(|(_, kind)| *kind);
        if known.is_none() {
            report.no_word(word, &KINDS.map(|(word, _)| word));
        }
        known
    });
    let given = given(spec);
    let mail = spec.optional_fields("email", mail);
    let is_cloud_event = spec.flag("cloudEvents");
    let form = if spec.flag("checkRun") { Form::CheckRun } else { Form::Status };
    let (context, environment) = (spec.filled_text("context"), spec.filled_text("environment"));
    let (kind, word, mail) = (kind?, word?, mail?);
    let context = context.map_or_else(|| CONTEXT.to_owned(), |text| text.value);
    let environment = environment.map(|text| text.value).unwrap_or_default();
    let has_mail = mail.is_some();
    let place = Place { kind, word, given: given?, is_cloud_event, mail, context, environment, form };
    place.has_no_use_for(spec, kind.lost());
    if kind == Kind::Mail && !has_mail {
        spec.missing("email");
        return None;
    }
    if let Some(proxy) = place.given.proxy.as_ref().filter(|_| kind == Kind::Mail) {
        let message = format!("`{}`: mail goes to its server without a proxy", spec.path("proxySecretRef"));
        report.add(Finding::at(proxy.place, message).hint("leave it out, or send to a server that is reached so"));
        return None;
    }
    Some(place)
}

/// Reads where a `Provider` of Flux goes: `Some(None)` where that is for Flux alone.
#[expect(clippy::option_option, reason = "absent is not wrong, as everywhere here")]
pub(super) fn of_flux(spec: &mut Fields<'_>) -> Option<Option<Place>> {
    let report = spec.report();
    let word = spec.required_text("type");
    let given = given(spec);
    // An address of a proxy in the document is what `proxySecretRef` took the place of.
    if let Some(proxy) = spec.filled_text("proxy") {
        report.mask(proxy.place);
        let message = format!("`{}` has no effect here: name a secret with `address` in `proxySecretRef`", proxy.path);
        report.idle(proxy.place, message);
    }
    let word = word?;
    let Some((_, kind)) = KINDS[..OF_FLUX].iter().find(|(known, _)| *known == word.value) else {
        let message = format!("passed over a Provider, since {} is not sent to from here", quoted(&word.value));
        report.notice_at(word.place, message);
        return Some(None);
    };
    let (context, environment) = (CONTEXT.to_owned(), String::new());
    let (given, form) = (given?, Form::Status);
    Some(Some(Place { kind: *kind, word, given, is_cloud_event: false, mail: None, context, environment, form }))
}

/// What both have.
fn given(spec: &mut Fields<'_>) -> Option<Given> {
    let report = spec.report();
    let address = spec.filled_text("address");
    // One of a webhook is as good as a password.
    if let Some(address) = &address {
        report.mask(address.place);
    }
    let text = |text: Option<Text>| text.map(|text| text.value).unwrap_or_default();
    let (channel, username) = (text(spec.filled_text("channel")), text(spec.filled_text("username")));
    let references = ["secretRef", "certSecretRef", "proxySecretRef"];
    let is_there = references.map(|name| spec.key(name).is_some());
    let [secret, certificates, proxy] = references.map(|name| spec.reference(name));
    // One that is there and wrong was reported.
    let is_right = is_there == [secret.is_some(), certificates.is_some(), proxy.is_some()];
    is_right.then_some(Given { address, channel, username, secret, certificates, proxy })
}

fn mail(mut fields: Fields<'_>) -> Option<MailFields> {
    let report = fields.report();
    let host = fields.required_text("host");
    let port = fields.optional("port", |text| match text.parse::<u16>() {
        Ok(port @ 1..) => Ok(port),
        _ => Err("not a port"),
    });
    let security = fields.one_of("security", &SECURITIES).map_or(Security::StartTls, |(security, _)| security);
    let from = fields.required_text("from");
    if fields.key("to").is_none() {
        fields.missing("to");
    }
    let to = fields.texts("to").unwrap_or_default();
    fields.finish();
    let mut is_right = !to.is_empty();
    for text in from.iter().chain(&to) {
        if !Mail::is_mailbox(&text.value) {
            let message = format!("`{}` is no mailbox: {}", text.path, quoted(&text.value));
            report.add(Finding::at(text.place, message).hint("write `NAME <ADDRESS>`, or an address"));
            is_right = false;
        }
    }
    let found = MailFields { host: host?, port: port?, security, from: from?, to };
    is_right.then_some(found)
}

/// Looks up the secrets of a place. None where secrets are no concern. What cannot be used of a `Provider` of Flux is for Flux alone, and
/// is said in a note.
pub(super) fn resolve(context: &Context<'_>, owner: Owner<'_>, place: &Place) -> Checked<Option<Arc<notify::Target>>> {
    let (Owner::Native(ObjectName { namespace, .. }) | Owner::Flux(ObjectName { namespace, .. })) = owner;
    let look_up = |text: &Option<Text>| -> Checked<Option<Secret<'_>>> {
        let Some(text) = text else { return Ok(None) };
        let id = ObjectName { namespace: namespace.clone(), name: text.value.clone() };
        context.secrets.secret(&id, text.place)
    };
    // All of them, so that all that is wrong is said.
    let (secret, certificates, proxy) =
        (look_up(&place.given.secret), look_up(&place.given.certificates), look_up(&place.given.proxy));
    let (secret, certificates, proxy) = (secret?, certificates?, proxy?);
    if !context.report.is_for_run() {
        return Ok(None);
    }
    let tls = certificates.as_ref().map_or_else(|| Ok(Tls::default()), credentials::tls)?;
    let proxy: Option<Proxy> = proxy.as_ref().map(credentials::proxy).transpose()?;
    let found = Found { report: context.report, owner, place, secret };
    if let (true, Some(_), Some(certificates)) = (place.is_status(), &tls.identity, &certificates) {
        let message = format!("{}: type `{}` has no use for 'tls.crt'", certificates.noun(), place.word.value);
        return Err(found.refuse(certificates.place, message, "leave it and 'tls.key' out: the token is who it is"));
    }
    let service = match place.kind {
        Kind::Slack => Service::Slack(found.chat(Some(SLACK))?),
        Kind::Teams => Service::Teams(found.chat(None)?),
        Kind::Discord => Service::Discord(found.chat(None)?),
        Kind::Generic | Kind::GenericHmac => Service::Http(found.http()?),
        Kind::Mail => Service::Mail(found.mail()?),
        Kind::Status(product) => Service::Status(found.status(product)?),
    };
    Ok(Some(Arc::new(notify::Target { service, route: Route { tls, proxy, elsewhere: false } })))
}

/// Whose place it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner<'o> {
    /// A `Notification` of this name.
    Native(&'o ObjectName),
    /// A `Provider` of this name.
    Flux(&'o ObjectName),
}

/// A place with its secret.
struct Found<'f> {
    report: &'f Report,
    owner: Owner<'f>,
    place: &'f Place,
    secret: Option<Secret<'f>>,
}

impl Found<'_> {
    /// Says that it cannot be used.
    fn refuse(&self, place: super::yaml::Place, message: String, hint: &str) -> Reported {
        match self.owner {
            Owner::Native(_) => self.report.add(Finding::at(place, message).hint(hint)),
            Owner::Flux(id) => {
                self.report.notice_at(place, format!("passed over Provider {id}, since {message}"));
                Reported
            }
        }
    }

    /// The value of a key of the secret.
    fn value(&self, key: &str) -> Checked<Option<String>> {
        let Some(secret) = &self.secret else { return Ok(None) };
        Ok(secret.filled(key)?.map(|value| value.trim().to_owned()))
    }

    /// The value of a key that has to be there.
    fn needed(&self, key: &str) -> Checked<String> {
        if let Some(value) = self.value(key)? {
            return Ok(value);
        }
        let word = &self.place.word;
        Err(match &self.secret {
            Some(secret) => {
                let hint = format!("give it the key `{key}`");
                self.refuse(secret.place, format!("{}: key '{key}' not found", secret.noun()), &hint)
            }
            None => {
                let message = format!("type `{}` needs a secret with `{key}`", word.value);
                self.refuse(word.place, message, "name it in `secretRef`")
            }
        })
    }

    /// The address: that of the secret, which wins, or that of the document. Where what goes there is secret, it goes there in TLS.
    fn address(&self, is_secret: bool) -> Checked<Option<Url>> {
        let Place { word, given: Given { address, .. }, .. } = self.place;
        let (text, place, is_secret) = match (self.value("address")?, address) {
            (Some(text), _) => (text, self.secret.as_ref().map_or(word.place, |secret| secret.place), true),
            (None, Some(text)) => (text.value.trim().to_owned(), text.place, is_secret),
            (None, None) => return Ok(None),
        };
        let wrong = |why: &str| {
            let hint = "write an address with https://; one with http:// is taken for this machine, and where nothing secret goes along";
            Err(self.refuse(place, format!("the address of type `{}` {why}", word.value), hint))
        };
        let url = match Url::parse(&text) {
            _ if text.len() > MAX_ADDRESS => return wrong(&format!("is longer than {MAX_ADDRESS} bytes")),
            Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) => url,
            _ => return wrong("is no URL"),
        };
        match url.scheme() {
            _ if !url.username().is_empty() || url.password().is_some() => wrong("has a login in it"),
            "https" => Ok(Some(url)),
            "http" if !is_secret || web::is_loopback(&url) => Ok(Some(url)),
            "http" => wrong("begins with http://, and something secret goes there"),
            _ => wrong("begins with neither https:// nor http://"),
        }
    }

    fn required(&self, is_secret: bool) -> Checked<Url> {
        let word = &self.place.word;
        self.address(is_secret)?.ok_or_else(|| {
            let message = format!("type `{}` needs an address", word.value);
            let hint = "write it in `address`, or as `address` in the secret that `secretRef` names";
            self.refuse(word.place, message, hint)
        })
    }

    fn chat(&self, by_token: Option<&str>) -> Checked<Chat> {
        let Place { word, given: Given { channel, username, .. }, .. } = self.place;
        let token = self.value("token")?;
        let account = match (by_token, token) {
            (Some(api), Some(token)) => {
                if channel.is_empty() {
                    let message = format!("type `{}` with a token needs a channel", word.value);
                    return Err(self.refuse(word.place, message, "name it in `channel`"));
                }
                let address = self.address(true)?;
                let address = address.or_else(|| Url::parse(api).ok());
                Account::Token(address.map_or_else(|| self.required(true), Ok)?, token.into())
            }
            _ => Account::Webhook(String::from(self.required(true)?).into()),
        };
        Ok(Chat { account, channel: channel.clone(), username: username.clone() })
    }

    fn http(&self) -> Checked<Http> {
        let is_signed = self.place.kind == Kind::GenericHmac;
        let key = if is_signed { Some(self.needed("token")?.into()) } else { None };
        let mut headers = self.headers()?;
        if let Some(token) = self.value("token")?.filter(|_| !is_signed) {
            headers.push(("authorization".to_owned(), format!("Bearer {token}").into()));
        }
        let address = self.required(!headers.is_empty())?;
        let address = String::from(address).into();
        Ok(Http { address, headers, key, is_cloud_event: self.place.is_cloud_event })
    }

    /// `headers`: a line `NAME: VALUE` for each.
    fn headers(&self) -> Checked<Vec<(String, access::Secret)>> {
        let Some((secret, text)) = self.secret.as_ref().zip(self.value("headers")?) else { return Ok(Vec::new()) };
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let read = lines.iter().take(MAX_HEADERS + 1).map(|line| {
            let (name, value) = line.split_once(':')?;
            let (name, value) = (name.trim().trim_matches(['"', '\'']), value.trim().trim_matches(['"', '\'']));
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            let is_value = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            (is_name && is_value).then(|| (name.to_ascii_lowercase(), access::Secret::from(value.to_owned())))
        });
        let headers: Option<Vec<_>> = read.collect();
        headers.filter(|headers| headers.len() <= MAX_HEADERS).ok_or_else(|| {
            let message =
                format!("{}: 'headers' has no lines `NAME: VALUE`, or more than {MAX_HEADERS}", secret.noun());
            self.refuse(secret.place, message, "write a line for each header")
        })
    }

    fn mail(&self) -> Checked<Mail> {
        let Some(MailFields { host, port, security, from, to }) = &self.place.mail else {
            return Err(self.report.error(self.place.word.place, "type `email` needs `email`"));
        };
        let login = match (self.value("username")?, self.value("password")?) {
            (Some(username), password) => Some(Login { username, password: password.unwrap_or_default().into() }),
            (None, _) => None,
        };
        let is_here = Url::parse(&format!("http://{}/", host.value)).is_ok_and(|url| web::is_loopback(&url));
        if *security == Security::Plain && login.is_some() && !is_here {
            let message = format!("`{}`: a login does not go to a mail server in the clear", host.path);
            let finding = Finding::at(host.place, message);
            return Err(self.report.add(finding.hint("write `security: starttls` or `security: tls`")));
        }
        let usual = match security {
            Security::Tls => 465,
            Security::StartTls => 587,
            Security::Plain => 25,
        };
        Ok(Mail {
            host: host.value.clone(),
            port: port.unwrap_or(usual),
            security: *security,
            login,
            from: from.value.clone(),
            to: to.iter().map(|text| text.value.clone()).collect(),
        })
    }

    fn status(&self, product: Product) -> Checked<Status> {
        let Place { word, context, environment, form, .. } = self.place;
        let app = self.secret.as_ref().filter(|_| product == Product::GitHub);
        let app = app.map(|secret| Ok((credentials::has_github_app(secret)?, secret))).transpose()?;
        let writer = match app {
            Some((true, secret)) => Writer::App(Box::new(credentials::github_app(secret)?)),
            _ if *form == Form::CheckRun && product == Product::GitHub => {
                let hint = "give the secret `githubAppID`, `githubAppInstallationID` or `githubAppInstallationOwner`, and \
                            `githubAppPrivateKey`; or leave `checkRun` out";
                let message = "`spec.checkRun`: GitHub takes check runs from an App alone".to_owned();
                return Err(self.refuse(word.place, message, hint));
            }
            _ => Writer::Token(self.needed("token")?.into()),
        };
        let form = if product == Product::GitHub { *form } else { Form::Status };
        let address = self.required(true)?;
        Ok(Status { product, address, writer, form, context: context.clone(), environment: environment.clone() })
    }
}
