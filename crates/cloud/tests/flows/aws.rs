//! ECR and CodeCommit, through each of the ways in which a machine is known to AWS.

use std::sync::atomic::{AtomicUsize, Ordering};

use access::{ExposeSecret as _, Provider};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloud::{Cloud, Error, Kind, Way};
use jiff::Timestamp;

use super::service::{Reply, Seen, Service, nowhere, reply};
use super::sigv4::{Known, check};
use super::{file, machine};

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const WRITTEN: Known = Known { id: "AKIDWRITTEN", secret: "s3cret+written", session: None };
const ROLE: Known = Known { id: "ASIAROLE", secret: "s3cret/role", session: Some("s3ss+ion==") };
const ARN: &str = "arn:aws:iam::123456789012:role/deploy";

/// ECR, which gives a password to a known key.
fn ecr(seen: &Seen, now: Timestamp, known: &Known) -> Reply {
    if let Err(refusal) = check(seen, now, known, "ecr") {
        return refusal;
    }
    assert_eq!(seen.header("x-amz-target"), "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
    let token = STANDARD.encode(format!("AWS:for {}", known.id));
    let end = now.as_second() + 12 * 3600;
    reply(200, format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":{end}}}]}}"#))
}

/// The security token service, which gives a role to a token or to a known key.
fn sts(seen: &Seen, now: Timestamp) -> Reply {
    let refuse = |code: &str, message: &str| {
        reply(
            403,
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"),
        )
    };
    match seen.field("Action").as_str() {
        "AssumeRoleWithWebIdentity" => {
            assert_eq!(seen.header("authorization"), "", "there is nothing to sign with");
            match seen.field("WebIdentityToken").as_str() {
                "good.web.token" => {}
                "ended.web.token" => return refuse("ExpiredTokenException", "Token expired"),
                other => return refuse("InvalidIdentityToken", &format!("no such token: {other}")),
            }
        }
        "AssumeRole" => {
            if let Err(refusal) = check(seen, now, &WRITTEN, "sts") {
                return refusal;
            }
            assert_eq!(seen.field("ExternalId"), "ext");
        }
        other => panic!("{other}"),
    }
    if seen.field("RoleArn") != ARN {
        return refuse("AccessDenied", "Not authorized to perform sts:AssumeRole");
    }
    let end = Timestamp::from_second(now.as_second() + 3600).unwrap();
    reply(
        200,
        format!(
            "<R><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{end}</Expiration></Credentials></R>",
            ROLE.id,
            ROLE.secret,
            ROLE.session.unwrap()
        ),
    )
}

/// What the metadata of a machine or a container gives out.
fn document(now: Timestamp) -> String {
    let end = Timestamp::from_second(now.as_second() + 3600).unwrap();
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{}","SecretAccessKey":"{}","Token":"{}","Expiration":"{end}"}}"#,
        ROLE.id,
        ROLE.secret,
        ROLE.session.unwrap()
    )
}

async fn password(cloud: &Cloud) -> Result<String, Error> {
    let granted = cloud.registry(Provider::Aws, HOST, Way::default()).await?;
    assert_eq!(granted.login.username, "AWS");
    Ok(granted.login.password.expose_secret().to_owned())
}

async fn ecr_for(known: &'static Known, off: i64) -> Service {
    Service::start(off, move |seen, now| ecr(seen, now, known)).await
}

#[tokio::test]
async fn the_environment() {
    let ecr = ecr_for(&WRITTEN, 0).await;
    let set = |secret: &str| {
        machine(&[
            ("AWS_ENDPOINT_URL_ECR", &ecr.url),
            ("AWS_ACCESS_KEY_ID", WRITTEN.id),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ])
    };
    let cloud = set(WRITTEN.secret);
    assert_eq!(password(&cloud).await.unwrap(), "for AKIDWRITTEN");
    assert_eq!(password(&cloud).await.unwrap(), "for AKIDWRITTEN");
    assert_eq!(ecr.seen().len(), 1, "the second time it is known");
    let error = password(&set("wrong")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}/ refuses a login of ECR for the access key AKIDWRITTEN (HTTP 400): InvalidSignatureException: The request \
             signature we calculated does not match",
            ecr.url
        )
    );
    assert_eq!(error.kind(), Kind::Denied);
}

#[tokio::test]
async fn keys_that_have_ended() {
    let ecr = ecr_for(&ROLE, 0).await;
    let cloud = machine(&[
        ("AWS_ENDPOINT_URL", &ecr.url),
        ("AWS_ACCESS_KEY_ID", ROLE.id),
        ("AWS_SECRET_ACCESS_KEY", ROLE.secret),
        ("AWS_SESSION_TOKEN", "an-older-one"),
    ]);
    let error = password(&cloud).await.unwrap_err().to_string();
    assert!(error.contains("ExpiredTokenException: The security token included in the request is expired"), "{error}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    for (off, words) in [(600, "10 min behind"), (-600, "10 min ahead of")] {
        let ecr = ecr_for(&WRITTEN, off).await;
        let cloud = machine(&[
            ("AWS_ENDPOINT_URL", &ecr.url),
            ("AWS_ACCESS_KEY_ID", WRITTEN.id),
            ("AWS_SECRET_ACCESS_KEY", WRITTEN.secret),
        ]);
        let error = password(&cloud).await.unwrap_err();
        assert!(matches!(error, Error::Clock { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("the clock of this machine is {words} that of the server")), "{text}");
    }
    // By a minute nobody is refused, and what is given out is good for as long as it is by the server's clock.
    let ecr = ecr_for(&WRITTEN, 60).await;
    let keys = [("AWS_ACCESS_KEY_ID", WRITTEN.id), ("AWS_SECRET_ACCESS_KEY", WRITTEN.secret)];
    let cloud = machine(&[&[("AWS_ENDPOINT_URL", ecr.url.as_str())][..], &keys[..]].concat());
    password(&cloud).await.unwrap();
}

#[tokio::test]
async fn profiles_and_roles() {
    let (ecr_written, ecr_role) = (ecr_for(&WRITTEN, 0).await, ecr_for(&ROLE, 0).await);
    let sts = Service::start(0, sts).await;
    let folder = tempfile::tempdir().unwrap();
    let written =
        format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", WRITTEN.id, WRITTEN.secret);
    let credentials = file(&folder, "credentials", &written);
    let role = |arn: &str| format!("[profile bot]\nrole_arn = {arn}\nsource_profile = default\nexternal_id = ext\n");
    let config = file(&folder, "config", &role(ARN));
    let foreign = file(&folder, "foreign", &role("arn:aws:iam::999999999999:role/theirs"));
    let variables = |ecr: &Service, config: &str, profile: &str| {
        machine(&[
            ("AWS_ENDPOINT_URL_ECR", &ecr.url),
            ("AWS_ENDPOINT_URL_STS", &sts.url),
            ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
            ("AWS_CONFIG_FILE", config),
            ("AWS_PROFILE", profile),
        ])
    };
    assert_eq!(password(&variables(&ecr_written, &config, "default")).await.unwrap(), "for AKIDWRITTEN");
    assert_eq!(password(&variables(&ecr_role, &config, "bot")).await.unwrap(), "for ASIAROLE");
    let error = password(&variables(&ecr_role, &foreign, "bot")).await.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "refuses the role arn:aws:iam::999999999999:role/theirs to the access key AKIDWRITTEN (HTTP 403): AccessDenied: Not \
             authorized to perform sts:AssumeRole"
        ),
        "{error}"
    );
    let error = password(&variables(&ecr_role, &config, "nobody")).await.unwrap_err();
    assert_eq!(error.to_string(), "the profile nobody does not exist, and AWS_PROFILE names it");
    assert_eq!(error.kind(), Kind::Config);
}

#[tokio::test]
async fn a_web_identity_whose_token_is_renewed() {
    let ecr = ecr_for(&ROLE, 0).await;
    let sts = Service::start(0, sts).await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "ended.web.token\n");
    let set = |arn: &str| {
        machine(&[
            ("AWS_ENDPOINT_URL_ECR", &ecr.url),
            ("AWS_ENDPOINT_URL_STS", &sts.url),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
            ("AWS_ROLE_ARN", arn),
        ])
    };
    let error = password(&set(ARN)).await.unwrap_err().to_string();
    assert!(error.contains("(HTTP 403): ExpiredTokenException: Token expired"), "{error}");
    file(&folder, "token", "somebody.elses.token");
    let error = password(&set(ARN)).await.unwrap_err().to_string();
    assert!(error.contains("InvalidIdentityToken: no such token: ***"), "what was sent is not repeated: {error}");
    file(&folder, "token", "good.web.token\n");
    assert_eq!(password(&set(ARN)).await.unwrap(), "for ASIAROLE");
    let error = password(&set("arn:aws:iam::999999999999:role/theirs")).await.unwrap_err().to_string();
    assert!(error.contains("refuses the role arn:aws:iam::999999999999:role/theirs to the token"), "{error}");
}

#[tokio::test]
async fn a_container_with_its_token() {
    let ecr = ecr_for(&ROLE, 0).await;
    let agent = Service::start(0, |seen, now| match (seen.path.as_str(), seen.header("authorization")) {
        ("/v1/credentials", "pod-token") => reply(200, document(now)),
        _ => reply(401, r#"{"message":"no pod of ours"}"#),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "pod-token\n");
    let full = format!("{}/v1/credentials", agent.url);
    let set = |uri: &str, token: &str| {
        machine(&[
            ("AWS_ENDPOINT_URL_ECR", &ecr.url),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token),
        ])
    };
    assert_eq!(password(&set(&full, &token)).await.unwrap(), "for ASIAROLE");
    let other = file(&folder, "other", "another");
    let error = password(&set(&full, &other)).await.unwrap_err().to_string();
    assert!(error.ends_with("refuses credentials to this container (HTTP 401): no pod of ours"), "{error}");
    let asked = agent.seen().len();
    let error = password(&set("http://192.0.2.1/v1/credentials", &token)).await.unwrap_err();
    assert!(
        error.to_string().contains("must begin with https://, since its host is neither this machine nor its node")
    );
    assert_eq!(agent.seen().len(), asked);
}

/// The metadata of a machine; without a role, or redirecting, where it is said.
fn metadata(seen: &Seen, now: Timestamp, has_role: bool) -> Reply {
    match (seen.method.as_str(), seen.path.as_str(), seen.header("x-aws-ec2-metadata-token")) {
        ("PUT", "/latest/api/token", _) => {
            assert_eq!(seen.header("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
            reply(200, "imds-token")
        }
        ("GET", "/latest/meta-data/iam/security-credentials/", "imds-token") if has_role => reply(200, "node-role\n"),
        ("GET", "/latest/meta-data/iam/security-credentials/node-role", "imds-token") => reply(200, document(now)),
        ("GET", _, "imds-token") => reply(404, "<html>none</html>"),
        _ => reply(401, ""),
    }
}

#[tokio::test]
async fn a_machine_with_a_role_and_one_without() {
    let ecr = ecr_for(&ROLE, 0).await;
    let with = Service::start(0, |seen, now| metadata(seen, now, true)).await;
    let without = Service::start(0, |seen, now| metadata(seen, now, false)).await;
    let set = |metadata: &Service| {
        machine(&[("AWS_ENDPOINT_URL", &ecr.url), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url)])
    };
    assert_eq!(password(&set(&with)).await.unwrap(), "for ASIAROLE");
    let error = password(&set(&without)).await.unwrap_err();
    assert!(error.to_string().ends_with("the metadata of the machine (the machine has no role)"), "{error}");
}

#[tokio::test]
async fn metadata_that_redirects_is_not_followed() {
    let elsewhere = Service::start(0, |_, now| reply(200, document(now))).await;
    let target = elsewhere.url.clone();
    let metadata = Service::start(0, move |_, _| reply(302, "").with("location", target.clone())).await;
    let cloud = machine(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url)]);
    let error = password(&cloud).await.unwrap_err();
    let expect = format!("{}/latest/api/token redirects, which whoever gives out credentials must not", metadata.url);
    assert_eq!(error.to_string(), expect);
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_machine_in_no_cloud_says_so_at_once_and_once() {
    let nowhere = nowhere();
    let cloud = machine(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &nowhere)]);
    let error = password(&cloud).await.unwrap_err();
    let text = error.to_string();
    let expect = format!(
        "this machine has no credentials for AWS; tried in this order: the environment (AWS_ACCESS_KEY_ID is not set), the \
         profile default (~/.aws/credentials and ~/.aws/config have none), a web identity (AWS_WEB_IDENTITY_TOKEN_FILE is not \
         set), the container (AWS_CONTAINER_CREDENTIALS_FULL_URI is not set), the metadata of the machine \
         ({nowhere}/latest/api/token does not answer: "
    );
    assert!(text.starts_with(&expect), "{text}");
    assert_eq!(error.kind(), Kind::Denied);
    // Something else than the metadata of AWS is there, which is then known for a while.
    let other = Service::start(0, |_, _| reply(404, "")).await;
    let cloud = machine(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &other.url)]);
    for _ in 0..20 {
        assert!(matches!(password(&cloud).await, Err(Error::Nothing { .. })));
    }
    assert!(other.seen().len() < 20);
}

#[tokio::test]
async fn hosts_of_others_get_nothing() {
    let ecr = ecr_for(&WRITTEN, 0).await;
    let keys = [("AWS_ACCESS_KEY_ID", WRITTEN.id), ("AWS_SECRET_ACCESS_KEY", WRITTEN.secret)];
    let cloud = machine(&[&[("AWS_ENDPOINT_URL", ecr.url.as_str())][..], &keys[..]].concat());
    for host in ["ghcr.io", "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example"] {
        let error = cloud.registry(Provider::Aws, host, Way::default()).await.unwrap_err();
        assert!(matches!(error, Error::Host { .. }), "{error}");
    }
    let remote = url::Url::parse("https://git.example.com/v1/repos/x").unwrap();
    assert!(matches!(cloud.code_commit(&remote, Way::default()).await, Err(Error::Host { .. })));
    assert!(ecr.seen().is_empty());
}

#[tokio::test]
async fn codecommit_signs_with_the_keys_of_the_machine() {
    let (ecr, sts) = (ecr_for(&ROLE, 0).await, Service::start(0, sts).await);
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "good.web.token");
    let cloud = machine(&[
        ("AWS_ENDPOINT_URL_ECR", &ecr.url),
        ("AWS_ENDPOINT_URL_STS", &sts.url),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ("AWS_ROLE_ARN", ARN),
    ]);
    let remote = url::Url::parse("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/config").unwrap();
    let granted = cloud.code_commit(&remote, Way::default()).await.unwrap();
    assert_eq!(granted.login.username, format!("{}%{}", ROLE.id, ROLE.session.unwrap()));
    let password = granted.login.password.expose_secret();
    let (time, signature) = password.split_once('Z').unwrap();
    assert!(time.len() == "20261127T083005".len() && signature.len() == 64, "{password}");
    password_of_the_same_keys(&cloud, &sts).await;
}

/// The keys of CodeCommit are those of ECR in the same region.
async fn password_of_the_same_keys(cloud: &Cloud, sts: &Service) {
    password(cloud).await.unwrap();
    assert_eq!(sts.seen().len(), 1);
}

#[tokio::test]
async fn what_was_withdrawn_is_asked_for_anew() {
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&count);
    let ecr = Service::start(0, move |seen, now| {
        counter.fetch_add(1, Ordering::Relaxed);
        ecr(seen, now, &WRITTEN)
    })
    .await;
    let keys = [("AWS_ACCESS_KEY_ID", WRITTEN.id), ("AWS_SECRET_ACCESS_KEY", WRITTEN.secret)];
    let cloud = machine(&[&[("AWS_ENDPOINT_URL", ecr.url.as_str())][..], &keys[..]].concat());
    let all = (0..50).map(|_| cloud.registry(Provider::Aws, HOST, Way::default()));
    let all = futures_util::future::join_all(all).await;
    assert_eq!((all.iter().filter(|granted| granted.is_ok()).count(), count.load(Ordering::Relaxed)), (50, 1));
    let granted = cloud.registry(Provider::Aws, HOST, Way::default()).await.unwrap();
    assert!(granted.is_old);
    cloud.forget(&granted);
    assert!(!cloud.registry(Provider::Aws, HOST, Way::default()).await.unwrap().is_old);
    cloud.forget(&granted);
    assert!(
        cloud.registry(Provider::Aws, HOST, Way::default()).await.unwrap().is_old,
        "that one was forgotten already"
    );
    assert_eq!(count.load(Ordering::Relaxed), 2);
}
