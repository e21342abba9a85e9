//! What argocd-image-updater is told about commits for all applications, in its ConfigMap.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::argocd::SOURCE;
use super::node::Node;
use super::{Import, Spot};
use crate::mark::File;

/// The author of its commits, where none is configured.
const AUTHOR: (&str, &str) = ("argocd-image-updater", "noreply@argoproj.io");

/// Its message, where none is configured.
const TEMPLATE: &str = "build: automatic update of {{ .AppName }}\n\n{{ range .AppChanges -}}\nupdates image {{ .Image }} tag '{{ .OldTag }}' to '{{ .NewTag }}'\n{{ end -}}\n";

static ACTION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)\{\{.*?\}\}").ok());
static FIELD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?P<of>\$\w*)?\.(?P<name>AppName|AppChanges|Image|OldTag|NewTag|Labels)\b").ok());

/// What the ConfigMap says of commits.
#[derive(Default)]
pub(super) struct Common {
    user: Option<String>,
    email: Option<String>,
    pub(super) template: Option<(String, Spot)>,
    pub(super) signed_off: bool,
    pub(super) interval: Option<String>,
}

impl Common {
    /// The author of commits; none where the image updater makes none, and is told of none.
    pub(super) fn author(&self, is_git: bool) -> Option<(String, String)> {
        let (name, email) = AUTHOR;
        let said = |said: &Option<String>, default: &str| said.clone().unwrap_or_else(|| default.to_owned());
        let is_said = self.user.is_some() || self.email.is_some();
        (is_git || is_said).then(|| (said(&self.user, name), said(&self.email, email)))
    }

    /// The message of an application's commits, and where it is configured; none where the image updater makes none, and is told of none.
    pub(super) fn message(&self, is_git: bool, app: &str) -> Result<Option<String>, (String, Spot)> {
        match &self.template {
            Some((template, spot)) => message(template, app).map(Some).map_err(|why| (why, spot.clone())),
            None => Ok(is_git.then(|| message(TEMPLATE, app).ok()).flatten()),
        }
    }
}

/// A commit template of theirs as one of ours: names of fields are others, and there are lists of images here, too.
fn message(template: &str, app: &str) -> Result<String, String> {
    let (Some(action), Some(field)) = (ACTION.as_ref(), FIELD.as_ref()) else { return Ok(template.to_owned()) };
    let mut lacks = None;
    let text = action.replace_all(template, |action: &Captures<'_>| {
        let inner = action[0].trim_start_matches("{{").trim_end_matches("}}").trim();
        if [".AppName", "$.AppName"].contains(&inner) {
            return app.to_owned();
        }
        let renamed = field.replace_all(&action[0], |found: &Captures<'_>| {
            let of = found.name("of").map_or("", |it| it.as_str());
            match &found["name"] {
                "AppName" => format!("{app:?}"),
                "AppChanges" => format!("{of}.Images"),
                "Image" => format!("{of}.Path"),
                // They say the digest where there is one.
                "OldTag" => format!("(or {of}.OldDigest {of}.OldTag)"),
                "NewTag" => format!("(or {of}.NewDigest {of}.NewTag)"),
                name => {
                    lacks = Some(format!(".{name}"));
                    String::new()
                }
            }
        });
        without_parentheses(&renamed)
    });
    if let Some(name) = lacks {
        return Err(format!("{name} has no counterpart; write the template anew"));
    }
    gotext::template::Template::parse("git.commit-message-template", &text)
        .map(|_| text.into_owned())
        .map_err(|error| error.to_string())
}

/// An action that is one expression in parentheses needs none.
fn without_parentheses(action: &str) -> String {
    let inner = action.strip_prefix("{{ (").and_then(|it| it.strip_suffix(") }}"));
    inner.filter(|it| !it.contains(['(', ')'])).map_or_else(|| action.to_owned(), |it| format!("{{{{ {it} }}}}"))
}

/// Reads the ConfigMap of the image updater.
pub(super) fn common<'n>(import: &mut Import, maps: impl Iterator<Item = (&'n File, &'n Node)>) -> Common {
    let mut common = Common::default();
    for (file, map) in maps {
        let name = map.at(&["metadata", "name"]).and_then(Node::text).unwrap_or_default();
        if name != "argocd-image-updater-config" {
            continue;
        }
        let data = map.get("data");
        let text = |key: &str| data.and_then(|it| it.text_of(key)).map(str::to_owned);
        let filled = |key: &str| text(key).filter(|it| !it.trim().is_empty());
        (common.user, common.email) = (filled("git.user"), filled("git.email"));
        common.signed_off = text("git.commit-sign-off").as_deref() == Some("true");
        common.interval = text("interval");
        for (key, node) in data.map(Node::entries).unwrap_or_default() {
            let spot = node.spot(&file.path);
            let why = match key.as_str() {
                "git.user" | "git.email" | "git.commit-sign-off" | "interval" => continue,
                "git.commit-message-template" => {
                    common.template = node.text().filter(|it| !it.is_empty()).map(|text| (text.to_owned(), spot));
                    continue;
                }
                "registries.conf" => {
                    "logins, mirrors and authorities of registries are `secretRef`, `--registry-mirror`, `certSecretRef` and `insecure`; what registries ask for is obeyed without a limit"
                }
                "git.commit-signing-key" | "git.commit-signing-method" => {
                    "`git.commit.signingKey` names the secret with the key"
                }
                "log.level" | "log.format" => "it is the flag -v, and --log-format",
                "kube.events" | "applications_api" | "argocd.namespace" | "argocd.server_addr" | "argocd.plaintext"
                | "argocd.insecure" | "argocd.grpc_web" => "Argo CD is not talked to",
                _ => "it has no counterpart",
            };
            import.leave(SOURCE, &spot, key.as_str(), why);
        }
    }
    common
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn templates_are_taken_where_all_of_it_has_a_counterpart() {
        let template = "build: {{ .AppName }} (.Image)\n{{ range $it := .AppChanges -}}\n{{.OldTag}} to {{ $it.NewTag | trunc 7 }} of {{ $.AppName }}, {{ printf \"%s\" .AppName }}\n{{ end -}}\n";
        let expect = "build: web (.Image)\n{{ range $it := .Images -}}\n{{(or .OldDigest .OldTag)}} to {{ (or $it.NewDigest $it.NewTag) | trunc 7 }} of web, {{ printf \"%s\" \"web\" }}\n{{ end -}}\n";
        assert_eq!(message(template, "web").unwrap(), expect);
        let labels = "{{ range .AppChanges }}{{ .Labels }}{{ end }}";
        assert!(message(labels, "web").unwrap_err().contains(".Labels has no counterpart"));
        assert!(message("{{ .AppName", "web").is_err());
    }

    #[test]
    fn what_is_not_configured_is_its_own_where_it_commits() {
        let mut common = Common::default();
        let expect = "build: automatic update of web\n\n{{ range .Images -}}\nupdates image {{ .Path }} tag '{{ or .OldDigest .OldTag }}' to '{{ or .NewDigest .NewTag }}'\n{{ end -}}\n";
        assert_eq!(common.message(true, "web").unwrap().as_deref(), Some(expect));
        assert_eq!((common.message(false, "web").unwrap(), common.author(false)), (None, None));
        let author = |common: &Common| common.author(true).unwrap();
        assert_eq!(author(&common), ("argocd-image-updater".to_owned(), "noreply@argoproj.io".to_owned()));
        common.user = Some("Argo Bot".to_owned());
        assert_eq!(author(&common), ("Argo Bot".to_owned(), "noreply@argoproj.io".to_owned()));
    }
}
