//! Debian's docker-registry, with and without a password, and images to put into it.

use std::path::Path;
use std::sync::OnceLock;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use crate::process::{Server, listen};
use crate::world::{World, text};

pub(crate) const USER: &str = "bot";
pub(crate) const PASSWORD: &str = "correct horse";

/// `USER` and `PASSWORD` with bcrypt, the one scheme that docker-registry takes.
const HTPASSWD: &str = "bot:$2y$05$cXTVx3MSHAjMZs3snYBnfOMnD1zejA6Md3rgQi11Y/fnn88y6gAAO\n";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A registry on loopback, over plain HTTP.
pub(crate) struct Registry {
    _server: Server,
    port: u16,
}

impl Registry {
    /// A registry that anybody may read and write.
    pub(crate) fn open(world: &World) -> Self {
        Self::start(world, "")
    }

    /// A registry that asks for `USER` and `PASSWORD`.
    pub(crate) fn protected(world: &World) -> Self {
        let passwords = world.write("registry/htpasswd", HTPASSWD);
        Self::start(world, &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", text(&passwords)))
    }

    /// A registry that asks for tokens of a server, signed by the key of a certificate.
    pub(crate) fn with_tokens(world: &World, realm: &str, service: &str, issuer: &str, certificate: &Path) -> Self {
        let bundle = text(certificate);
        let auth = format!(
            "auth: {{token: {{realm: '{realm}', service: {service}, issuer: {issuer}, rootcertbundle: {bundle}}}}}\n"
        );
        Self::start(world, &auth)
    }

    /// Writes what docker-registry keeps of tags, which is all that listing them reads.
    pub(crate) fn fill(&self, world: &World, name: &str, tags: usize) {
        // All have the same folder: hundreds of thousands of files take minutes.
        let template = format!("registry/of-{tags}");
        if !world.path(&template).exists() {
            let link = format!("sha256:{}", "0".repeat(64));
            for tag in 0..tags {
                world.write(&format!("{template}/tags/1.{tag}.0/current/link"), &link);
            }
        }
        let folder = world.path(&format!("registry/storage/docker/registry/v2/repositories/{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(world.path(&template), folder.join("_manifests")).unwrap();
    }

    /// The requests that it has written down, one a line.
    pub(crate) fn requests(&self, world: &World) -> Vec<String> {
        let log = std::fs::read_to_string(world.path("registry.log")).unwrap();
        log.lines().filter(|line| line.contains("] \"")).map(str::to_owned).collect()
    }

    fn start(world: &World, auth: &str) -> Self {
        let storage = world.path("registry/storage");
        let log = world.path("registry.log");
        let (server, port) = listen(&log, |port| {
            let settings = format!(
                "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
                 http: {{addr: '127.0.0.1:{port}', secret: test}}\n{auth}",
                text(&storage)
            );
            let settings = world.write("registry/config.yml", settings);
            let mut command = world.command("docker-registry");
            command.arg("serve").arg(settings);
            command
        });
        Self { _server: server, port }
    }

    /// `127.0.0.1:PORT`, as image names begin.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The argument that sends requests for another registry here: `--registry-mirror=HOST=URL`.
    pub(crate) fn mirror_of(&self, host: &str) -> String {
        format!("--registry-mirror={host}=http://{}", self.authority())
    }

    /// The content of a `.dockerconfigjson` with the right password.
    pub(crate) fn docker_config(&self) -> String {
        json!({"auths": {self.authority(): {"username": USER, "password": PASSWORD}}}).to_string()
    }

    /// Pushes one small image per tag, each another one, and returns the digest of the last.
    pub(crate) fn push(&self, name: &str, tags: &[&str]) -> String {
        let mut digest = String::new();
        for tag in tags {
            digest = runtime().block_on(self.push_one(name, tag));
        }
        digest
    }

    async fn push_one(&self, name: &str, tag: &str) -> String {
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Labels": {"tag": tag}},
            "rootfs": {"type": "layers", "diff_ids": []},
        })
        .to_string();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": {"mediaType": CONFIG, "size": config.len(), "digest": digest(&config)},
        })
        .to_string();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let base = format!("http://{}/v2/{name}", self.authority());
        let login = |request: reqwest::RequestBuilder| request.basic_auth(USER, Some(PASSWORD));

        let begun = login(client.post(format!("{base}/blobs/uploads/"))).send().await.unwrap();
        let upload = begun.headers()[LOCATION].to_str().unwrap();
        let upload = url::Url::parse_with_params(upload, [("digest", digest(&config))]).unwrap();
        let stored = login(client.put(upload)).body(config).send().await.unwrap();
        assert_eq!(stored.status(), 201, "{}", stored.text().await.unwrap());

        let digest = digest(&manifest);
        let request = login(client.put(format!("{base}/manifests/{tag}"))).header(CONTENT_TYPE, MANIFEST);
        let tagged = request.body(manifest).send().await.unwrap();
        assert_eq!(tagged.status(), 201, "{}", tagged.text().await.unwrap());
        digest
    }

    /// Gives an image another tag, with skopeo, as people's pipelines do.
    pub(crate) fn copy_with_skopeo(&self, world: &World, name: &str, from: &str, to: &str) {
        let login = format!("{USER}:{PASSWORD}");
        let image = |tag: &str| format!("docker://{}/{name}:{tag}", self.authority());
        let mut arguments = vec!["--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"];
        arguments.extend(["--src-creds", &login, "--dest-creds", &login]);
        let (from, to) = (image(from), image(to));
        arguments.extend([from.as_str(), to.as_str()]);
        world.succeed("skopeo", arguments);
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold("sha256:".to_owned(), |digest, byte| format!("{digest}{byte:02x}"))
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}
