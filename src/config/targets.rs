//! `targets`: fields that are set without a marker, because somebody else's form of a file says where they are.

use image::Repository;
use tagwright_core::marker::{Field, Steps, Target, TargetFields};

use super::decode::Fields;
use super::report::{Finding, Report};
use super::text::Text;
use super::value;
use super::yaml::Place;

/// How many targets an image may have.
const MAX_TARGETS: usize = 100;

/// The kinds of targets, each the name of the field with the file.
const KINDS: [&str; 6] = ["kustomization", "argocdApplication", "helmValues", "compose", "fleet", "yaml"];

/// What to write instead of something that is no place.
const AT_HINT: &str =
    "write keys and positions, such as `$.spec.x[0].image` or `image.tag`; a key with a dot stands in `['…']`";

const FIELDS: [(&str, Field); 4] =
    [("image", Field::Image), ("name", Field::Name), ("tag", Field::Tag), ("digest", Field::Digest)];

/// The targets of an image, without the name of its policy; none where something is wrong with one.
pub(super) fn targets(fields: &mut Fields<'_>, image: Option<&Repository>) -> Option<Vec<Target>> {
    let (path, place) = (fields.path("targets"), fields.key("targets"));
    let items = fields.items("targets").unwrap_or_default();
    if let Some(place) = place.filter(|_| items.len() > MAX_TARGETS) {
        fields.report().error(place, format!("`{path}` has more than {MAX_TARGETS} items"));
        return None;
    }
    // All that is wrong is said at once.
    let read: Vec<Option<Target>> = items.into_iter().map(|item| target(item, image)).collect();
    let mut targets: Vec<Target> = read.into_iter().collect::<Option<_>>()?;
    targets.sort_by(|a, b| a.path.cmp(&b.path));
    Some(targets)
}

/// What may stand beside the file of a target.
struct Beside {
    image: Option<Text>,
    service: Option<Text>,
    /// `None` where something is wrong with them.
    keys: Option<Option<Keys>>,
    at: Option<Text>,
    field: Option<(Field, Place)>,
    document: Option<Option<usize>>,
}

/// `keys`, as they were given.
struct Keys {
    place: Place,
    path: String,
    fields: Vec<(Steps, Field)>,
}

fn target(mut item: Fields<'_>, image: Option<&Repository>) -> Option<Target> {
    let (report, own_path) = (item.report(), item.own_path().to_owned());
    let files = KINDS.map(|kind| (kind, item.filled_text(kind)));
    let places = ["image", "service", "keys", "at", "field", "document"].map(|name| (name, item.key(name)));
    let beside = Beside {
        image: item.filled_text("image"),
        service: item.filled_text("service"),
        keys: item.optional_fields("keys", keys),
        at: item.filled_text("at"),
        field: item.one_of("field", &FIELDS),
        document: item.optional("document", |text: &str| match text.parse::<usize>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err("is no number of a document, which begins with 1"),
        }),
    };
    let place = item.place;
    item.finish();
    let given: Vec<(&str, &Text)> = files.iter().filter_map(|(kind, file)| Some((*kind, file.as_ref()?))).collect();
    let [(kind, file)] = given[..] else {
        let place = given.get(1).map_or(place, |(_, second)| second.place);
        report.error(place, format!("`{own_path}` has {} of {}, and has to have one", given.len(), KINDS.join(", ")));
        return None;
    };
    let takes: &[&str] = match kind {
        "kustomization" | "argocdApplication" => &["image"],
        "helmValues" | "fleet" => &["keys"],
        "compose" => &["service"],
        _ if beside.at.is_some() => &["at", "field", "document"],
        _ => &["at", "image"],
    };
    let idle = places.into_iter().filter_map(|(name, place)| Some((name, place?)));
    let mut fits = true;
    for (name, place) in idle.filter(|(name, _)| !takes.contains(name)) {
        report.error(place, format!("`{own_path}.{name}` has no meaning beside `{kind}`"));
        fits = false;
    }
    let path = path(report, kind, file);
    let fields = beside.fields(report, kind, file, image);
    Some(Target { path: path?, policy: String::new(), fields: fields.filter(|_| fits)? })
}

impl Beside {
    fn fields(self, report: &Report, kind: &str, file: &Text, image: Option<&Repository>) -> Option<TargetFields> {
        let own = || image.map(Repository::canonical);
        let named = |text: Option<Text>| match text {
            Some(text) => text.parsed(report, Repository::parse).map(|it| it.canonical()),
            None => own(),
        };
        let lacks = |name: &str| report.error(file.place, format!("`{}` takes `{name}` beside it", file.path));
        let steps = |text: &Text| text.parsed_or(report, || AT_HINT.to_owned(), Steps::parse);
        Some(match kind {
            "kustomization" => {
                let name = self.image.map(|text| text.value).or_else(|| Some(image?.name().to_owned()));
                TargetFields::Kustomization { name: name? }
            }
            "argocdApplication" => TargetFields::Image { repository: named(self.image)?, in_applications: true },
            "compose" => {
                let Some(service) = self.service else {
                    lacks("service");
                    return None;
                };
                let steps = Steps::of_keys(["services", &service.value, "image"]);
                TargetFields::At { document: None, fields: vec![(steps, Field::Image)] }
            }
            "helmValues" | "fleet" => {
                let Some(keys) = self.keys? else {
                    lacks("keys");
                    return None;
                };
                if keys.fields.is_empty() {
                    let message = format!(
                        "`{}` names no key: write `tag`, perhaps with `repository` and `digest`, or `image`",
                        keys.path
                    );
                    report.error(keys.place, message);
                    return None;
                }
                let below = |steps: Steps| if kind == "fleet" { steps.below("values").below("helm") } else { steps };
                let fields = keys.fields.into_iter().map(|(steps, field)| (below(steps), field)).collect();
                TargetFields::At { document: None, fields }
            }
            _ => match &self.at {
                None => TargetFields::Image { repository: named(self.image)?, in_applications: false },
                Some(at) => {
                    let field = self.field.map_or(Field::Image, |(field, _)| field);
                    TargetFields::At { document: self.document?, fields: vec![(steps(at)?, field)] }
                }
            },
        })
    }
}

/// `keys`: where the parts of the image are. The tag, or the whole image, has to be there; what is beside it is set where it is.
fn keys(mut keys: Fields<'_>) -> Option<Keys> {
    let report = keys.report();
    let mut fields = Vec::new();
    let mut all = true;
    for (name, field) in
        [("image", Field::Image), ("tag", Field::Tag), ("digest", Field::Digest), ("repository", Field::Name)]
    {
        let Some(text) = keys.filled_text(name) else { continue };
        let steps = text.parsed_or(report, || AT_HINT.to_owned(), Steps::parse);
        all &= steps.is_some();
        fields.extend(steps.map(|steps| (steps, field)));
    }
    let (path, place) = (keys.own_path().to_owned(), keys.place);
    keys.finish();
    all.then_some(Keys { place, path, fields })
}

/// The file of a target.
fn path(report: &Report, kind: &str, file: &Text) -> Option<String> {
    let hint = || "name a YAML file from the root of the repository".to_owned();
    let path = file.parsed_or(report, hint, value::path)?;
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_kustomization = ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name);
    if kind == "kustomization" && !is_kustomization {
        let finding = Finding::at(file.place, format!("`{}` names no kustomization.yaml", file.path));
        report.add(finding.hint("name the file, which is kustomization.yaml, kustomization.yml or Kustomization"));
        return None;
    }
    if !is_kustomization && ![".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending)) {
        report.add(Finding::at(
            file.place,
            format!("`{}` names no file of YAML or JSON (.yaml, .yml, .json)", file.path),
        ));
        return None;
    }
    Some(path)
}
