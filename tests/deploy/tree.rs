//! The project's files.

use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

/// A text file, with its path below the project's root.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl File {
    /// Reads a file by its path below the project's root.
    pub(crate) fn read(name: &str) -> Self {
        let path = root().join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), text }
    }

    /// The documents of a YAML file.
    pub(crate) fn documents(&self) -> Vec<Yaml> {
        YamlLoader::load_from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The only document of a YAML file.
    pub(crate) fn document(&self) -> Yaml {
        let mut documents = self.documents();
        assert_eq!(documents.len(), 1, "{}", self.name);
        documents.remove(0)
    }
}

/// All files below a folder, in order.
pub(crate) fn files(folder: &str) -> Vec<File> {
    let mut names = Vec::new();
    collect(&root().join(folder), &mut names);
    names.sort();
    names.iter().map(|path| File::read(path.strip_prefix(root()).unwrap().to_str().unwrap())).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => collect(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The entries of a mapping, keys as text.
pub(crate) fn entries(yaml: &Yaml) -> Vec<(&str, &Yaml)> {
    let entries = yaml.as_hash().into_iter().flatten();
    entries.map(|(key, value)| (key.as_str().unwrap(), value)).collect()
}

/// The items of a sequence.
pub(crate) fn items(yaml: &Yaml) -> &[Yaml] {
    yaml.as_vec().map_or(&[], Vec::as_slice)
}
