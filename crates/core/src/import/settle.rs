//! Puts markers on places, or leaves them as targets.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::look::{self, Wanted};
use super::{Automation, Form, Image, Import, Left, Place, place};
use crate::mark::insert::{self, Insertion};
use crate::mark::policies::Dialect;
use crate::mark::{Edit, File};

/// Where it is said which fields are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fields {
    /// In comments behind them; where none can stand, in the configuration.
    #[default]
    Markers,
    /// In the configuration.
    Targets,
}

/// What became of places.
#[derive(Debug, Default)]
pub struct Settled {
    /// The files with their markers.
    pub edits: Vec<Edit>,
    /// How many fields were found.
    pub fields: usize,
}

/// A place, and what becomes of it.
struct Seek {
    automation: usize,
    image: usize,
    place: Place,
    fate: Fate,
}

enum Fate {
    /// Nobody has looked yet.
    Open,
    /// It stays as a target.
    Target,
    /// Markers can be written for its fields, as far as can be seen so far.
    Room(Vec<Insertion>),
    /// It has its markers.
    Marked,
    SetsNothing(String),
}

/// No marker can be on the line of a field.
const NO_ROOM: &str = "no marker can stand behind it; give it a line of its own, without a comment";

/// Looks up each place, and takes out of the import what got a marker and what sets nothing; the latter with its reason.
///
/// Places in other repositories are not looked up, and stay as targets.
pub fn settle(files: &[File], import: &mut Import, namespace: &str, dialect: Dialect, fields: Fields) -> Settled {
    let mut settled = Settled::default();
    let by_path: HashMap<&str, usize> =
        files.iter().enumerate().rev().map(|(index, file)| (file.path.as_str(), index)).collect();
    if fields == Fields::Targets {
        comments_as_targets(files, &by_path, import);
    }
    let mut seeks = Vec::new();
    let mut by_file: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, automation) in import.automations.iter_mut().enumerate() {
        let is_elsewhere = automation.delivery.url.is_some();
        for (index, image) in automation.images.iter_mut().enumerate() {
            for place in std::mem::take(&mut image.places) {
                // A file of this path may be here, too: it is another one.
                let fate = match by_path.get(place.path.as_str()) {
                    _ if is_elsewhere && dialect == Dialect::Native && !is_comment(&place) => Fate::Target,
                    _ if is_elsewhere => Fate::SetsNothing("it is in another repository, where Flux's documents take markers; import from a checkout of that".to_owned()),
                    None => Fate::SetsNothing("there is no such file".to_owned()),
                    Some(file) => {
                        by_file.entry(*file).or_default().push(seeks.len());
                        Fate::Open
                    }
                };
                seeks.push(Seek { automation: at, image: index, place, fate });
            }
        }
    }
    let is_marked = |place: &Place| fields == Fields::Markers || dialect == Dialect::Flux || is_comment(place);
    let otherwise = |place: &Place, why: String| {
        let is_target = dialect == Dialect::Native && !is_comment(place);
        if is_target { Fate::Target } else { Fate::SetsNothing(why) }
    };
    for (file, members) in by_file {
        let file = &files[file];
        let image = |seek: &Seek| &import.automations[seek.automation].images[seek.image];
        let wanted: Vec<Wanted<'_>> =
            members.iter().map(|it| Wanted::of(image(&seeks[*it]), &seeks[*it].place)).collect();
        let found = look::look(file, &wanted, namespace);
        for (member, found) in members.iter().zip(found) {
            let seek = &mut seeks[*member];
            seek.fate = match found {
                Err(why) => Fate::SetsNothing(why),
                Ok(look::Found { insertions, has_room }) => {
                    settled.fields += insertions.len();
                    match is_marked(&seek.place) {
                        true if has_room => Fate::Room(insertions),
                        _ => otherwise(&seek.place, NO_ROOM.to_owned()),
                    }
                }
            };
        }
        let rooms: Vec<(usize, Vec<Insertion>)> = members
            .into_iter()
            .filter_map(|member| match std::mem::replace(&mut seeks[member].fate, Fate::Marked) {
                Fate::Room(insertions) => Some((member, insertions)),
                other => {
                    seeks[member].fate = other;
                    None
                }
            })
            .collect();
        let (bytes, fits) = fit(&file.bytes, &rooms.iter().map(|(_, it)| it.as_slice()).collect::<Vec<_>>());
        let mut markers = 0;
        for ((member, insertions), fit) in rooms.into_iter().zip(fits) {
            let seek = &mut seeks[member];
            match fit {
                Ok(()) => {
                    markers += insertions.len();
                    import.automations[seek.automation].marked.insert(file.path.clone());
                }
                Err(why) => seek.fate = otherwise(&seek.place, why.to_owned()),
            }
        }
        if markers > 0 {
            settled.edits.push(Edit { path: file.path.clone(), old: file.bytes.clone(), new: bytes, markers });
        }
    }
    settle_images(import, seeks);
    settled
}

/// Gives images the places that stay targets, and takes out those that have none and no marker.
fn settle_images(import: &mut Import, seeks: Vec<Seek>) {
    let mut kept: HashSet<(usize, usize)> = HashSet::new();
    for Seek { automation, image, place, fate } in seeks {
        let it = &mut import.automations[automation].images[image];
        match fate {
            Fate::SetsNothing(why) => {
                let left = sets_nothing(it, &place, &why);
                import.left.push(left);
                continue;
            }
            Fate::Target => it.places.push(place),
            Fate::Open | Fate::Room(_) | Fate::Marked => {}
        }
        kept.insert((automation, image));
    }
    for (at, automation) in import.automations.iter_mut().enumerate() {
        let mut indices = 0..;
        automation.images.retain(|_| indices.next().is_some_and(|index| kept.contains(&(at, index))));
    }
    import.automations.retain(|automation: &Automation| !automation.images.is_empty());
    import.left.sort();
    import.left.dedup();
}

/// Puts the way to the field in place of each comment that has one.
fn comments_as_targets(files: &[File], by_path: &HashMap<&str, usize>, import: &mut Import) {
    let mut by_file: BTreeMap<usize, Vec<(usize, &mut Place)>> = BTreeMap::new();
    let images = import.automations.iter_mut().flat_map(|automation| &mut automation.images);
    for place in images.flat_map(|image| &mut image.places) {
        if let Form::Comment { scalar, .. } = place.form
            && let Some(file) = by_path.get(place.path.as_str())
        {
            by_file.entry(*file).or_default().push((scalar, place));
        }
    }
    for (file, places) in by_file {
        let starts: Vec<usize> = places.iter().map(|(scalar, _)| *scalar).collect();
        for ((_, place), way) in places.into_iter().zip(place::ways(&files[file], &starts)) {
            if let (Form::Comment { field, .. }, Some((at, document))) = (place.form.clone(), way) {
                place.form = Form::At { at, field, document };
            }
        }
    }
}

fn is_comment(place: &Place) -> bool {
    matches!(place.form, Form::Comment { .. })
}

fn sets_nothing(image: &Image, place: &Place, why: &str) -> Left {
    let where_ = match &place.form {
        Form::Kustomization(name) => format!("the item {name:?} of `images` in {}", place.path),
        Form::Application => format!("{} in the Applications of {}", image.repository, place.path),
        Form::Keys { keys, .. } => {
            let keys: Vec<&str> = keys.iter().map(|(_, key)| key.as_str()).collect();
            format!("{} in {}", keys.join(", "), place.path)
        }
        Form::Compose(service) => format!("the service {service} in {}", place.path),
        Form::At { at, .. } => format!("{at} in {}", place.path),
        Form::Comment { .. } => format!("a comment in {}", place.path),
    };
    let what = format!("{} is not followed in {where_}", image.repository);
    Left { spot: place.spot.clone(), source: image.source, what, why: why.to_owned() }
}

/// How often a file is written and read again to find the markers that it does not take.
const MAX_TRIED: usize = 256;

/// Writes all markers that a file takes, and says of each place whether they are among them.
fn fit(file: &[u8], all: &[&[Insertion]]) -> (Vec<u8>, Vec<Result<(), &'static str>>) {
    let mut fits = vec![Err("too many markers of the file are not taken"); all.len()];
    let (mut bytes, mut good) = (file.to_vec(), Vec::new());
    let mut parts = vec![(0..all.len()).collect::<Vec<usize>>()];
    let mut tried = 0;
    while let Some(mut part) = parts.pop().filter(|_| tried < MAX_TRIED) {
        let with =
            |more: &[usize]| good.iter().chain(more).flat_map(|it| all[*it]).cloned().collect::<Vec<Insertion>>();
        tried += 1;
        match (insert::all(file, with(&part).iter()), &part[..]) {
            (_, []) => {}
            (Ok(new), _) => {
                bytes = new;
                good.append(&mut part);
            }
            (Err(_), [one]) => {
                let alone = good.is_empty() || insert::all(file, all[*one].iter()).is_err();
                fits[*one] =
                    Err(if alone { NO_ROOM } else { "its marker did not verify beside the others of the file" });
            }
            (Err(_), _) => {
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
            }
        }
    }
    good.into_iter().for_each(|it| fits[it] = Ok(()));
    (bytes, fits)
}
