//! Where notifications go.

use access::{Distinct, Fingerprint, GithubApp, Login, Marks, Proxy, Secret, Tls};
use forge::Product;
use url::Url;

/// Where notifications go, and what that takes.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which service it is.
    pub service: Service,
    /// How it is reached.
    pub route: Route,
}

/// Which service notifications go to.
#[derive(Debug, Clone)]
pub enum Service {
    /// Slack.
    Slack(Chat),
    /// Microsoft Teams.
    Teams(Chat),
    /// Discord.
    Discord(Chat),
    /// A program.
    Http(Http),
    /// Mailboxes.
    Mail(Mail),
    /// Commits at a forge.
    Status(Status),
}

/// How something is reached.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// Authorities beside the system's, and the client's own certificate.
    pub tls: Tls,
    /// The proxy; without one that of the environment.
    pub proxy: Option<Proxy>,
    /// Whether it must lead off this machine, and further than to what is on its link: whoever has named the target has no business there.
    pub elsewhere: bool,
}

/// A chat.
#[derive(Debug, Clone)]
pub struct Chat {
    /// How one gets in.
    pub account: Account,
    /// The channel; empty for the one that a webhook is for.
    pub channel: String,
    /// The name to write under; empty for the service's own choice.
    pub username: String,
}

/// How one gets into a chat.
#[derive(Debug, Clone)]
pub enum Account {
    /// By an address that nobody else knows.
    Webhook(Address),
    /// By a token, at an address that is no secret.
    Token(Url, Secret),
}

/// An address that is as secret as the token in it. It shows nothing but the host.
pub type Address = Secret;

/// A program that takes events.
#[derive(Debug, Clone)]
pub struct Http {
    /// Its address.
    pub address: Address,
    /// Further headers.
    pub headers: Vec<(String, Secret)>,
    /// The key that bodies are signed with: `X-Signature: sha256=HEX`, as Flux's `generic-hmac` has it.
    pub key: Option<Secret>,
    /// Whether an event is sent as a CloudEvent.
    pub is_cloud_event: bool,
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// In TLS from the beginning.
    Tls,
    /// In TLS after `STARTTLS`, without which nothing is said.
    StartTls,
    /// In the clear.
    Plain,
}

/// Mailboxes.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The host of the mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// The login there.
    pub login: Option<Login>,
    /// The sender, `NAME <ADDRESS>` or an address.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

/// Commits at a forge that are given a status.
#[derive(Debug, Clone)]
pub struct Status {
    /// The forge.
    pub product: Product,
    /// The address of a repository, or of those who have several: `https://github.com/acme`. No other is written to.
    pub address: Url,
    /// Who writes.
    pub writer: Writer,
    /// What is written.
    pub form: Form,
    /// What that is known by in its commit.
    pub context: String,
    /// Where images are deployed, as people call it.
    pub environment: String,
}

/// Who writes to commits.
#[derive(Debug, Clone)]
pub enum Writer {
    /// Whoever has this token.
    Token(Secret),
    /// An App of GitHub.
    App(Box<GithubApp>),
}

/// What a commit is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A status.
    Status,
    /// A check run, of GitHub and by an App alone.
    CheckRun,
}

impl Target {
    /// The word for its type, in documents and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.service {
            Service::Slack(_) => "slack",
            Service::Teams(_) => "msteams",
            Service::Discord(_) => "discord",
            Service::Http(Http { key: None, .. }) => "generic",
            Service::Http(_) => "generic-hmac",
            Service::Mail(_) => "email",
            Service::Status(status) => match status.product {
                Product::GitHub => "github",
                Product::GitLab => "gitlab",
                Product::Forgejo => "forgejo",
                _ => "gitea",
            },
        }
    }

    /// Whether commits are given a status there.
    #[must_use]
    pub const fn is_status(&self) -> bool {
        matches!(self.service, Service::Status(_))
    }

    /// The same, off this machine and its link alone.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        Self { route: Route { elsewhere: true, ..self.route.clone() }, ..self.clone() }
    }

    /// Whether it, or the proxy on the way to it, is written so that it can only be this machine, or on its link.
    #[must_use]
    pub fn is_at_hand(&self) -> bool {
        let is_so = |url: Option<Url>| url.is_some_and(|url| web::is_at_hand(&url));
        is_so(self.url()) || self.route.proxy.as_ref().is_some_and(|proxy| is_so(Url::parse(&proxy.address).ok()))
    }

    /// The address that is asked, without what is secret of it.
    pub(crate) fn url(&self) -> Option<Url> {
        let (host, port) = self.host();
        let is_plain = match &self.service {
            Service::Slack(chat) | Service::Teams(chat) | Service::Discord(chat) => match &chat.account {
                Account::Webhook(address) => url(address).is_some_and(|url| url.scheme() == "http"),
                Account::Token(url, _) => url.scheme() == "http",
            },
            Service::Http(http) => url(&http.address).is_some_and(|url| url.scheme() == "http"),
            Service::Mail(_) => false,
            Service::Status(status) => status.address.scheme() == "http",
        };
        let scheme = if is_plain { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{host}:{port}/")).ok()
    }

    /// The host and the port that are asked.
    #[must_use]
    pub fn host(&self) -> (String, u16) {
        let of =
            |url: &Url| (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or(443));
        match &self.service {
            Service::Slack(chat) | Service::Teams(chat) | Service::Discord(chat) => match &chat.account {
                Account::Webhook(address) => url(address).as_ref().map(of).unwrap_or_default(),
                Account::Token(url, _) => of(url),
            },
            Service::Http(http) => url(&http.address).as_ref().map(of).unwrap_or_default(),
            Service::Mail(mail) => (mail.host.clone(), mail.port),
            Service::Status(status) => of(&status.address),
        }
    }
}

/// An address as a URL.
pub(crate) fn url(address: &Address) -> Option<Url> {
    use access::ExposeSecret as _;
    Url::parse(address.expose_secret()).ok()
}

impl Distinct for Target {
    /// Those that are alike are one place, with one queue.
    fn mark(&self, marks: &mut Marks) {
        self.kind().mark(marks);
        match &self.service {
            Service::Slack(chat) | Service::Teams(chat) | Service::Discord(chat) => {
                let Chat { account, channel, username } = chat;
                match account {
                    Account::Webhook(address) => address.mark(marks),
                    Account::Token(url, token) => {
                        url.as_str().mark(marks);
                        token.mark(marks);
                    }
                }
                channel.mark(marks);
                username.mark(marks);
            }
            Service::Http(Http { address, headers, key, is_cloud_event }) => {
                address.mark(marks);
                for (name, value) in headers {
                    name.mark(marks);
                    value.mark(marks);
                }
                key.mark(marks);
                (if *is_cloud_event { "cloud" } else { "plain" }).mark(marks);
            }
            Service::Mail(Mail { host, port, security, login, from, to }) => {
                host.mark(marks);
                format!("{port} {security:?}").mark(marks);
                login.mark(marks);
                from.mark(marks);
                to.join("\n").mark(marks);
            }
            Service::Status(Status { product, address, writer, form, context, environment }) => {
                product.name().mark(marks);
                address.as_str().mark(marks);
                match writer {
                    Writer::Token(token) => token.mark(marks),
                    Writer::App(app) => app.mark(marks),
                }
                (if *form == Form::CheckRun { "check run" } else { "status" }).mark(marks);
                context.mark(marks);
                environment.mark(marks);
            }
        }
        let Route { tls, proxy, elsewhere } = &self.route;
        tls.mark(marks);
        proxy.mark(marks);
        (if *elsewhere { "elsewhere" } else { "anywhere" }).mark(marks);
    }
}

impl Target {
    /// What tells it from others, for as long as nothing of it changes.
    pub(crate) fn key(&self) -> Fingerprint {
        self.fingerprint()
    }
}
