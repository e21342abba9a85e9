//! The architecture, held against the source: who may use whom, and what the core must not touch.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// For each module of the program, the modules it may name; which crates may name which is in their manifests. A new arrow is
/// a decision: change it here and in `lib.rs`.
const ARROWS: &[(&str, &[&str])] = &[
    ("snippet", &[]),
    ("wire", &[]),
    ("failure", &["snippet"]),
    ("files", &["failure"]),
    ("store", &["failure", "wire"]),
    ("telemetry", &["snippet"]),
    ("trace", &[]),
    ("metrics", &[]),
    ("run", &["failure", "store"]),
    ("announce", &["failure", "observe", "run", "store"]),
    ("observe", &["run", "store", "trace", "wire"]),
    ("act", &["observe", "run", "store", "trace", "wire"]),
    ("pass", &["act", "observe", "run", "trace"]),
    ("schedule", &["act", "announce", "failure", "metrics", "observe", "run", "snippet", "store", "trace", "wire"]),
    ("server", &["failure", "metrics", "report", "run", "schedule", "store", "trace", "wire"]),
    ("imports", &["failure", "files"]),
    ("config", &["failure", "files", "imports", "snippet"]),
    ("cluster", &["config", "failure", "observe", "run", "schedule", "store", "wire"]),
    ("report", &["failure", "run", "snippet", "wire"]),
    (
        "cli",
        &[
            "act",
            "announce",
            "cluster",
            "config",
            "failure",
            "files",
            "imports",
            "observe",
            "pass",
            "report",
            "run",
            "schedule",
            "server",
            "store",
            "telemetry",
            "wire",
        ],
    ),
];

/// The crates that are pure. Their manifests have no library for I/O; what the standard library offers is looked for here.
const PURE: &[&str] = &["access", "core", "flux", "gotext", "image", "trust", "words", "yamlspan"];

/// What pure code must not mention outside its tests.
const IMPURE: &[&str] = &[
    "async fn",
    ".await",
    "std::fs",
    "std::net::Tcp",
    "std::process",
    "std::env",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "println!",
    "eprintln!",
];

/// The text of each source file below a folder of the repository.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("source is text");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

/// The top-level module a file belongs to; none for `lib.rs` and `main.rs`.
fn module(path: &Path) -> Option<String> {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    let first = below.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
    (first != "lib" && first != "main").then_some(first)
}

/// A file's lines of code outside its tests, without comments, counted from 0.
///
/// Tests are the items with `#[cfg(test)]`, wherever they stand: a file goes on behind its test module.
fn production(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = tests(&syn::parse_file(text).expect("source is Rust").items);
    let is_test = move |number: usize| tests.iter().any(|lines| lines.contains(&(number + 1)));
    let is_code = move |(number, line): &(usize, &str)| !is_test(*number) && !line.trim_start().starts_with("//");
    text.lines().enumerate().filter(is_code)
}

/// The lines of the items that are compiled for tests alone, counted from 1; those within modules and implementations too.
fn tests(items: &[syn::Item]) -> Vec<RangeInclusive<usize>> {
    let mut found = Found::default();
    items.iter().for_each(|item| found.visit_item(item));
    found.0
}

#[derive(Default)]
struct Found(Vec<RangeInclusive<usize>>);

impl Found {
    /// Returns whether the item is a test, and keeps its lines if it is one.
    fn takes(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) -> bool {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
        };
        let found = attributes.iter().any(is_test);
        if found {
            self.0.push(item.span().start().line..=item.span().end().line);
        }
        found
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Enum(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Trait(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            // Whatever else there is counts as production code.
            _ => return visit::visit_item(self, item),
        };
        if !self.takes(attributes, item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.takes(&function.attrs, function);
    }
}

#[test]
fn code_behind_a_test_is_production_code() {
    let text = "//! A file.\n\
                #[cfg(test)]\n\
                mod tests;\n\
                fn before() {}\n\
                #[cfg(test)]\n\
                mod cases {\n\
                    fn a_test() {}\n\
                }\n\
                impl Kept {\n\
                    #[cfg(test)]\n\
                    fn for_tests() {}\n\
                    fn kept() {}\n\
                }\n\
                fn behind() {}\n";
    let kept: Vec<usize> = production(text).map(|(number, _)| number + 1).collect();
    assert_eq!(kept, [4, 9, 12, 13, 14]);
}

/// The modules named by `crate::x` and by `use crate::{x, y::…}`.
fn named(text: &str) -> Vec<String> {
    let code: String = production(text).map(|(_, line)| format!("{line}\n")).collect();
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let mut item = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => names.push(std::mem::take(&mut item)),
                        _ if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                names.push(item);
            }
            None => names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()),
        }
    }
    let first = |name: &String| name.trim().split("::").next().unwrap_or_default().to_owned();
    names.iter().map(first).filter(|name| !name.is_empty()).collect()
}

#[test]
fn imports_go_one_way() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some(module) = module(&path) else { continue };
        let arrows = allowed.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no row in ARROWS"));
        for name in named(&text) {
            if name != module && allowed.contains_key(name.as_str()) && !arrows.contains(&name.as_str()) {
                wrong.push(format!("{}: {module} -> {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not in the table:\n{}", wrong.join("\n"));
}

#[test]
fn pure_crates_are_pure() {
    let mut wrong = Vec::new();
    for (path, text) in PURE.iter().flat_map(|name| sources(&format!("crates/{name}/src"))) {
        // The module `tests`, in its file or in its folder, is compiled for tests alone.
        if path.ends_with("tests.rs") || path.iter().any(|part| part == "tests") {
            continue;
        }
        for (number, line) in production(&text) {
            if let Some(word) = IMPURE.iter().find(|word| line.contains(**word)) {
                wrong.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "pure code does I/O or looks at the clock:\n{}", wrong.join("\n"));
}

/// What is asked by HTTP hears the program's version, which is the one that its crate was compiled with.
#[test]
fn every_crate_has_the_version_of_the_program() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates")).expect("there are crates") {
        let manifest = entry.expect("crates are readable").path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("each crate has a manifest");
        assert!(text.lines().any(|line| line == "version.workspace = true"), "{}", manifest.display());
    }
}

#[test]
fn every_file_says_what_it_is() {
    let mut wrong = Vec::new();
    for (path, text) in ["src", "crates"].into_iter().flat_map(sources) {
        if !text.starts_with("//! ") {
            wrong.push(format!("{}: no module documentation", path.display()));
        }
        if path.ends_with("mod.rs") {
            wrong.push(format!("{}: write foo.rs beside foo/", path.display()));
        }
        for (number, line) in text.lines().enumerate() {
            if line.contains(concat!("super", "::super")) {
                wrong.push(format!("{}:{}: write the path from crate", path.display(), number + 1));
            }
            if line.ends_with([' ', '\t']) {
                wrong.push(format!("{}:{}: trailing white space", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
