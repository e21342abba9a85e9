//! What somebody asks for: by a flag, and by the variables of the [specification] of OpenTelemetry.
//!
//! The variables for traces alone come before those for everything, and a flag before both. One that is empty counts as not there. What is
//! wrong with one of them is an error only where traces are asked for at all.
//!
//! [specification]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/

use std::path::Path;
use std::time::Duration;

use access::TlsIdentity;
use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;
use url::Url;

/// How long a collector may take to answer, unless it is said otherwise: 10 s, as the specification has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that it may be told to take.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// Where a collector is that is asked for without an address.
const DEFAULT_ENDPOINT: &str = "http://localhost:4318";
/// What is put behind an address that is for everything.
const PATH: &str = "v1/traces";
/// The one form in which spans are sent.
const PROTOCOL: &str = "http/protobuf";
/// The largest file with certificates or a key, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The variables of one setting: that for traces, and that for everything.
type Names = [&'static str; 2];

const PROTOCOLS: Names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const COMPRESSIONS: Names = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
const HEADERS: Names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const TIMEOUTS: Names = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const CERTIFICATES: Names = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
const CLIENT_CERTIFICATES: Names =
    ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
const CLIENT_KEYS: Names = ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];

/// The name of the service, unless it is said otherwise.
const SERVICE: &str = "tagwright";

/// Why traces cannot be sent as they are asked for. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// A variable has a value that is not supported, or none at all.
    #[error("{variable} is {value:?}, {wanted}")]
    Value {
        /// Its name.
        variable: String,
        /// What it has.
        value: String,
        /// What it may have.
        wanted: &'static str,
    },
    /// A variable, which may be secret, cannot be read.
    #[error("{variable} {reason}")]
    Secret {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file that a variable names cannot be read.
    #[error("cannot read {path}, which {variable} names: {reason}")]
    File {
        /// The variable.
        variable: String,
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Certificates, a key or a proxy cannot be used.
    #[error("traces cannot be sent: {0}")]
    Unusable(String),
}

/// Where spans are sent, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) endpoint: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) authority: Option<String>,
    pub(crate) identity: Option<TlsIdentity>,
    pub(crate) gzip: bool,
    pub(crate) sampler: Sampler,
    service: String,
    attributes: Vec<(String, String)>,
}

impl Settings {
    /// Reads what is asked for; none if nothing is. `flag` is the address that `named` has, on the command line, and `variable` tells the
    /// value of one. Reads the files that these name.
    ///
    /// # Errors
    /// Something is asked for that cannot be done.
    pub fn read(
        (named, flag): (&str, Option<&str>),
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Error> {
        let variables = Variables(&variable);
        if variables.one("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let exporter = variables.one("OTEL_TRACES_EXPORTER");
        let wanted = "and traces are sent as otlp, or not at all: none";
        match exporter.as_deref() {
            None | Some("otlp") => {}
            Some("none") if flag.is_none() => return Ok(None),
            Some("none") => {}
            Some(value) => return Err(refused("OTEL_TRACES_EXPORTER", value, wanted)),
        }
        let of_traces = variables.one("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let of_all = variables.one("OTEL_EXPORTER_OTLP_ENDPOINT");
        let endpoint = match (flag, of_traces, of_all) {
            (Some(flag), ..) => below(address(named, flag)?),
            (None, Some(whole), _) => address("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &whole)?,
            (None, None, Some(base)) => below(address("OTEL_EXPORTER_OTLP_ENDPOINT", &base)?),
            (None, None, None) if exporter.is_some() => below(address("OTEL_TRACES_EXPORTER", DEFAULT_ENDPOINT)?),
            (None, None, None) => return Ok(None),
        };
        if let Some((name, value)) = variables.of_traces(PROTOCOLS).filter(|(_, value)| value != PROTOCOL) {
            return Err(refused(name, &value, "and spans are sent as http/protobuf alone"));
        }
        let gzip = match variables.of_traces(COMPRESSIONS) {
            None => false,
            Some((_, value)) if value == "none" => false,
            Some((_, value)) if value == "gzip" => true,
            Some((name, value)) => return Err(refused(name, &value, "and may be gzip or none")),
        };
        Ok(Some(Self {
            endpoint,
            headers: variables.headers()?,
            timeout: variables.timeout()?,
            authority: variables.file(CERTIFICATES)?,
            identity: variables.identity()?,
            gzip,
            sampler: variables.sampler()?,
            service: variables.one("OTEL_SERVICE_NAME").unwrap_or_default(),
            attributes: variables.attributes()?,
        }))
    }

    /// Where spans are sent.
    #[must_use]
    pub fn collector(&self) -> String {
        web::show(&self.endpoint)
    }

    /// What is said of this process.
    pub(crate) fn resource(&self, version: &'static str) -> Vec<KeyValue> {
        let own = [
            KeyValue::new("service.name", SERVICE),
            KeyValue::new("service.version", version),
            KeyValue::new("telemetry.sdk.language", "rust"),
            KeyValue::new("telemetry.sdk.name", "opentelemetry"),
        ];
        let given = self.attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let name = Some(self.service.clone()).filter(|name| !name.is_empty());
        own.into_iter().chain(given).chain(name.map(|name| KeyValue::new("service.name", name))).collect()
    }
}

/// The variables of an environment.
struct Variables<'v>(&'v dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn one(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The variable for traces, or else that for everything.
    fn of_traces(&self, names: Names) -> Option<(&'static str, String)> {
        names.into_iter().find_map(|name| Some((name, self.one(name)?)))
    }

    fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        let Some((variable, text)) = self.of_traces(HEADERS) else { return Ok(headers) };
        for (name, value) in pairs(variable, &text)? {
            let unfit = |reason| Error::Secret { variable: variable.to_owned(), reason };
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit("has a name that no header can have"))?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| unfit("has a value that no header can have"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    fn timeout(&self) -> Result<Duration, Error> {
        let Some((name, value)) = self.of_traces(TIMEOUTS) else { return Ok(TIMEOUT) };
        let limit =
            value.parse().map(Duration::from_millis).ok().filter(|limit| !limit.is_zero() && *limit <= MAX_TIMEOUT);
        limit.ok_or_else(|| refused(name, &value, "and has to be milliseconds, 1 to 600000"))
    }

    fn file(&self, names: Names) -> Result<Option<String>, Error> {
        let Some((variable, path)) = self.of_traces(names) else { return Ok(None) };
        read(Path::new(&path)).map(Some).map_err(|reason| Error::File { variable: variable.to_owned(), path, reason })
    }

    fn identity(&self) -> Result<Option<TlsIdentity>, Error> {
        match (self.file(CLIENT_CERTIFICATES)?, self.file(CLIENT_KEYS)?) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(TlsIdentity { certificate, key: key.into() })),
            (Some(_), None) | (None, Some(_)) => Err(Error::Secret {
                variable: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE".to_owned(),
                reason: "goes together with OTEL_EXPORTER_OTLP_CLIENT_KEY, and one of them is not there",
            }),
        }
    }

    fn sampler(&self) -> Result<Sampler, Error> {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        let value = self.one(NAME).unwrap_or_else(|| "parentbased_always_on".to_owned());
        let inner = match value.trim_start_matches("parentbased_") {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::TraceIdRatioBased(self.ratio()?),
            _ => {
                let wanted = "and may be always_on, always_off, traceidratio, or parentbased_ and one of these";
                return Err(refused(NAME, &value, wanted));
            }
        };
        Ok(match value.starts_with("parentbased_") {
            true => Sampler::ParentBased(Box::new(inner)),
            false => inner,
        })
    }

    /// The part of traces that is sent; all where it is not said.
    fn ratio(&self) -> Result<f64, Error> {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(value) = self.one(NAME) else { return Ok(1.0) };
        let ratio = value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.ok_or_else(|| refused(NAME, &value, "and has to be a number from 0 to 1"))
    }

    fn attributes(&self) -> Result<Vec<(String, String)>, Error> {
        const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
        self.one(NAME).map_or_else(|| Ok(Vec::new()), |text| pairs(NAME, &text))
    }
}

fn refused(variable: &str, value: &str, wanted: &'static str) -> Error {
    Error::Value { variable: variable.to_owned(), value: value.to_owned(), wanted }
}

/// An address of a collector.
fn address(variable: &str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let variable = || variable.to_owned();
    let url = url.ok_or_else(|| Error::Secret {
        variable: variable(),
        reason: "is no address such as https://collector.example.com:4318",
    })?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        let reason = "has a login, a query or a fragment, which an address shows to everybody; what proves who sends goes into \
                      OTEL_EXPORTER_OTLP_HEADERS";
        return Err(Error::Secret { variable: variable(), reason });
    }
    Ok(url)
}

/// The address for traces below one for everything.
fn below(mut base: Url) -> Url {
    let path = format!("{}/{PATH}", base.path().trim_end_matches('/'));
    base.set_path(&path);
    base
}

/// Reads `key=value,key=value`, in which what is special is percent-encoded.
fn pairs(variable: &str, text: &str) -> Result<Vec<(String, String)>, Error> {
    let unfit = |reason| Error::Secret { variable: variable.to_owned(), reason };
    let decode = |text: &str| percent_decode_str(text.trim()).decode_utf8().map(String::from);
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').filter(|(key, _)| !key.trim().is_empty())?;
        decode(key).ok().zip(decode(value).ok())
    };
    parts.map(|part| pair(part).ok_or_else(|| unfit("has to be NAME=VALUE,NAME=VALUE, percent-encoded"))).collect()
}

fn read(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let system = |error: std::io::Error| web::words::system(&error.to_string());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(system)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(system)?;
    if text.len() as u64 > MAX_FILE {
        return Err("it has more than 1 MiB".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(flag: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<Settings>, Error> {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(("--otlp-endpoint", flag), value)
    }

    fn endpoint(flag: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        with(flag, variables).unwrap().map(|settings| settings.collector())
    }

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn nothing_is_on_that_nobody_asks_for() {
        let idle = [
            ("OTEL_SERVICE_NAME", "bot"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", " "),
        ];
        assert_eq!(endpoint(None, &idle), None);
        assert_eq!(endpoint(None, &[BASE, ("OTEL_TRACES_EXPORTER", "none")]), None);
        assert_eq!(endpoint(Some("http://flag"), &[("OTEL_SDK_DISABLED", "True")]), None);
    }

    #[test]
    fn the_address_is_the_flags_or_that_of_traces_or_that_of_everything() {
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example.com/in");
        assert_eq!(endpoint(None, &[BASE]).unwrap(), "http://collector:4318/v1/traces");
        assert_eq!(endpoint(None, &[BASE, traces]).unwrap(), "https://traces.example.com/in");
        assert_eq!(endpoint(Some("http://flag/otel"), &[BASE, traces]).unwrap(), "http://flag/otel/v1/traces");
        assert_eq!(endpoint(None, &[("OTEL_TRACES_EXPORTER", "otlp")]).unwrap(), "http://localhost:4318/v1/traces");
    }

    #[test]
    fn what_is_said_is_done() {
        let settings = [
            BASE,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret, X-Scope = team"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_SERVICE_NAME", "images"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=prod%2Ceu"),
        ];
        let settings = with(None, &settings).unwrap().unwrap();
        assert_eq!(settings.headers["authorization"], "Bearer s3cret");
        assert!(settings.headers["authorization"].is_sensitive());
        assert_eq!(settings.headers["x-scope"], "team");
        assert_eq!((settings.timeout, settings.gzip), (Duration::from_millis(2500), true));
        let sampler = format!("{:?}", settings.sampler);
        assert_eq!(sampler, "ParentBased(TraceIdRatioBased(0.25))");
        assert!(!format!("{settings:?}").contains("s3cret"));
        let resource = opentelemetry_sdk::Resource::builder_empty().with_attributes(settings.resource("1.0")).build();
        let value = |key: &'static str| resource.get(&key.into()).unwrap().to_string();
        assert_eq!((value("service.name"), value("service.version")), ("images".to_owned(), "1.0".to_owned()));
        assert_eq!(value("deployment.environment.name"), "prod,eu");
        let plain = with(None, &[BASE]).unwrap().unwrap();
        let resource = opentelemetry_sdk::Resource::builder_empty().with_attributes(plain.resource("1.0")).build();
        assert_eq!(resource.get(&"service.name".into()).unwrap().to_string(), "tagwright");
        assert_eq!((plain.timeout, plain.gzip), (TIMEOUT, false));
    }

    #[test]
    fn what_cannot_be_done_is_refused_and_no_secret_repeated() {
        let refused = |variables: &[(&str, &str)]| {
            let all: Vec<_> = [BASE].iter().chain(variables).copied().collect();
            with(None, &all).unwrap_err().to_string()
        };
        let file = "/nonexistent/ca.pem";
        for (name, value, said) in [
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "grpc",
                "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\", and spans are sent as http/protobuf alone",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf alone"),
            ("OTEL_TRACES_EXPORTER", "zipkin", "is \"zipkin\", and traces are sent as otlp, or not at all: none"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd", "may be gzip or none"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "has to be milliseconds"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "has to be milliseconds"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "NAME=VALUE"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cret", "no header can have"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%0A", "no header can have"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=x", "NAME=VALUE"),
            ("OTEL_TRACES_SAMPLER", "xray", "may be always_on"),
            (
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                file,
                "cannot read /nonexistent/ca.pem, which OTEL_EXPORTER_OTLP_CERTIFICATE names",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", "is no address"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://u:s3cret@collector", "has a login"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/?key=s3cret", "has a login"),
        ] {
            let error = refused(&[(name, value)]);
            assert!(error.contains(said), "{name}={value}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert!(refused(&ratio).contains("from 0 to 1"));
    }
}
