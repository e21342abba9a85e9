//! What we sign and send, beside what botocore and git-remote-codecommit do (`fixtures/cloud/vectors.py`).

#![allow(clippy::unwrap_used)]

use access::{ExposeSecret as _, Secret};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::request::Request;

use super::profile::Role;
use super::{Keys, codecommit, ecr, sign, sts};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../fixtures/cloud/aws.json")).unwrap()
}

fn items(vectors: &Value, name: &str) -> Vec<Value> {
    let items = vectors[name].as_array().unwrap().clone();
    assert!(!items.is_empty());
    items
}

fn time(vectors: &Value) -> Timestamp {
    vectors["time"].as_str().unwrap().parse().unwrap()
}

fn text<'v>(item: &'v Value, name: &str) -> &'v str {
    item[name].as_str().unwrap_or_else(|| panic!("{name} of {item}"))
}

fn keys(item: &Value) -> Keys {
    let part = |at: usize| item["keys"][at].as_str();
    Keys { id: part(0).unwrap().to_owned(), secret: part(1).unwrap().into(), session: part(2).map(Secret::from) }
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.expose_secret())
}

#[test]
fn signatures() {
    let vectors = vectors();
    for item in items(&vectors, "signatures") {
        let url = Url::parse(text(&item, "url")).unwrap();
        let mut request = Request::get(url, "");
        request.method = reqwest::Method::POST;
        request.body = Some(text(&item, "body").into());
        for name in ["content-type", "x-amz-target"] {
            if let Some(value) = item["headers"][name].as_str() {
                request = request.with(name, value);
            }
        }
        let scope = sign::Scope { region: text(&item, "region"), service: text(&item, "service"), at: time(&vectors) };
        let signed = sign::sign(request, &keys(&item), &scope);
        assert_eq!(header(&signed, "authorization"), item["authorization"].as_str(), "{}", item["name"]);
        assert_eq!(header(&signed, "x-amz-security-token"), item["keys"][2].as_str(), "{}", item["name"]);
    }
}

#[test]
fn requests() {
    let vectors = vectors();
    let keys = Keys { id: "AKID".to_owned(), secret: "s".into(), session: None };
    for item in items(&vectors, "requests") {
        let region = text(&item, "region");
        let role = Role {
            arn: "arn:aws:iam::123456789012:role/deploy".to_owned(),
            session: None,
            external_id: Some("e x".to_owned()),
        };
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let private = format!("123456789012.dkr.ecr.{region}.{domain}");
        let login = |host: &str| ecr::Place::of_host(host).unwrap().request(None, &keys, time(&vectors)).unwrap();
        let sts = sts::address(None, region).unwrap();
        let ours = match text(&item, "name") {
            "ecr" => login(&private),
            "ecr-public" => login("public.ecr.aws"),
            "web-identity" => sts::with_web_identity(sts, &role, &"a.b-c_d".into()),
            _ => sts::with_keys(sts, &role, &keys, region, time(&vectors)),
        };
        assert_eq!((ours.method.as_str(), ours.url.as_str()), (text(&item, "method"), text(&item, "url")));
        let body = ours.body.as_ref().unwrap().expose_secret();
        match item["body"].as_array() {
            None => assert_eq!(body, text(&item, "body")),
            Some(fields) => {
                let pairs = url::form_urlencoded::parse(body.as_bytes());
                let ours: Vec<Value> = pairs.map(|(name, value)| serde_json::json!([name, value])).collect();
                assert_eq!(&ours, fields);
            }
        }
        let content_type = text(&item["headers"], "content-type").split(';').next().unwrap();
        assert_eq!(header(&ours, "content-type"), Some(content_type));
        assert_eq!(header(&ours, "x-amz-target"), item["headers"]["x-amz-target"].as_str());
        let authorization = header(&ours, "authorization");
        let scope = item["scope"].as_array().map(|scope| {
            let parts: Vec<&str> = scope.iter().map(|part| part.as_str().unwrap()).collect();
            format!("/{},", parts.join("/"))
        });
        assert_eq!(authorization.is_some(), scope.is_some(), "{}", item["name"]);
        assert!(authorization.unwrap_or_default().contains(&scope.unwrap_or_default()), "{authorization:?}");
    }
}

#[test]
fn codecommit_logins() {
    let vectors = vectors();
    for item in items(&vectors, "codecommit") {
        let remote = Url::parse(text(&item, "remote")).unwrap();
        assert_eq!(codecommit::region_of(&remote), item["region"].as_str());
        let login = codecommit::login(&remote, text(&item, "region"), &keys(&item), time(&vectors));
        let expect = (text(&item, "username"), text(&item, "password"));
        assert_eq!((login.username.as_str(), login.password.expose_secret()), expect);
    }
}
