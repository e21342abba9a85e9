//! The same against moto, which imitates AWS and shares no code with us. In a virtual environment of Python's:
//! `pip install 'moto[server]==5.2.5'`; `MOTO_SERVER` names its program `moto_server`.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use access::Provider;
use cloud::Way;

use super::service::nowhere;
use super::{file, machine};

struct Moto(Child, String);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Moto {
    async fn start() -> Self {
        let program = std::env::var_os("MOTO_SERVER").expect("MOTO_SERVER names the program moto_server");
        let url = nowhere();
        let port = url.rsplit(':').next().unwrap();
        let mut child = Command::new(program);
        child.args(["-H", "127.0.0.1", "-p", port]).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Self(child.spawn().unwrap(), url.clone());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for _ in 0..600 {
            if client.get(format!("{url}/moto-api/")).send().await.is_ok() {
                return moto;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("moto does not answer at {url}");
    }
}

#[tokio::test]
async fn logins_of_ecr() {
    let moto = Moto::start().await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "e30.e30.sig");
    let role = "arn:aws:iam::123456789012:role/deploy";
    let credentials = "[default]\naws_access_key_id = AKID\naws_secret_access_key = s\n[bot]\nrole_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = default\n";
    let credentials = file(&folder, "credentials", credentials);
    let ways: [&[(&str, &str)]; 4] = [
        &[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "s")],
        &[("AWS_WEB_IDENTITY_TOKEN_FILE", &token), ("AWS_ROLE_ARN", role)],
        &[("AWS_SHARED_CREDENTIALS_FILE", &credentials), ("AWS_PROFILE", "bot")],
        &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &moto.1)],
    ];
    for way in ways {
        let cloud = machine(&[way, &[("AWS_ENDPOINT_URL", moto.1.as_str())]].concat());
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let error = cloud.registry(Provider::Aws, host, Way::default()).await.unwrap_err();
        // What moto's ECR gives out ended years ago. That this is what is told shows that the keys were had, and the login was.
        assert_eq!(error.to_string(), format!("{}/ answers with a token that has ended", moto.1), "{way:?}");
    }
}
