//! Why two sides do not come together by TLS, in the words of an operator.

use std::error::Error as StdError;
use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, OtherError};

/// How many names of a certificate are shown.
const MAX_NAMES: usize = 5;
/// The longest name of a certificate that is shown, in characters.
const MAX_NAME: usize = 100;
/// The longest text of the library that is shown, in characters.
const MAX_OTHER: usize = 200;

/// Why two sides do not come together by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// Nobody who is trusted vouches for the server's certificate.
    UnknownAuthority,
    /// The certificate is for other hosts.
    Name {
        /// The host that was asked.
        host: String,
        /// The names of the certificate, at most five; none where it has none that count.
        names: Vec<String>,
    },
    /// The certificate's time is over.
    Expired {
        /// Since when, where that is known.
        since: Option<Timestamp>,
    },
    /// The certificate's time has not come.
    NotYet {
        /// When it will, where that is known.
        from: Option<Timestamp>,
    },
    /// The certificate says that it is not for servers.
    Purpose,
    /// The certificate, or its signature, cannot be read or is too weak.
    Certificate,
    /// The server wants to see a certificate of ours.
    WantsIdentity,
    /// The server does not accept the certificate of ours.
    RefusesIdentity,
    /// The two sides have no version or way of encryption in common.
    Version,
    /// The server has nothing for this host name.
    UnknownHost,
    /// Plain HTTP came where TLS was expected.
    Plain,
    /// TLS, or nothing that is HTTP, came where plain HTTP was expected.
    Secure,
    /// Something else.
    Other(String),
}

impl TlsProblem {
    /// Finds what TLS has to do with a failure, if anything.
    #[must_use]
    pub fn of(error: &reqwest::Error) -> Option<Self> {
        let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
        match innermost(error) {
            Some(tls) => Some(Self::from(tls)),
            None if is_plain && is_unintelligible(error) => Some(Self::Secure),
            None => None,
        }
    }

    /// Whether it is about a certificate of the server.
    #[must_use]
    pub const fn is_about_trust(&self) -> bool {
        matches!(
            self,
            Self::UnknownAuthority
                | Self::Name { .. }
                | Self::Expired { .. }
                | Self::NotYet { .. }
                | Self::Purpose
                | Self::Certificate
        )
    }

    /// Whether an answer to plain HTTP says that its server wants TLS: 400, with the words of Go's, nginx's, Apache's, Tomcat's
    /// or Jetty's servers.
    #[must_use]
    pub fn is_said(url: &url::Url, status: reqwest::StatusCode, body: &[u8]) -> bool {
        const WORDS: [&str; 5] = [
            "HTTP request to an HTTPS server",
            "HTTP request was sent to HTTPS port",
            "speaking plain HTTP to an SSL-enabled server port",
            "combination of host and port requires TLS",
            "This host requires HTTPS",
        ];
        let text = String::from_utf8_lossy(body);
        url.scheme() == "http" && status.as_u16() == 400 && WORDS.iter().any(|words| text.contains(words))
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |time: &Option<Timestamp>| {
            time.map(|time| time.to_zoned(TimeZone::UTC).strftime(" on %Y-%m-%d at %H:%M UTC").to_string())
                .unwrap_or_default()
        };
        match self {
            Self::UnknownAuthority => {
                f.write_str("its certificate is self-signed or from an authority that is not trusted here")
            }
            Self::Name { host, names } if names.is_empty() => {
                write!(f, "its certificate is not for '{host}': it has no host names (subjectAltName)")
            }
            Self::Name { host, names } => write!(f, "its certificate is not for '{host}' but for {}", names.join(", ")),
            Self::Expired { since } => write!(f, "its certificate has ended{}", day(since)),
            Self::NotYet { from } => write!(f, "its certificate does not count yet; it begins{}", day(from)),
            Self::Purpose => f.write_str("its certificate says that it is not for servers"),
            Self::Certificate => f.write_str("its certificate cannot be read, or is signed in a way that is too weak"),
            Self::WantsIdentity => f.write_str("it wants a client certificate"),
            Self::RefusesIdentity => f.write_str("it does not accept the client certificate"),
            Self::Version => {
                f.write_str("it has no version of TLS (1.2 or 1.3) or no cipher in common with this program")
            }
            Self::UnknownHost => f.write_str("it has no certificate for this host name"),
            Self::Plain => f.write_str("it answers in plain HTTP, without TLS"),
            Self::Secure => f.write_str("it is asked in plain HTTP, and answers as one that speaks TLS"),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl From<&Error> for TlsProblem {
    fn from(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::from(error),
            Error::InvalidMessage(_) => Self::Plain,
            Error::AlertReceived(alert) => of_alert(*alert),
            Error::PeerIncompatible(_) => Self::Version,
            Error::NoCertificatesPresented | Error::UnsupportedNameType => Self::Certificate,
            other => Self::Other(words::one_line(&other.to_string(), MAX_OTHER)),
        }
    }
}

impl From<&CertificateError> for TlsProblem {
    fn from(error: &CertificateError) -> Self {
        use CertificateError as Problem;
        match error {
            // The second is one whose authority is known by name and has another key.
            Problem::UnknownIssuer | Problem::BadSignature => Self::UnknownAuthority,
            Problem::Other(OtherError(other)) => match other.downcast_ref() {
                // What these are would not matter if they were named themselves.
                Some(webpki::Error::CaUsedAsEndEntity | webpki::Error::UnsupportedCertVersion) => {
                    Self::UnknownAuthority
                }
                _ => Self::Certificate,
            },
            Problem::NotValidForName => Self::Name { host: String::new(), names: Vec::new() },
            Problem::NotValidForNameContext { expected, presented } => Self::Name {
                host: host(expected),
                names: presented.iter().take(MAX_NAMES).map(|name| words::one_line(&bare(name), MAX_NAME)).collect(),
            },
            Problem::Expired => Self::Expired { since: None },
            Problem::ExpiredContext { not_after, .. } => Self::Expired { since: timestamp(*not_after) },
            Problem::NotValidYet => Self::NotYet { from: None },
            Problem::NotValidYetContext { not_before, .. } => Self::NotYet { from: timestamp(*not_before) },
            Problem::InvalidPurpose | Problem::InvalidPurposeContext { .. } => Self::Purpose,
            _ => Self::Certificate,
        }
    }
}

fn of_alert(alert: AlertDescription) -> TlsProblem {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => TlsProblem::WantsIdentity,
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => TlsProblem::RefusesIdentity,
        Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::HandshakeFailure => TlsProblem::Version,
        Alert::UnrecognisedName => TlsProblem::UnknownHost,
        other => TlsProblem::Other(format!("it ends the connection with the alert {other:?}")),
    }
}

fn host(name: &ServerName<'_>) -> String {
    match name {
        ServerName::IpAddress(address) => std::net::IpAddr::from(*address).to_string(),
        name => words::one_line(&name.to_str(), MAX_NAME),
    }
}

/// Webpki names a name's kind: `DnsName("a.io")`, `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> String {
    let inner = name.strip_suffix(')').and_then(|name| name.split_once('(')).map_or(name, |(_, inner)| inner);
    inner.trim_matches('"').to_owned()
}

fn timestamp(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_second(time.as_secs().try_into().ok()?).ok()
}

/// Finds TLS's own reason in a failure.
fn innermost<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let inner = wrapped.and_then(|inner| inner.downcast_ref::<Error>());
        match inner.or_else(|| error.downcast_ref::<Error>()) {
            Some(tls) => return Some(tls),
            None => next = wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source()),
        }
    }
    None
}

/// Whether what came is no HTTP.
fn is_unintelligible(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        next = error.source();
    }
    false
}
