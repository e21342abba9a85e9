//! The configuration that most tests start from: one native automation `default/shop` with one image `default:app`.

use crate::remote::Remote;
use crate::world::World;

/// The file in the remote, which has what a careless editor would lose.
pub(crate) const FILE: &str = "clusters/prod/app.yaml";

/// What stands in [`FILE`] before anything ran, and after with `tag` `1.2.0`.
pub(crate) fn deployment(image: &str, tag: &str) -> String {
    format!(
        "---\r\n# The shop \u{1f6cd}, by hand.\r\napiVersion: apps/v1\r\nkind: Deployment\r\n\
         metadata: {{ name: app,   namespace: prod }}\r\n\r\n\r\nspec:\r\n    template:\r\n        spec:\r\n            containers:\r\n\
         \x20           -   name:  app   # two spaces\r\n                image: \"{image}:{tag}\"   # {{\"$imagepolicy\": \"default:app\"}}\r\n\
         \x20               args: ['--a', \"--b\"]"
    )
}

/// The native automation, with lines that a test adds.
pub(crate) struct Native<'a> {
    pub(crate) url: &'a str,
    pub(crate) image: &'a str,
    /// Fields of `spec.git`, as flow YAML.
    pub(crate) git: &'a [&'a str],
    /// Fields of the image, as flow YAML.
    pub(crate) images: &'a [&'a str],
}

impl Native<'_> {
    /// Writes the automation to `config/shop.yaml`.
    pub(crate) fn write(&self, world: &World) {
        world.write("config/shop.yaml", self.yaml());
    }

    fn yaml(&self) -> String {
        let git: String = self.git.iter().map(|line| format!("    {line}\n")).collect();
        let images: String = self.images.iter().map(|line| format!("      {line}\n")).collect();
        format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop}}\nspec:\n  git:\n\
             \x20   url: {}\n{git}  images:\n    - name: app\n      image: {}\n      policy: {{semver: {{range: 1.x}}}}\n{images}",
            self.url, self.image
        )
    }
}

/// A remote `config.git` whose default branch `main` holds [`deployment`] with tag `1.0.0`.
pub(crate) fn shop<'w>(world: &'w World, image: &str) -> Remote<'w> {
    Remote::create(world, "config.git", "main", &[(FILE, deployment(image, "1.0.0").as_bytes())])
}
