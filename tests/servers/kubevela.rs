//! The Application of KubeVela's page on GitOps, byte for byte, with the names it has on the Internet.

use crate::registry::Registry;
use crate::remote::Remote;
use crate::tls::Authority;
use crate::web::{self, Transport, Web};
use crate::world::World;

const APPLICATION: &str = include_str!("../../fixtures/kubevela/application.yaml");
const MY_APP: &str = include_str!("../../fixtures/kubevela/my-app.yaml");

/// Older, younger, and younger still but not of the pattern.
const TAGS: &[&str] = &["master-0a1b2c3-1656500000", "master-6e9b0f9-1656569910", "main-ffffff0-1999999999", "latest"];
const SELECTED: &str = "ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910";

#[test]
fn the_page_s_application_gives_the_page_s_commit() {
    let world = World::new();
    let registry = Registry::open(&world);
    registry.push("fogdong/test-fog", TAGS);
    let name = "FogDong/KubeVela-GitOps-Infra-Demo";
    let remote = Remote::create(&world, name, "image", &[("application/my-app.yaml", MY_APP.as_bytes())]);
    let authority = Authority::create(&world);
    let web = Web::start(&world, &Transport::Tls(&authority));
    world.write("home/.gitconfig", format!("[url \"{}\"]\n\tinsteadOf = https://github.com/\n", web.url("")));
    world.secret("git-secret", &[("username", web::USER), ("password", web::PASSWORD), ("ca.crt", &authority.pem())]);
    world.write("config/application.yaml", APPLICATION);

    let run = world.run_with(&[&registry.mirror_of("ghcr.io")]);
    let automation = run.expect(0, "pushed");
    assert_eq!(automation["namespace"], "default");
    assert_eq!(automation["name"], "image-gitops");
    assert_eq!(automation["branch"], "image");
    assert_eq!(automation["commit"], remote.head("image"));

    assert_eq!(remote.message("image"), format!("Update image automatically.\nImage: {SELECTED}\n"));
    let bot = "kubevelabot <kubevelabot@users.noreply.github.com>";
    assert_eq!(remote.author("image"), format!("{bot}, {bot}"));
    assert_eq!(remote.touched("image"), "application/my-app.yaml\n");
    let expected = MY_APP.replace("image: nginx #", &format!("image: {SELECTED} #"));
    assert_eq!(remote.file("image", "application/my-app.yaml"), expected);
    assert_eq!(remote.commits("image"), 2);

    world.run_with(&[&registry.mirror_of("ghcr.io")]).expect(0, "unchanged");
    assert_eq!(remote.commits("image"), 2);
}
