//! Mail, by SMTP.

use std::time::Duration;

use access::ExposeSecret as _;
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Identity, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::time::timeout;

use super::exchange::{Exchange, Failure};
use super::target::{Mail, Route, Security};
use super::text::Letter;

/// The longest text, in characters.
pub(crate) const TEXT: usize = 100_000;

/// How long the server may take for a step, and for all of them.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(60);

/// How much of what the server says is repeated, in characters.
const MAX_SAID: usize = 200;

impl Mail {
    /// Whether a text is a mailbox, `NAME <ADDRESS>` or an address.
    #[must_use]
    pub fn is_mailbox(text: &str) -> bool {
        text.parse::<Mailbox>().is_ok()
    }
}

pub(crate) async fn send(
    exchange: &Exchange,
    (mail, route): (&Mail, &Route),
    letter: &Letter,
) -> Result<Duration, Failure> {
    let host = format!("{}:{}", mail.host, mail.port);
    if let Some(login) = &mail.login {
        exchange.sent.remember_login(login);
        exchange.sent.remember_secret(login.password.expose_secret());
    }
    let message = write(mail, letter).map_err(Failure::Never)?;
    let transport = transport(mail, route).map_err(|why| Failure::Never(format!("{host} cannot be reached: {why}")))?;
    match timeout(TIMEOUT, transport.send(message)).await {
        Ok(Ok(_)) => Ok(Duration::ZERO),
        Ok(Err(error)) => {
            let said = words::one_line(&exchange.sent.hide(&web::reason(&error)), MAX_SAID);
            let why = format!("{host} does not take the mail: {said}");
            // A server without STARTTLS has none later.
            let is_final = error.is_permanent() || error.is_client();
            Err(if is_final { Failure::Never(why) } else { Failure::later(why) })
        }
        Err(_) => Err(Failure::later(format!("{host} has not taken the mail within {} s", TIMEOUT.as_secs()))),
    }
}

fn write(mail: &Mail, letter: &Letter) -> Result<Message, String> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|_| format!("{} is no mailbox", words::escape(text)));
    let mut message =
        Message::builder().from(mailbox(&mail.from)?).subject(&letter.subject).date_now().message_id(None);
    for to in &mail.to {
        message = message.to(mailbox(to)?);
    }
    let body = letter.body.lines().collect::<Vec<_>>().join("\r\n") + "\r\n";
    message.singlepart(SinglePart::plain(body)).map_err(|error| format!("the mail cannot be written: {error}"))
}

fn transport(mail: &Mail, route: &Route) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let tls = match mail.security {
        Security::Tls => Tls::Wrapper(parameters(mail, route)?),
        Security::StartTls => Tls::Required(parameters(mail, route)?),
        Security::Plain => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(mail.host.as_str())
        .port(mail.port)
        .tls(tls)
        .timeout(Some(STEP_TIMEOUT));
    if let Some(login) = &mail.login {
        let password = login.password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(login.username.clone(), password));
    }
    Ok(builder.build())
}

fn parameters(mail: &Mail, route: &Route) -> Result<TlsParameters, String> {
    let why = |error: lettre::transport::smtp::Error| web::reason(&error);
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(ca) = &route.tls.ca {
        builder = builder.add_root_certificate(Certificate::from_pem(ca.as_bytes()).map_err(why)?);
    }
    if let Some(identity) = &route.tls.identity {
        let key = identity.key.expose_secret().as_bytes();
        builder = builder.identify_with(Identity::from_pem(identity.certificate.as_bytes(), key).map_err(why)?);
    }
    builder.build().map_err(why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_mail_says_how_its_text_is_written() {
        let mail = Mail {
            host: "mail.example.com".to_owned(),
            port: 587,
            security: Security::StartTls,
            login: None,
            from: "bot@example.com".to_owned(),
            to: vec!["ops@example.com".to_owned()],
        };
        let letter =
            Letter { subject: "größer".to_owned(), body: "größer 🟢\nnext".to_owned(), is_theirs: false };
        let text = String::from_utf8(write(&mail, &letter).unwrap().formatted()).unwrap();
        assert!(text.is_ascii(), "{text}");
        for line in ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        let encoding = text.lines().find_map(|line| line.strip_prefix("Content-Transfer-Encoding: ")).unwrap();
        assert!(["base64", "quoted-printable"].contains(&encoding), "{text}");
    }
}
