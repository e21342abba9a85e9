//! Which of many paths differ between two trees, at the cost of what differs.

use std::collections::HashMap;
use std::rc::Rc;

use crate::error::Error;
use crate::id::{ObjectFormat, ObjectId};
use crate::object::{self, Objects};
use crate::store::Store;
use crate::tree::{self, Class};

/// The most bytes of trees that are kept: a commit's trees are needed again as those of its child's parent.
const MAX_CACHED: usize = 16 << 20;

/// So many paths are looked up one by one.
const FEW: usize = 4;

/// A path and its place among the caller's.
pub(super) struct Path {
    pub(super) components: Vec<String>,
    pub(super) number: u32,
}

/// A path whose content is not the same on the two sides. None where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) number: u32,
    pub(super) old: Option<ObjectId>,
    pub(super) new: Option<ObjectId>,
}

/// Reads trees, each once as long as there is room.
pub(super) struct Trees<'a> {
    store: &'a Store,
    pub(super) odb: &'a Objects<'a>,
    pub(super) format: ObjectFormat,
    kept: HashMap<ObjectId, Rc<[u8]>>,
    bytes: usize,
}

impl<'a> Trees<'a> {
    pub(super) fn new(store: &'a Store, odb: &'a Objects<'a>) -> Self {
        Self { store, odb, format: store.format(), kept: HashMap::new(), bytes: 0 }
    }

    /// Returns the paths that differ. `paths` are sorted by their components; none stands for a tree without anything.
    pub(super) fn differences(
        &mut self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        paths: &[&Path],
    ) -> Result<Vec<Difference>, Error> {
        let mut found = Vec::new();
        self.descend(old, new, paths, 0, &mut found)?;
        Ok(found)
    }

    /// All `paths` agree in their first `depth` components, which lead to `old` and `new`.
    fn descend(
        &mut self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        paths: &[&Path],
        depth: usize,
        found: &mut Vec<Difference>,
    ) -> Result<(), Error> {
        if old == new {
            return Ok(());
        }
        let (old, new) = (self.read(old)?, self.read(new)?);
        // Each look-up of a name reads half of a tree, so that many names are better looked up among what differs.
        let changed = (paths.len() > FEW).then(|| changed(&old, &new, self.format));
        for group in paths.chunk_by(|a, b| a.components.get(depth) == b.components.get(depth)) {
            let Some(name) = group[0].components.get(depth) else { continue };
            let (old, new) = match &changed {
                Some(changed) => changed.get(name.as_bytes()).copied().unwrap_or_default(),
                None => (entry(&old, self.format, name), entry(&new, self.format, name)),
            };
            if old == new {
                continue;
            }
            let (files, deeper) = group.split_at(group.partition_point(|path| path.components.len() == depth + 1));
            let (old_file, new_file) = (of(old, Class::File), of(new, Class::File));
            if old_file != new_file {
                let differ = |path: &&Path| Difference { number: path.number, old: old_file, new: new_file };
                found.extend(files.iter().map(differ));
            }
            if !deeper.is_empty() {
                self.descend(of(old, Class::Folder), of(new, Class::Folder), deeper, depth + 1, found)?;
            }
        }
        Ok(())
    }

    /// Reads a tree; none is one without anything.
    pub(super) fn read(&mut self, id: Option<ObjectId>) -> Result<Rc<[u8]>, Error> {
        let Some(id) = id else { return Ok(Rc::from([])) };
        if let Some(tree) = self.kept.get(&id) {
            return Ok(Rc::clone(tree));
        }
        let tree: Rc<[u8]> = object::tree(self.store, self.odb, id)?.data().into();
        if self.bytes + tree.len() > MAX_CACHED {
            self.kept.clear();
            self.bytes = 0;
        }
        self.bytes += tree.len();
        self.kept.insert(id, Rc::clone(&tree));
        Ok(tree)
    }
}

/// What an entry of a tree is.
pub(super) type Found = (Class, ObjectId);

/// The entries that are not the same in two trees, by name.
pub(super) fn changed<'t>(
    old: &'t [u8],
    new: &'t [u8],
    format: ObjectFormat,
) -> HashMap<&'t [u8], (Option<Found>, Option<Found>)> {
    let found = |entry: &tree::Entry<'_>| (entry.class(), entry.id);
    let mut changed: HashMap<&[u8], (Option<Found>, Option<Found>)> =
        tree::entries(old, format).flatten().map(|entry| (entry.name, (Some(found(&entry)), None))).collect();
    for entry in tree::entries(new, format).flatten() {
        let new = Some(found(&entry));
        match changed.get_mut(entry.name) {
            Some((old, _)) if *old == new => drop(changed.remove(entry.name)),
            Some((_, is)) => *is = new,
            None => drop(changed.insert(entry.name, (None, new))),
        }
    }
    changed
}

fn entry(tree: &[u8], format: ObjectFormat, name: &str) -> Option<(Class, ObjectId)> {
    tree::find(tree, format, name.as_bytes()).map(|entry| (entry.class(), entry.id))
}

pub(super) fn of(entry: Option<(Class, ObjectId)>, wanted: Class) -> Option<ObjectId> {
    entry.filter(|(class, _)| *class == wanted).map(|(_, id)| id)
}
