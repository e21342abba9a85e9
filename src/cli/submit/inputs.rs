//! The texts that resources are taken from.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use tagwright_core::submit::{Input, MAX_BYTES, Secrets, Submission};

use crate::cli::streams;
use crate::config::{MAX_FILES, MAX_FOLDER_DEPTH};
use crate::failure::{Context as _, Failure, Result};

/// Reads files, folders and stdin. A folder gives its `*.yaml`, `*.yml` and `*.json`, directly and below, in the order of their names;
/// hidden ones and symbolic links are left out.
pub(super) fn read(paths: &[PathBuf], secrets: Secrets) -> Result<Submission> {
    let mut files = Vec::new();
    for path in paths {
        match !streams::is_stdin(path) && path.is_dir() {
            true => folder(path, 0, &mut files)?,
            false => files.push(path.clone()),
        }
    }
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    let (mut texts, mut bytes) = (Vec::with_capacity(files.len()), 0);
    for file in &files {
        let text = streams::read(file)?;
        bytes += text.len();
        if bytes > MAX_BYTES {
            return Err(Failure::usage(
                format!("the resources have more than {} MiB", MAX_BYTES >> 20),
                "submit less at once",
            ));
        }
        texts.push((streams::name(file), text));
    }
    let inputs: Vec<Input<'_>> = texts.iter().map(|(name, text)| Input { name, text }).collect();
    Submission::read(&inputs, secrets).map_err(|refused| {
        let hint = refused.hint();
        Failure::usage(words::lines(&refused.to_string()), hint.unwrap_or_default())
    })
}

fn folder(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > MAX_FOLDER_DEPTH {
        return Err(Failure::usage(format!("{} is more than {MAX_FOLDER_DEPTH} folders deep", path.display()), ""));
    }
    let read = || format!("cannot read {}", path.display());
    let entries: std::io::Result<Vec<fs::DirEntry>> = fs::read_dir(path).with_context(read)?.collect();
    let mut entries = entries.with_context(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().with_context(read)?;
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            folder(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() && [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)) {
            files.push(entry.path());
            if files.len() > MAX_FILES {
                return Err(Failure::usage(format!("there are more than {MAX_FILES} files"), "submit less at once"));
            }
        }
    }
    Ok(())
}
