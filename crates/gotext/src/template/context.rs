//! What all functions of one rendering share: its budget, its dictionaries and its compiled patterns.
//!
//! Whoever makes a text, a list or a dictionary makes it here, so that none is longer, deeper or more than the limits allow.
//! The price of a step is its cost in the worst case, or an attacker would choose that one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::pattern::{MAX_PROGRAM_SIZE, Pattern, Reason};
use crate::template::value::{Dict, Entries, LIST, List, MethodError, STRINGS, Value};
use crate::template::{MAX_OUTPUT, MAX_VALUE_DEPTH, MAX_WORK};

/// Why a function has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It failed, and says why.
    Call(String),
    /// A limit of the rendering was exceeded.
    Limit(String),
    /// What was asked for exists no longer.
    Removed(String),
}

impl Failure {
    pub(crate) fn call(message: impl Into<String>) -> Self {
        Self::Call(message.into())
    }

    /// What Go says when a nil interface's type is asked for.
    pub(crate) fn nil_dereference() -> Self {
        Self::call("runtime error: invalid memory address or nil pointer dereference")
    }
}

impl From<MethodError> for Failure {
    fn from(error: MethodError) -> Self {
        match error {
            MethodError::Failed(message) => Self::Call(message),
            MethodError::Removed(message) => Self::Removed(message),
        }
    }
}

/// What patterns cost, by the size that they have when compiled.
struct PatternCost {
    /// In bytes.
    size: usize,
    /// Of compiling one.
    compile: usize,
    /// Of each byte of a text that is searched: in the worst case a search looks at the whole pattern for each.
    search: usize,
}

const PATTERN_COSTS: &[PatternCost] = &[
    PatternCost { size: 4 << 10, compile: 10_000, search: 1 },
    PatternCost { size: 64 << 10, compile: 20_000, search: 16 },
    PatternCost { size: 1 << 20, compile: 200_000, search: 256 },
    PatternCost { size: MAX_PROGRAM_SIZE, compile: 2_000_000, search: 2_560 },
];

/// The budget, the dictionaries and the compiled patterns of one rendering.
#[derive(Default)]
pub(crate) struct Context {
    spent: Cell<u64>,
    dicts: RefCell<Vec<Dict>>,
    /// With what a search costs for each byte of the text.
    patterns: RefCell<BTreeMap<String, (Rc<Pattern>, usize)>>,
}

impl Context {
    /// Spends work, or fails when the budget is used up.
    pub(crate) fn spend(&self, work: usize) -> Result<(), Failure> {
        let spent = self.spent.get().saturating_add(u64::try_from(work).unwrap_or(u64::MAX));
        self.spent.set(spent);
        if spent > MAX_WORK {
            return Err(Failure::Limit(format!("the template does more than {MAX_WORK} units of work")));
        }
        Ok(())
    }

    /// Spends what reading or writing this many bytes costs.
    pub(crate) fn spend_bytes(&self, bytes: usize) -> Result<(), Failure> {
        self.spend(1 + bytes / 16)
    }

    /// Spends what reading the texts among the arguments of a call costs.
    pub(crate) fn spend_texts(&self, arguments: &[Value]) -> Result<(), Failure> {
        arguments.iter().filter_map(Value::as_str).try_for_each(|text| self.spend_bytes(text.len()))
    }

    /// Spends what following the layout of a time costs: at each byte all its elements are looked for.
    pub(crate) fn spend_layout(&self, layout: &str) -> Result<(), Failure> {
        self.spend(4 * layout.len())
    }

    /// A value that was made elsewhere, if it is within the limits.
    pub(crate) fn checked(&self, value: Value) -> Result<Value, Failure> {
        if let Some(text) = value.as_str() {
            self.check_length(text.len())?;
        }
        Ok(value)
    }

    /// A compiled pattern to be used on a text of this many bytes.
    pub(crate) fn pattern(&self, expression: &str, bytes: usize) -> Result<Rc<Pattern>, Failure> {
        let known = self.patterns.borrow().get(expression).cloned();
        let (pattern, search) = match known {
            Some(known) => known,
            None => {
                let compiled = self.compile(expression, PATTERN_COSTS)?;
                self.patterns.borrow_mut().insert(expression.to_owned(), compiled.clone());
                compiled
            }
        };
        self.spend((1 + bytes).saturating_mul(search))?;
        Ok(pattern)
    }

    /// Compiles a pattern in the first of some sizes that holds it.
    fn compile(&self, expression: &str, costs: &[PatternCost]) -> Result<(Rc<Pattern>, usize), Failure> {
        let [cost, larger @ ..] = costs else { return Err(Failure::Limit("a pattern is too large".to_owned())) };
        self.spend(cost.compile + 8 * expression.len())?;
        match Pattern::parse_within(expression, cost.size) {
            Ok(pattern) => Ok((Rc::new(pattern), cost.search)),
            Err(error) if error.reason == Reason::TooLarge && !larger.is_empty() => self.compile(expression, larger),
            Err(error) => Err(Failure::Call(error.detail())),
        }
    }

    /// Fails early for a text that would be too long to make.
    pub(crate) fn check_length(&self, bytes: usize) -> Result<(), Failure> {
        if bytes > MAX_OUTPUT {
            return Err(Failure::Limit(format!("a text of more than {MAX_OUTPUT} bytes")));
        }
        self.spend_bytes(bytes)
    }

    /// A string, within the limits.
    pub(crate) fn string(&self, text: impl Into<Rc<str>>) -> Result<Value, Failure> {
        let text = text.into();
        self.check_length(text.len())?;
        Ok(Value::String(text))
    }

    /// A `[]interface {}`, within the limits.
    pub(crate) fn list(&self, items: Vec<Value>) -> Result<Value, Failure> {
        self.typed_list(LIST, items)
    }

    /// A `[]string`, within the limits.
    pub(crate) fn strings<S: Into<Rc<str>>>(&self, texts: impl IntoIterator<Item = S>) -> Result<Value, Failure> {
        let items: Result<Vec<_>, _> = texts.into_iter().map(|text| self.string(text)).collect();
        self.typed_list(STRINGS, items?)
    }

    /// A list of the given type, within the limits.
    pub(crate) fn typed_list(&self, type_name: &'static str, items: Vec<Value>) -> Result<Value, Failure> {
        self.spend(1 + 2 * items.len())?;
        let list = List::new(type_name, items);
        if list.depth() > MAX_VALUE_DEPTH {
            return Err(too_deep());
        }
        Ok(Value::List(Rc::new(list)))
    }

    /// A dictionary, within the limits.
    pub(crate) fn dict(&self, entries: Entries) -> Result<Value, Failure> {
        self.spend(8 * (1 + entries.len()))?;
        let dict = Dict::new(entries);
        self.dicts.borrow_mut().push(dict.clone());
        Ok(Value::Dict(dict))
    }
}

impl Drop for Context {
    /// Empties every dictionary, so that those that contain themselves are freed, and long chains without recursion.
    fn drop(&mut self) {
        for dict in self.dicts.take() {
            drop(dict.take());
        }
    }
}

/// The failure of what looks into values that are nested too deeply, or contain themselves.
pub(crate) fn too_deep() -> Failure {
    Failure::Limit(format!("a value is nested more than {MAX_VALUE_DEPTH} deep"))
}
