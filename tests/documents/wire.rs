//! The types of `src/wire`, as the documents they become: the names of all members, with those within.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Attribute, Fields, GenericArgument, Item, PathArguments, Type};

use crate::{files, read};

/// The types of all modules of `src/wire`, by module and name.
pub(crate) struct Wire {
    types: BTreeMap<(String, String), Item>,
}

impl Wire {
    pub(crate) fn read() -> Self {
        let mut types = BTreeMap::new();
        for file in files("src/wire", &["rs"]) {
            let module = file.rsplit_once('/').unwrap().1.trim_end_matches(".rs").to_owned();
            for item in syn::parse_file(&read(&file)).unwrap().items {
                let name = match &item {
                    Item::Struct(item) => item.ident.to_string(),
                    Item::Enum(item) => item.ident.to_string(),
                    _ => continue,
                };
                types.insert((module.clone(), name), item);
            }
        }
        Self { types }
    }

    /// The full names of all members of a type.
    pub(crate) fn members(&self, module: &str, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.collect(&(module.to_owned(), name.to_owned()), "", &mut found);
        assert!(!found.is_empty(), "no type {name} in {module}");
        found
    }

    /// The values of all enumerations without data: the words that a document may have.
    pub(crate) fn words(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for item in self.types.values() {
            let Item::Enum(item) = item else { continue };
            let plain = item.variants.iter().filter(|variant| matches!(variant.fields, Fields::Unit));
            words.extend(plain.map(|variant| renamed(&variant.ident.to_string(), &item.attrs)));
        }
        words
    }

    fn collect(&self, key: &(String, String), path: &str, found: &mut BTreeSet<String>) {
        match &self.types[key] {
            Item::Struct(item) => {
                for field in &item.fields {
                    let name = field.ident.as_ref().unwrap().to_string();
                    let inner = self.resolve(&key.0, &field.ty);
                    let name = serde(&field.attrs, "rename").unwrap_or_else(|| renamed(&name, &item.attrs));
                    let path = if has(&field.attrs, "flatten") {
                        path.to_owned()
                    } else {
                        let path = join(path, &name);
                        found.insert(path.clone());
                        path
                    };
                    if let Some(inner) = inner {
                        self.collect(&inner, &path, found);
                    }
                }
            }
            Item::Enum(item) => {
                for variant in item.variants.iter().filter(|variant| !matches!(variant.fields, Fields::Unit)) {
                    let path = join(path, &renamed(&variant.ident.to_string(), &item.attrs));
                    found.insert(path.clone());
                    found.extend(
                        variant.fields.iter().filter_map(|field| Some(join(&path, &field.ident.as_ref()?.to_string()))),
                    );
                }
            }
            _ => {}
        }
    }

    /// The type of ours that a type holds, through lists and options: that of the module, or else the only one of the name.
    fn resolve(&self, module: &str, ty: &Type) -> Option<(String, String)> {
        let path = match ty {
            Type::Path(path) => path,
            Type::Reference(reference) => return self.resolve(module, &reference.elem),
            Type::Slice(slice) => return self.resolve(module, &slice.elem),
            _ => return None,
        };
        let last = path.path.segments.last()?;
        if let PathArguments::AngleBracketed(arguments) = &last.arguments {
            return arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => self.resolve(module, ty),
                _ => None,
            });
        }
        let name = last.ident.to_string();
        let own = (module.to_owned(), name.clone());
        let mut others = self.types.keys().filter(|(_, known)| *known == name);
        match self.types.contains_key(&own) {
            true => Some(own),
            false => others.next().cloned(),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The value of an argument of `#[serde(…)]`.
fn serde(attributes: &[Attribute], argument: &str) -> Option<String> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            let value = meta.value().and_then(|value| value.parse::<syn::LitStr>());
            if let (true, Ok(value)) = (meta.path.is_ident(argument), value) {
                found = Some(value.value());
            }
            Ok(())
        });
    }
    found
}

/// Whether `#[serde(…)]` has an argument without a value.
fn has(attributes: &[Attribute], argument: &str) -> bool {
    let mut found = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident(argument);
            Ok(())
        });
    }
    found
}

/// A name as serde writes it, by `rename_all` of its type.
fn renamed(name: &str, attributes: &[Attribute]) -> String {
    match serde(attributes, "rename_all").as_deref() {
        None => name.to_owned(),
        Some("lowercase") => name.to_lowercase(),
        Some("camelCase") => {
            let mut parts = name.split('_');
            let first = parts.next().unwrap();
            let first = format!("{}{}", first[..1].to_lowercase(), &first[1..]);
            parts.fold(first, |text, part| format!("{text}{}{}", part[..1].to_uppercase(), &part[1..]))
        }
        Some(other) => panic!("rename_all = {other} is new"),
    }
}
