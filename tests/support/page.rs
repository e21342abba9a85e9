//! A page of the documents as tests read it: its sections, fenced blocks and tables.

// Each test binary uses another part of this.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use regex::Regex;

/// README.md, a file below docs/, or a section of one.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    /// Its place, from the root of the project.
    pub(crate) path: &'static str,
    pub(crate) text: &'static str,
}

impl Page {
    /// The page at a place.
    pub(crate) fn at(path: &'static str) -> Self {
        let file = root().join(path);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self { path, text: text.leak() }
    }

    /// README.md, and all below docs/.
    pub(crate) fn all() -> Vec<Self> {
        let mut folders = vec![root().join("docs")];
        let mut pages = vec![Self::at("README.md")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.extension().is_some_and(|extension| extension == "md") {
                    let place = entry.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                    pages.push(Self::at(place.leak()));
                }
            }
        }
        pages.sort_by_key(|page| page.path);
        pages
    }

    /// From a heading to the next one of the same level.
    pub(crate) fn below(self, heading: &str) -> Self {
        let (_, rest) = self.text.split_once(&format!("{heading}\n")).unwrap_or_else(|| self.lacks(heading));
        let level = heading.split(' ').next().unwrap();
        Self { text: rest.split(&format!("\n{level} ")).next().unwrap(), ..self }
    }

    /// The fenced blocks of a language, without the indentation of those within lists.
    pub(crate) fn blocks(self, language: &str) -> Vec<&'static str> {
        let fence = Regex::new(&format!(r"(?ms)^( *)```{language}\n(.*?)\n *```$")).unwrap();
        let block = |found: regex::Captures<'_>| {
            let indentation = found[1].len();
            let lines: Vec<&str> = found[2].lines().map(|line| line.get(indentation..).unwrap_or_default()).collect();
            &*lines.join("\n").leak()
        };
        fence.captures_iter(self.text).map(block).collect()
    }

    /// The rows of its first table, as cells.
    pub(crate) fn rows(self) -> Vec<Vec<&'static str>> {
        let table =
            self.text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        // A bar within a cell is escaped.
        let cells = |line: &'static str| {
            let bar = Regex::new(r"(?:^|[^\\])\|").unwrap();
            bar.split(line).map(str::trim).filter(|cell| !cell.is_empty()).collect()
        };
        table.skip(2).map(cells).collect()
    }

    /// Puts a text in place of another in the file of the page.
    pub(crate) fn replace(self, from: &str, to: &str) {
        let file = root().join(self.path);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, text.replacen(from, to, 1)).unwrap();
    }

    fn lacks(self, heading: &str) -> ! {
        panic!("{} has no heading {heading}", self.path)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
