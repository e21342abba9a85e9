//! Runs a template: walks its nodes and evaluates its pipelines, as Go's executor does.
//!
//! The first error ends the run and there is no output then. It points at the node that was looked at last, so
//! the order in which `at` is set is Go's order too, down to the node that a function's failure is blamed on.

mod call;
mod evaluate;

use self::call::Arguments;
use crate::quote::quote;
use crate::template::context::{Context, Failure};
use crate::template::format;
use crate::template::operand::Operand;
use crate::template::syntax::{Block, Branch, Located, Node, NodeKind, Pipeline, Tree};
use crate::template::value::{IntKind, Value};
use crate::template::{MAX_DEPTH, MAX_OUTPUT, MAX_RANGE, Place, Reason, RenderError, bounded};

/// Runs a template on a value.
pub(crate) fn execute(tree: &Tree, data: &Value) -> Result<String, RenderError> {
    let context = Context::default();
    let data = Operand::new(data.clone());
    let mut run = Run {
        tree,
        context: &context,
        out: String::new(),
        executing: &tree.name,
        at: None,
        variables: vec![("$", data.clone())],
        depth: 0,
    };
    if let Some(root) = tree.templates.get(&tree.name) {
        run.block(root, &data)?;
    }
    Ok(run.out)
}

struct Run<'t, 'c> {
    tree: &'t Tree,
    context: &'c Context,
    out: String,
    executing: &'t str,
    /// The node that errors point at: the one looked at last.
    at: Option<&'t dyn Located>,
    /// The variables in scope; of one name the last counts.
    variables: Vec<(&'t str, Operand)>,
    depth: usize,
}

/// Whether to go on after a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// What evaluating gives; an error has its place already.
type Evaluated<T> = Result<T, RenderError>;

impl<'t> Run<'t, '_> {
    // Errors.

    fn error(&self, reason: Reason) -> RenderError {
        let position = self.at.map_or(0, Located::position);
        let before = self.tree.text.get(..position).unwrap_or_default();
        let place = Box::new(Place {
            name: self.tree.name.clone(),
            line: 1 + before.matches('\n').count(),
            column: before.len() - before.rfind('\n').map_or(0, |newline| newline + 1),
            executing: self.executing.to_owned(),
            context: bounded(self.at.map(ToString::to_string).unwrap_or_default()),
        });
        RenderError { place, reason: reason.bounded(), missing: None }
    }

    fn wrong(&self, message: impl Into<String>) -> RenderError {
        self.error(Reason::Evaluate(message.into()))
    }

    /// The error of a failure outside a function call.
    fn failed(&self, failure: Failure) -> RenderError {
        self.error(match failure {
            Failure::Call(message) => Reason::Evaluate(message),
            Failure::Limit(message) => Reason::Limit(message),
            Failure::Removed(message) => Reason::Removed(message),
        })
    }

    fn spend(&self, work: usize) -> Evaluated<()> {
        self.context.spend(work).map_err(|failure| self.failed(failure))
    }

    fn enter(&mut self) -> Evaluated<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(Reason::Limit(format!("exceeded maximum template depth ({MAX_DEPTH})"))));
        }
        Ok(())
    }

    // Nodes.

    fn block(&mut self, block: &'t Block, dot: &Operand) -> Evaluated<Flow> {
        self.at = Some(block);
        self.enter()?;
        for node in &block.nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::Next {
                self.depth -= 1;
                return Ok(flow);
            }
        }
        self.depth -= 1;
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &'t Node, dot: &Operand) -> Evaluated<Flow> {
        self.at = Some(node);
        self.spend(1)?;
        match &node.kind {
            NodeKind::Text(text) => self.write(text)?,
            NodeKind::Action(pipeline) => {
                let result = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.at = Some(node);
                    self.print(&result.value)?;
                }
            }
            NodeKind::If(branch) => return self.condition(branch, dot, Dot::Stays),
            NodeKind::With(branch) => return self.condition(branch, dot, Dot::Changes),
            NodeKind::Range(branch) => return self.range(branch, dot),
            NodeKind::Template { name, argument } => self.template(node, name, argument.as_ref(), dot)?,
            NodeKind::Break => return Ok(Flow::Break),
            NodeKind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn write(&mut self, text: &str) -> Evaluated<()> {
        if self.out.len() + text.len() > MAX_OUTPUT {
            return Err(self.error(Reason::Limit(format!("the output is longer than {MAX_OUTPUT} bytes"))));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn print(&mut self, value: &Value) -> Evaluated<()> {
        match value {
            Value::Nil => self.write("<no value>"),
            Value::String(text) => self.write(text),
            other => {
                let text = format::display(self.context, other).map_err(|failure| self.failed(failure))?;
                self.write(&text)
            }
        }
    }

    fn condition(&mut self, branch: &'t Branch, dot: &Operand, kind: Dot) -> Evaluated<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = if value.value.is_true() {
            self.block(&branch.body, if kind == Dot::Changes { &value } else { dot })?
        } else {
            self.otherwise(branch, dot)?
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn otherwise(&mut self, branch: &'t Branch, dot: &Operand) -> Evaluated<Flow> {
        branch.otherwise.as_ref().map_or(Ok(Flow::Next), |block| self.block(block, dot))
    }

    fn range(&mut self, branch: &'t Branch, dot: &Operand) -> Evaluated<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?.value;
        let flow = match &value {
            Value::List(list) => {
                let boxed = list.is_boxed();
                let items = list.items.iter().enumerate().map(|(index, item)| {
                    let index = Operand::new(Value::int(i64::try_from(index).unwrap_or(i64::MAX)));
                    (index, Operand { value: item.clone(), boxed })
                });
                self.each(branch, items)?
            }
            Value::Map(map) => {
                let boxed = matches!(map.zero, Value::Nil);
                let items = map.entries().iter();
                let items =
                    items.map(|(key, value)| (Operand::new(key.clone()), Operand { value: value.clone(), boxed }));
                self.each(branch, items)?
            }
            Value::Dict(dict) => {
                self.spend(dict.len())?;
                let items = dict.entries().into_iter();
                self.each(branch, items.map(|(key, value)| (Operand::new(Value::String(key)), Operand::boxed(value))))?
            }
            Value::Int(kind, bits) => self.count(branch, *kind, *bits)?,
            Value::Nil => false,
            other => return Err(self.cannot_range("range can't iterate over ", other, "")),
        };
        let flow = if flow { Flow::Next } else { self.otherwise(branch, dot)? };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn cannot_range(&self, before: &str, value: &Value, after: &str) -> RenderError {
        match format::display(self.context, value) {
            Ok(text) => self.wrong(format!("{before}{text}{after}")),
            Err(failure) => self.failed(failure),
        }
    }

    /// Ranges over the numbers below an integer.
    fn count(&mut self, branch: &'t Branch, kind: IntKind, bits: i64) -> Evaluated<bool> {
        if branch.pipeline.variables.len() > 1 {
            let value = Value::Int(kind, bits);
            return Err(self.cannot_range("can't use ", &value, " to iterate over more than one variable"));
        }
        if kind.widen(bits) > MAX_RANGE as i128 {
            return Err(self.error(Reason::Limit(format!("a range of more than {MAX_RANGE}"))));
        }
        self.each(branch, (0..bits).map(|number| (Operand::default(), Operand::new(Value::Int(kind, number)))))
    }

    /// Runs the body of a range for each item; tells whether there was one.
    fn each(&mut self, branch: &'t Branch, items: impl Iterator<Item = (Operand, Operand)>) -> Evaluated<bool> {
        let mark = self.variables.len();
        let mut any = false;
        for (key, item) in items {
            any = true;
            self.spend(1)?;
            self.set_range_variables(&branch.pipeline, key, &item)?;
            let flow = self.block(&branch.body, &item)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(any)
    }

    fn set_range_variables(&mut self, pipeline: &'t Pipeline, key: Operand, item: &Operand) -> Evaluated<()> {
        let (names, count) = (&pipeline.variables, self.variables.len());
        match names.as_slice() {
            [] => {}
            [name] if pipeline.assigns => self.assign(name, item.clone())?,
            [first, second, ..] if pipeline.assigns => {
                self.assign(first, key)?;
                self.assign(second, item.clone())?;
            }
            // They are the last ones declared.
            [_] => self.variables[count - 1].1 = item.clone(),
            [..] => {
                self.variables[count - 2].1 = key;
                self.variables[count - 1].1 = item.clone();
            }
        }
        Ok(())
    }

    fn template(&mut self, node: &'t Node, name: &str, argument: Option<&'t Pipeline>, dot: &Operand) -> Evaluated<()> {
        self.at = Some(node);
        let Some((name, block)) = self.tree.templates.get_key_value(name) else {
            return Err(self.wrong(format!("template {} not defined", quote(name))));
        };
        self.enter()?; // So that the error of a recursion points at the call.
        self.depth -= 1;
        let dot = match argument {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Operand::default(),
        };
        // A template sees no variables of its caller.
        let variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let executing = std::mem::replace(&mut self.executing, name);
        let at = self.at;
        self.block(block, &dot)?;
        self.at = at;
        self.executing = executing;
        self.variables = variables;
        Ok(())
    }
}

/// Whether a condition's value becomes the dot of its body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dot {
    Stays,
    Changes,
}
