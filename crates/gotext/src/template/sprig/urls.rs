//! `urlParse` and `urlJoin`, after Go's package `net/url`.
//!
//! The `url` crate follows browsers: it wants a scheme, adds slashes and normalizes hosts, where Go keeps what was written.
//! So the parts are cut here, by the rules of RFC 3986 as Go applies them.

use crate::quote::{percent, quote};
use crate::template::context::{Context, Failure};
use crate::template::function::{Function, text};
use crate::template::value::{Entries, Parameter, Value};

/// The functions of this file.
pub(crate) const TABLE: &[Function] =
    &[Function::new("urlParse", &[Parameter::String], parse), Function::new("urlJoin", &[Parameter::Dict], join)];

fn parse(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let url = text(arguments, 0);
    let parts = Parts::read(url)
        .map_err(|reason| Failure::Call(format!("unable to parse url: parse {}: {reason}", quote(url))))?;
    let named = [
        ("scheme", parts.scheme.to_ascii_lowercase()),
        ("host", parts.host.clone()),
        ("hostname", hostname(&parts.host).to_owned()),
        ("path", parts.path),
        ("query", parts.query),
        ("opaque", parts.opaque),
        ("fragment", parts.fragment),
        ("userinfo", parts.userinfo),
    ];
    let entries: Result<Entries, Failure> =
        named.into_iter().map(|(name, part)| Ok((name.into(), context.string(part)?))).collect();
    context.dict(entries?)
}

#[derive(Debug, Default)]
struct Parts {
    scheme: String,
    userinfo: String,
    host: String,
    path: String,
    query: String,
    opaque: String,
    fragment: String,
}

impl Parts {
    fn read(url: &str) -> Result<Self, String> {
        if url.chars().any(|c| c.is_ascii_control()) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut parts = Self::default();
        let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
        parts.fragment = unescape(fragment)?;
        let (scheme, rest) = split_scheme(rest)?;
        parts.scheme = scheme.to_owned();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        parts.query = query.to_owned();
        if !rest.starts_with('/') && !scheme.is_empty() {
            parts.opaque = rest.to_owned();
            return Ok(parts);
        }
        if scheme.is_empty() && rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        let mut path = rest;
        if let Some(after) = rest.strip_prefix("//").filter(|_| !rest.starts_with("///") || !scheme.is_empty()) {
            let slash = after.find('/').unwrap_or(after.len());
            let (authority, after) = after.split_at(slash);
            parts.authority(authority)?;
            path = after;
        }
        parts.path = unescape(path)?;
        Ok(parts)
    }

    fn authority(&mut self, authority: &str) -> Result<(), String> {
        let (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        self.userinfo = userinfo.to_owned();
        if host.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}']) {
            let wrong = host.chars().find(|c| " <>\"\\^`{|}".contains(*c)).unwrap_or(' ');
            return Err(format!("invalid character {} in host name", quote(&wrong.to_string())));
        }
        let port = host.rfind(':').filter(|colon| !host[*colon..].contains(']')).map(|colon| &host[colon..]);
        if port.is_some_and(|port| !port[1..].bytes().all(|b| b.is_ascii_digit())) {
            return Err(format!("invalid port {} after host", quote(port.unwrap_or_default())));
        }
        self.host = unescape(host)?;
        Ok(())
    }
}

fn split_scheme(url: &str) -> Result<(&str, &str), String> {
    for (at, c) in url.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&url[..at], &url[at + 1..])),
            _ => break,
        }
    }
    Ok(("", url))
}

fn hostname(host: &str) -> &str {
    let name = match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    };
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(percent) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..percent]);
        let code = rest.get(percent + 1..percent + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(code) = code else {
            let shown: String = rest[percent..].chars().take(3).collect();
            return Err(format!("invalid URL escape {}", quote(&shown)));
        };
        bytes.push(code);
        rest = &rest[percent + 3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn join(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let found = |name: &str| match &arguments[0] {
        Value::Dict(dict) => dict.get(name),
        _ => None,
    };
    let part = |name: &str| match found(name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.to_string()),
        Some(Value::Nil) => Err(Failure::nil_dereference()),
        Some(other) => Err(Failure::Call(format!(
            "unable to parse {name} key, must be of type string, but {} found",
            other.kind_name()
        ))),
    };
    let (scheme, host, path, query) = (part("scheme")?, part("host")?, part("path")?, part("query")?);
    let (opaque, fragment, userinfo) = (part("opaque")?, part("fragment")?, part("userinfo")?);
    let mut url = String::new();
    if !scheme.is_empty() {
        url.push_str(&scheme);
        url.push(':');
    }
    if opaque.is_empty() {
        if !scheme.is_empty() || !host.is_empty() || !userinfo.is_empty() {
            if !host.is_empty() || !path.is_empty() || !userinfo.is_empty() {
                url.push_str("//");
            }
            if !userinfo.is_empty() {
                url.push_str(&userinfo);
                url.push('@');
            }
            url.push_str(&percent(&host, "!$&'()*+,;=:[]<>\"%"));
        }
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            url.push('/');
        }
        if url.is_empty() && path.split('/').next().is_some_and(|first| first.contains(':')) {
            url.push_str("./");
        }
        url.push_str(&percent(&path, "$&+,/:;=@!'()*"));
    } else {
        url.push_str(&opaque);
    }
    if !query.is_empty() {
        url.push('?');
        url.push_str(&query);
    }
    if !fragment.is_empty() {
        url.push('#');
        url.push_str(&percent(&fragment, "$&+,/:;=?@!()*"));
    }
    context.string(url)
}
