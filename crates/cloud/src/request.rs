//! What is asked of a server, and what it answers, as values.

use access::Secret;
use jiff::Timestamp;
use reqwest::Method;
use url::Url;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Names in lower case. Values may be secret.
    pub(crate) headers: Vec<(&'static str, Secret)>,
    pub(crate) body: Option<Secret>,
    /// As whom or for what, for messages: `it refuses …`.
    pub(crate) subject: String,
    pub(crate) place: Place,
}

/// What kind of server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A service of the network.
    Service,
    /// Something of the machine itself, or of its node, that answers at once if it is there. No proxy is asked.
    Near,
}

/// What a server answered; its status says success.
#[derive(Debug)]
pub(crate) struct Answer {
    /// As messages show it.
    pub(crate) url: String,
    pub(crate) body: Secret,
    /// The server's word for who it is, of `Metadata-Flavor`.
    pub(crate) flavor: Option<String>,
    /// What time it is, by the server's clock where it says so.
    pub(crate) now: Timestamp,
}

impl Request {
    pub(crate) fn get(url: Url, subject: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: None,
            subject: subject.into(),
            place: Place::Service,
        }
    }

    pub(crate) fn post(url: Url, content_type: &'static str, body: String, subject: impl Into<String>) -> Self {
        let request = Self { method: Method::POST, body: Some(body.into()), ..Self::get(url, subject) };
        request.with("content-type", content_type)
    }

    /// A form, with its fields in the given order.
    pub(crate) fn form(url: Url, fields: &[(&str, &str)], subject: impl Into<String>) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::post(url, "application/x-www-form-urlencoded", body, subject)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Secret>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn near(self) -> Self {
        Self { place: Place::Near, ..self }
    }
}
