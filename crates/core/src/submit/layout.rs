//! Which file a resource goes to: a template of Go gives its path, which has to stay in the folder and be its own.

use std::collections::HashMap;
use std::rc::Rc;

use gotext::template::{Field, Map, ParseError, StructType, Template, Value};

use super::Refused;
use super::resource::Resource;

/// The layout where none is given: `shop/deployment-web.yaml`, and `namespace-shop.yaml` for what is in no namespace.
pub const DEFAULT: &str = "{{ with .Namespace }}{{ . }}/{{ end }}{{ lower .Kind }}-{{ .Name }}.yaml";

/// The longest path from the folder, in bytes.
const MAX_PATH: usize = 1024;

/// The longest name of a file or folder, in bytes, as file systems have it.
const MAX_COMPONENT: usize = 255;

/// How deep folders may be nested below that of the submitter.
const MAX_FOLDERS: usize = 32;

/// The names that a template sees.
static RESOURCE: StructType = StructType {
    name: "submit.Resource",
    fields: &[
        Field::named("APIVersion"),
        Field::named("Group"),
        Field::named("Version"),
        Field::named("Kind"),
        Field::named("Namespace"),
        Field::named("Name"),
        Field::named("Labels"),
        Field::named("Annotations"),
    ],
    methods: &[],
    text: None,
};

/// Which file each resource goes to.
#[derive(Debug, Clone)]
pub struct Layout(Template);

impl Layout {
    /// Reads a layout. It sees `.APIVersion`, `.Group`, `.Version`, `.Kind`, `.Namespace` (empty where there is none), `.Name`,
    /// `.Labels` and `.Annotations`.
    ///
    /// # Errors
    /// It is no template.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Template::parse("layout", text).map(Self)
    }

    /// The paths of resources from the folder, in their order.
    pub(super) fn paths(&self, resources: &[Resource]) -> Result<Vec<String>, Refused> {
        let mut taken = Taken::default();
        let mut paths = Vec::with_capacity(resources.len());
        for resource in resources {
            let text = self
                .0
                .render(&data(resource))
                .map_err(|source| Refused::Layout { id: Box::new(resource.id.clone()), source: Box::new(source) })?;
            let path = text.trim();
            check(path).map_err(|reason| Refused::Path {
                id: Box::new(resource.id.clone()),
                path: words::one_line(path, 200),
                reason,
            })?;
            taken.take(path, &resource.id.to_string()).map_err(|(other, its)| Refused::Collision {
                path: path.to_owned(),
                id: Box::new(resource.id.clone()),
                other,
                its,
            })?;
            paths.push(path.to_owned());
        }
        Ok(paths)
    }
}

fn data(resource: &Resource) -> Value {
    let id = &resource.id;
    let map = |of: &std::collections::BTreeMap<String, String>| {
        Value::Map(Rc::new(Map::of_strings(of.iter().map(|(key, value)| (key.as_str(), value.as_str())))))
    };
    let fields = vec![
        Value::string(&id.api_version),
        Value::string(id.group()),
        Value::string(id.version()),
        Value::string(&id.kind),
        Value::string(&id.namespace),
        Value::string(&id.name),
        map(&resource.labels),
        map(&resource.annotations),
    ];
    Value::new_struct(&RESOURCE, fields)
}

/// Whether a name is one of Git's own on some system that checks the repository out, as Git itself tells them: in any case, with characters
/// in it that HFS+ passes over, with dots and blanks behind it or a stream of NTFS, or as the short name that Windows gives.
#[must_use]
pub fn is_gits_own(name: &str) -> bool {
    let name = as_systems_see(name);
    let is_short = || {
        let (stem, number) = name.rsplit_once('~')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        // `gi7eba~1` is what is made of `.gitmodules` where the plain short names are taken.
        Some(is_number && (stem.starts_with("git") || stem == "gi7eba" || stem == "gi250a" || stem == "gi7d29"))
    };
    name.starts_with(".git") || is_short().unwrap_or(false)
}

/// A name as file systems see it that do not tell all names apart.
fn as_systems_see(name: &str) -> String {
    // The characters that HFS+ passes over, as Git has them.
    let is_passed_over = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let seen: String = name.chars().filter(|c| !is_passed_over(c)).collect();
    let seen = seen.split([':', '\\']).next().unwrap_or_default();
    seen.trim_end_matches(['.', ' ']).to_lowercase()
}

/// Whether a path stays in its folder, on every system that checks the repository out.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("it is empty");
    }
    if path.len() > MAX_PATH {
        return Err("it is longer than 1024 bytes");
    }
    if path.contains(|c: char| c.is_control() || c == '\\' || c == '\u{fffd}') {
        return Err("it has a backslash, a control character or a line end");
    }
    let components: Vec<&str> = path.split('/').collect();
    if components.len() > MAX_FOLDERS + 1 {
        return Err("it has more than 32 folders");
    }
    for component in &components {
        match *component {
            "." | ".." => return Err("it leaves the folder"),
            name if is_gits_own(name) => return Err("a name in it is one of Git's own"),
            name if as_systems_see(name) == super::index::FOLDER => {
                return Err("the folder is that of tagwright's lists");
            }
            "" => return Err("it begins or ends with a slash, or has an empty folder"),
            name if name.len() > MAX_COMPONENT => return Err("a name in it is longer than 255 bytes"),
            _ => {}
        }
    }
    let is_yaml = [".yaml", ".yml"].iter().any(|end| path.ends_with(end) && path.len() > end.len());
    if is_yaml { Ok(()) } else { Err("it does not end with .yaml or .yml") }
}

/// The files and folders that are taken, as a file system sees them that does not tell upper from lower case.
#[derive(Debug, Default)]
struct Taken(HashMap<String, (String, Option<String>)>);

impl Taken {
    /// Takes a path for somebody; else the path that is in the way, and whose it is.
    fn take(&mut self, path: &str, whose: &str) -> Result<(), (String, String)> {
        let mut ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        ends.push(path.len());
        for (number, end) in ends.iter().enumerate() {
            let is_file = number + 1 == ends.len();
            let part = &path[..*end];
            match self.0.get(&part.to_lowercase()) {
                Some((known, None)) if !is_file && known == part => {}
                Some((known, of)) => return Err((known.clone(), of.clone().unwrap_or_else(|| "a folder".to_owned()))),
                None => {
                    let of = is_file.then(|| whose.to_owned());
                    self.0.insert(part.to_lowercase(), (part.to_owned(), of));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::submit::read;
    use crate::submit::resource::{Secrets, take};

    fn resources(ids: &[(&str, &str, &str, &str)]) -> Vec<Resource> {
        let mut found = Vec::new();
        for (version, kind, namespace, name) in ids {
            let text = format!(
                "{{\"apiVersion\": \"{version}\", \"kind\": \"{kind}\", \"metadata\": {{\"namespace\": \"{namespace}\", \"name\": \"{name}\", \"labels\": {{\"app\": \"{name}\"}}}}}}"
            );
            let (_, node) = read::documents(&text).unwrap().pop().unwrap();
            take(node, "a", Secrets::Encrypted, &mut found).unwrap();
        }
        found
    }

    #[test]
    fn a_layout_gives_each_its_file() {
        let check = |layout: &str, expect: &str| {
            let all = resources(&[("apps/v1", "Deployment", "shop", "web")]);
            assert_eq!(Layout::parse(layout).unwrap().paths(&all).unwrap(), [expect]);
        };
        check(DEFAULT, "shop/deployment-web.yaml");
        check("{{ .Labels.app }}/{{ .Group }}.{{ .Version }}.{{ .Kind }}.yml\n", "web/apps.v1.Deployment.yml");
        let all = resources(&[("v1", "Namespace", "", "shop")]);
        assert_eq!(Layout::parse(DEFAULT).unwrap().paths(&all).unwrap(), ["namespace-shop.yaml"]);
        assert!(Layout::parse("{{ .Name").is_err());
    }

    #[test]
    fn a_path_stays_in_its_folder() {
        for path in [
            "",
            "../a.yaml",
            "a/../../b.yaml",
            "/etc/a.yaml",
            "a//b.yaml",
            "./a.yaml",
            "a/",
            ".git/hooks/a.yaml",
            "a/.GIT/b.yaml",
            ".gitmodules.yaml",
            "a\\b.yaml",
            "a\nb.yaml",
            "a.txt",
            ".yaml",
            ".tagwright/a.yaml",
            "git~1/a.yaml",
            "GIT~1. /a.yaml",
            "git~1::$INDEX_ALLOCATION/a.yaml",
            ".git./a.yaml",
            ".git /a.yaml",
            ".g\u{200c}it/a.yaml",
            "\u{feff}.gi\u{202e}T/a.yaml",
            "gitmod~1/a.yaml",
            ".tag\u{200d}wright/a.yaml",
            ".Tagwright. /a.yaml",
        ] {
            assert!(check(path).is_err(), "{path:?}");
        }
        assert!(check(&format!("{}.yaml", "a".repeat(300))).is_err());
        assert!(check(&format!("{}a.yaml", "a/".repeat(40))).is_err());
        for path in
            ["a.yaml", "git/a.yaml", "digit~1/a.yaml", "a/b-c.yml", "a b/ä.yaml", "clusterrole-system:node.yaml"]
        {
            assert!(check(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn no_two_share_a_file_even_where_case_does_not_count() {
        let collides = |ids: &[(&str, &str, &str, &str)], layout: &str| {
            let result = Layout::parse(layout).unwrap().paths(&resources(ids));
            matches!(result, Err(Refused::Collision { .. }))
        };
        let two = |kind: &'static str| [("v1", "Service", "a", "b"), ("serving.knative.dev/v1", kind, "a", "b")];
        assert!(collides(&two("Service"), DEFAULT));
        assert!(!collides(&two("Service"), "{{ .Namespace }}/{{ .Kind }}.{{ .Group }}-{{ .Name }}.yaml"));
        assert!(collides(&two("SERVICE"), "{{ .Namespace }}/{{ .Kind }}-{{ .Name }}.yaml"));
        assert!(collides(&two("A"), "{{ if eq .Kind \"A\" }}a.yaml/b.yaml{{ else }}a.yaml{{ end }}"));
        assert!(collides(&two("A"), "{{ if eq .Kind \"A\" }}X/a.yaml{{ else }}x/b.yaml{{ end }}"));
    }
}
