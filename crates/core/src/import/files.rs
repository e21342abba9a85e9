//! The files of a checkout, each looked up by its path and read once, however many places in it are asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use image::Repository;

use super::node::{self, Node};
use super::place::{self, Form};
use crate::inventory;
use crate::mark::File;
use crate::marker::{Field, Step, Steps, TargetFields};

/// Files, and what was read of them so far.
pub(super) struct Files<'f> {
    by_path: BTreeMap<&'f str, &'f File>,
    read: RefCell<HashMap<&'f str, Rc<Read>>>,
}

/// What is known of a file; each part when it is first asked for.
#[derive(Default)]
struct Read {
    documents: Once<[(usize, Node)]>,
    /// For each image of the inventory.
    forms: Once<[Vec<Form>]>,
    /// The first image of each line.
    by_line: Once<HashMap<usize, usize>>,
    /// The images of each repository, by its canonical name.
    by_name: Once<HashMap<String, Vec<usize>>>,
}

/// What is made when it is first asked for.
type Once<T> = RefCell<Option<Rc<T>>>;

fn once<T: ?Sized>(cell: &Once<T>, make: impl FnOnce() -> Rc<T>) -> Rc<T> {
    Rc::clone(cell.borrow_mut().get_or_insert_with(make))
}

impl<'f> Files<'f> {
    pub(super) fn of(files: &'f [File]) -> Self {
        let by_path = files.iter().rev().map(|file| (file.path.as_str(), file)).collect();
        Self { by_path, read: RefCell::default() }
    }

    /// The file at a path.
    pub(super) fn at(&self, path: &str) -> Option<&'f File> {
        self.by_path.get(path).copied()
    }

    /// The files below a folder, which is empty for the root.
    pub(super) fn below(&self, folder: &str) -> Vec<&'f File> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let range = self.by_path.range(prefix.as_str()..);
        range.take_while(|(path, _)| path.starts_with(&prefix)).map(|(_, file)| *file).collect()
    }

    fn read(&self, file: &File) -> Option<Rc<Read>> {
        let (path, _) = self.by_path.get_key_value(file.path.as_str())?;
        Some(Rc::clone(self.read.borrow_mut().entry(path).or_default()))
    }

    /// The documents of a file, each with its number from 1.
    pub(super) fn documents(&self, file: &File) -> Rc<[(usize, Node)]> {
        let read = self.read(file);
        read.map(|it| once(&it.documents, || node::numbered(file).into())).unwrap_or_default()
    }

    /// The places of the image at this index of the inventory of a file.
    pub(super) fn forms(&self, file: &File, index: usize) -> Vec<Form> {
        let forms = self.read(file).map(|it| once(&it.forms, || place::of_file(file).into()));
        forms.and_then(|it| it.get(index).cloned()).unwrap_or_default()
    }

    /// The first image whose name stands on a line of a file, with its index.
    pub(super) fn image_on<'x>(&self, file: &'x File, line: usize) -> Option<(usize, &'x inventory::Image)> {
        let all = || file.inventory.images.iter().enumerate().rev();
        let read = self.read(file)?;
        let by_line = once(&read.by_line, || Rc::new(all().map(|(index, it)| (it.line(), index)).collect()));
        by_line.get(&line).map(|index| (*index, &file.inventory.images[*index]))
    }

    /// The images of a repository in a file that have a tag and can be followed, each with its index.
    pub(super) fn images_of<'x>(&self, file: &'x File, repository: &Repository) -> Vec<(usize, &'x inventory::Image)> {
        let make = || {
            let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, image) in file.inventory.images.iter().enumerate() {
                let is_known = image.obstacle.is_none() && !image.tag.is_empty();
                if let Some(repository) = image.repository.as_ref().filter(|_| is_known) {
                    by_name.entry(repository.canonical()).or_default().push(index);
                }
            }
            Rc::new(by_name)
        };
        let by_name = self.read(file).map(|it| once(&it.by_name, make)).unwrap_or_default();
        let indices = by_name.get(&repository.canonical()).map(Vec::as_slice).unwrap_or_default();
        indices.iter().map(|index| (*index, &file.inventory.images[*index])).collect()
    }

    /// The text of a field that holds the tag, at a place of a file.
    pub(super) fn tag_at(&self, path: &str, form: &Form, repository: &Repository) -> Option<String> {
        let file = self.at(path)?;
        match form.fields(repository).ok()? {
            TargetFields::At { document, fields } => {
                let documents = self.documents(file);
                let mut meant = documents.iter().filter(|(number, _)| document.is_none_or(|it| it == *number));
                let (_, root) =
                    meant.find(|(_, root)| fields.first().is_some_and(|(steps, _)| root.along(steps).is_some()))?;
                let mut tags = fields.iter().filter(|(_, field)| matches!(field, Field::Tag | Field::Image));
                tags.find_map(|(steps, _)| Some(root.along(steps)?.text()?.to_owned()))
            }
            TargetFields::Kustomization { name } => {
                let documents = self.documents(file);
                let items = documents.iter().filter_map(|(_, root)| root.get("images")).flat_map(Node::items);
                let mut items = items.filter(|it| it.text_of("name") == Some(&name));
                items.find_map(|it| Some(it.text_of("newTag")?.to_owned()))
            }
            TargetFields::Image { .. } => {
                let images = self.images_of(file, repository);
                images
                    .into_iter()
                    .find(|(_, it)| it.object.kind.starts_with("Application"))
                    .map(|(_, it)| it.tag.clone())
            }
        }
    }
}

impl Node {
    /// The node at the end of a way.
    fn along(&self, steps: &Steps) -> Option<&Self> {
        steps.all().iter().try_fold(self, |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Item(at) => Step::item(*at, node.items()),
        })
    }
}
