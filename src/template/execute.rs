//! Runs a template: walks its nodes and evaluates its pipelines, as Go's executor does.

use crate::template::context::{Context, Failure};
use crate::template::format;
use crate::template::function::{Body, Function, Special};
use crate::template::operand::{self, Operand};
use crate::template::syntax::{Block, Branch, Command, Located, Node, NodeKind, Pipeline, Tree, Word, WordKind};
use crate::template::value::{IntKind, Parameter, Struct, Value};
use crate::template::{MAX_DEPTH, MAX_OUTPUT, MAX_RANGE, Reason, RenderError};

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

type Evaluated<T> = Result<T, RenderError>;

impl<'t> Run<'t, '_> {
    // Errors.

    fn error(&self, reason: Reason) -> RenderError {
        let position = self.at.map_or(0, Located::position);
        let before = self.tree.text.get(..position).unwrap_or_default();
        RenderError {
            name: self.tree.name.clone(),
            line: 1 + before.matches('\n').count(),
            column: before.len() - before.rfind('\n').map_or(0, |newline| newline + 1),
            executing: self.executing.to_owned(),
            context: self.at.map(ToString::to_string).unwrap_or_default(),
            reason,
        }
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
            return Err(self.wrong(format!("template {} not defined", format::quote(name))));
        };
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

    // Variables.

    fn assign(&mut self, name: &str, value: Operand) -> Evaluated<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => Err(self.wrong(format!("undefined variable: {name}"))),
        }
    }

    fn variable(&self, name: &str) -> Evaluated<Operand> {
        let found = self.variables.iter().rev().find(|(known, _)| *known == name);
        let found = found.map(|(_, value)| value.clone());
        found.ok_or_else(|| self.wrong(format!("undefined variable: {name}")))
    }

    // Pipelines.

    fn pipeline(&mut self, pipeline: &'t Pipeline, dot: &Operand) -> Evaluated<Operand> {
        self.at = Some(pipeline);
        self.enter()?;
        let mut value: Option<Operand> = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?.unboxed());
        }
        self.depth -= 1;
        let value = value.unwrap_or_default();
        for name in &pipeline.variables {
            if pipeline.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, command: &'t Command, dot: &Operand, last: Option<Operand>) -> Evaluated<Operand> {
        let Some((first, arguments)) = command.words.split_first() else { return Ok(Operand::default()) };
        self.spend(1)?;
        match &first.kind {
            WordKind::Field(names) => {
                self.at = Some(first);
                return self.fields(dot.clone(), first, names, arguments, dot, last);
            }
            WordKind::Chain(word, names) => {
                self.at = Some(first);
                return self.chain(first, word, names, arguments, dot, last);
            }
            WordKind::Function(function) => {
                self.at = Some(first);
                return self.call(function, command, arguments, dot, last);
            }
            WordKind::Pipeline(pipeline) => {
                self.not_a_function(first, arguments, last.as_ref())?;
                return self.pipeline(pipeline, dot);
            }
            WordKind::Variable(name, names) => {
                self.at = Some(first);
                return self.variable_fields(name, names, first, arguments, dot, last);
            }
            _ => {}
        }
        self.at = Some(first);
        self.not_a_function(first, arguments, last.as_ref())?;
        match &first.kind {
            WordKind::Dot => Ok(dot.clone()),
            WordKind::Nil => Err(self.wrong("nil is not a command")),
            _ => self.literal(first),
        }
    }

    /// The value of a literal where nothing tells its type.
    fn literal(&mut self, word: &'t Word) -> Evaluated<Operand> {
        self.at = Some(word);
        Ok(Operand::new(match &word.kind {
            WordKind::Bool(value) => Value::Bool(*value),
            WordKind::String(_, value) => {
                self.context.string(value.as_str()).map_err(|failure| self.failed(failure))?
            }
            WordKind::Number(number) => operand::ideal(number).map_err(|message| self.wrong(message))?,
            _ => return Err(self.wrong(format!("can't evaluate command {}", format::quote(&word.to_string())))),
        }))
    }

    fn not_a_function(&self, first: &Word, arguments: &[Word], last: Option<&Operand>) -> Evaluated<()> {
        if arguments.is_empty() && last.is_none() {
            return Ok(());
        }
        Err(self.wrong(format!("can't give argument to non-function {first}")))
    }

    fn variable_fields(
        &mut self,
        name: &str,
        names: &'t [String],
        word: &'t Word,
        arguments: &'t [Word],
        dot: &Operand,
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        let value = self.variable(name)?;
        if names.is_empty() {
            self.not_a_function(word, arguments, last.as_ref())?;
            return Ok(value);
        }
        self.fields(value, word, names, arguments, dot, last)
    }

    fn chain(
        &mut self,
        word: &'t Word,
        inner: &'t Word,
        names: &'t [String],
        arguments: &'t [Word],
        dot: &Operand,
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        self.at = Some(inner);
        let receiver = match &inner.kind {
            WordKind::Nil => {
                self.at = Some(word);
                return Err(self.wrong(format!("indirection through explicit nil in {word}")));
            }
            WordKind::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            WordKind::Function(function) => self.call(function, inner, &[], dot, None)?,
            _ => self.literal(inner)?,
        };
        self.fields(receiver, word, names, arguments, dot, last)
    }

    // Fields and methods.

    /// Follows a chain of fields; the last one gets the arguments, in case it is a method.
    fn fields(
        &mut self,
        mut receiver: Operand,
        word: &'t Word,
        names: &'t [String],
        arguments: &'t [Word],
        dot: &Operand,
        mut last: Option<Operand>,
    ) -> Evaluated<Operand> {
        for (index, name) in names.iter().enumerate() {
            let is_last = index + 1 == names.len();
            let arguments = if is_last { arguments } else { &[] };
            let last = if is_last { last.take() } else { None };
            receiver = self.field(receiver, word, name, arguments, dot, last)?;
        }
        Ok(receiver)
    }

    fn field(
        &mut self,
        receiver: Operand,
        word: &'t Word,
        name: &'t str,
        arguments: &'t [Word],
        dot: &Operand,
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        let type_name = receiver.type_name();
        let has_arguments = !arguments.is_empty() || last.is_some();
        match &receiver.value {
            Value::Nil if receiver.boxed => Err(self.wrong(format!("nil pointer evaluating {type_name}.{name}"))),
            Value::Nil => Ok(Operand::default()),
            Value::Struct(value) => {
                if let Some(method) = value.kind.method(name) {
                    let values = self.arguments(name, method.parameters, None, arguments, dot, last)?;
                    let call = (method.call)(value, &values).map_err(Failure::from);
                    return self.called(call, name, word).map(Operand::new);
                }
                self.struct_field(value, type_name, name, has_arguments)
            }
            Value::Map(_) | Value::Dict(_) if has_arguments => {
                Err(self.wrong(format!("{name} is not a method but has arguments")))
            }
            Value::Map(map) if map.key_type == "string" => {
                let boxed = matches!(map.zero, Value::Nil);
                let found = map.find(&Value::string(name)).cloned();
                Ok(found.map_or_else(Operand::default, |value| Operand { value, boxed }))
            }
            Value::Dict(dict) => Ok(dict.get(name).map_or_else(Operand::default, Operand::boxed)),
            _ => Err(self.wrong(format!("can't evaluate field {name} in type {type_name}"))),
        }
    }

    fn struct_field(&self, value: &Struct, type_name: &str, name: &str, has_arguments: bool) -> Evaluated<Operand> {
        let Some(found) = value.field(name) else {
            return Err(self.wrong(format!("can't evaluate field {name} in type {type_name}")));
        };
        if has_arguments {
            return Err(self.wrong(format!("{name} has arguments but cannot be invoked as function")));
        }
        Ok(Operand::new(found))
    }

    // Calls.

    fn call(
        &mut self,
        function: &'static Function,
        node: &'t dyn Located,
        arguments: &'t [Word],
        dot: &Operand,
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        let Function { name, parameters, variadic, body } = function;
        let body = match body {
            Body::Call(body) => body,
            Body::Special(special) => return self.special(*special, function, node, arguments, dot, last),
        };
        let values = self.arguments(name, parameters, *variadic, arguments, dot, last)?;
        let result = values
            .iter()
            .try_for_each(|value| value.as_str().map_or(Ok(()), |text| self.context.spend_bytes(text.len())))
            .and_then(|()| body(self.context, &values));
        self.called(result, name, node).map(Operand::boxed)
    }

    fn called(&mut self, result: Result<Value, Failure>, name: &str, node: &'t dyn Located) -> Evaluated<Value> {
        result.map_err(|failure| {
            self.at = Some(node);
            match failure {
                Failure::Call(message) => self.error(Reason::Call { function: name.to_owned(), message }),
                other => self.failed(other),
            }
        })
    }

    fn check_count(
        &self,
        name: &str,
        parameters: &[Parameter],
        variadic: Option<Parameter>,
        given: usize,
        written: usize,
    ) -> Evaluated<()> {
        let wanted = parameters.len();
        if variadic.is_some() && given < wanted {
            return Err(self.wrong(format!("wrong number of args for {name}: want at least {wanted} got {written}")));
        }
        if variadic.is_none() && given != wanted {
            return Err(self.wrong(format!("wrong number of args for {name}: want {wanted} got {given}")));
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        name: &str,
        parameters: &[Parameter],
        variadic: Option<Parameter>,
        arguments: &'t [Word],
        dot: &Operand,
        last: Option<Operand>,
    ) -> Evaluated<Vec<Value>> {
        let given = arguments.len() + usize::from(last.is_some());
        self.check_count(name, parameters, variadic, given, arguments.len())?;
        self.spend(1 + given)?;
        let parameter = |index: usize| parameters.get(index).copied().or(variadic).unwrap_or(Parameter::Any);
        let mut values = Vec::with_capacity(given);
        for (index, argument) in arguments.iter().enumerate() {
            values.push(self.argument(argument, parameter(index), dot)?.value);
        }
        if let Some(last) = last {
            let parameter = parameter(values.len());
            values.push(last.fit(parameter).map_err(|message| self.wrong(message))?);
        }
        Ok(values)
    }

    /// Evaluates an argument and checks that it fits.
    fn argument(&mut self, word: &'t Word, parameter: Parameter, dot: &Operand) -> Evaluated<Operand> {
        self.at = Some(word);
        let value = match &word.kind {
            WordKind::Dot => dot.clone(),
            WordKind::Nil => return self.nil(parameter),
            WordKind::Field(names) => self.fields(dot.clone(), word, names, &[], dot, None)?,
            WordKind::Variable(name, names) => self.variable_fields(name, names, word, &[], dot, None)?,
            WordKind::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            WordKind::Function(function) => self.call(function, word, &[], dot, None)?,
            WordKind::Chain(inner, names) => self.chain(word, inner, names, &[], dot, None)?,
            _ => return self.constant(word, parameter),
        };
        let boxed = value.boxed;
        let value = value.fit(parameter).map_err(|message| self.wrong(message))?;
        Ok(Operand { value, boxed })
    }

    fn nil(&self, parameter: Parameter) -> Evaluated<Operand> {
        match parameter {
            Parameter::Any | Parameter::Reflect | Parameter::Dict => Ok(Operand::default()),
            _ => Err(self.wrong(format!("cannot assign nil to {}", parameter.type_name()))),
        }
    }

    /// A literal as an argument: it takes the type of the parameter.
    fn constant(&mut self, word: &'t Word, parameter: Parameter) -> Evaluated<Operand> {
        let value = match (&word.kind, parameter) {
            (_, Parameter::Any | Parameter::Reflect) => return self.literal(word),
            (WordKind::Bool(value), Parameter::Bool) => Some(Value::Bool(*value)),
            (WordKind::String(_, value), Parameter::String) => {
                Some(self.context.string(value.as_str()).map_err(|failure| self.failed(failure))?)
            }
            (WordKind::Number(number), _) => operand::number(number, parameter),
            _ => None,
        };
        let value = value.ok_or_else(|| match operand::expectation(parameter) {
            Some(expected) => self.wrong(format!("expected {expected}; found {word}")),
            None => self.wrong(format!("can't handle {word} for arg of type {}", parameter.type_name())),
        });
        Ok(Operand::new(value?))
    }

    /// Functions that look at their arguments one by one.
    fn special(
        &mut self,
        special: Special,
        function: &'static Function,
        node: &'t dyn Located,
        arguments: &'t [Word],
        dot: &Operand,
        last: Option<Operand>,
    ) -> Evaluated<Operand> {
        let name = function.name;
        if special == Special::Call {
            let callee = arguments.first().map_or_else(|| "<value>".to_owned(), ToString::to_string);
            let values = self.arguments(name, function.parameters, function.variadic, arguments, dot, last)?;
            let message = match values.first() {
                None | Some(Value::Nil) => "call of nil".to_owned(),
                Some(value) => format!("non-function {callee} of type {}", value.type_name()),
            };
            return self.called(Err(Failure::Call(message)), name, node).map(Operand::new);
        }
        let given = arguments.len() + usize::from(last.is_some());
        self.check_count(name, function.parameters, function.variadic, given, arguments.len())?;
        let mut value = Operand::default();
        for argument in arguments {
            value = self.argument(argument, Parameter::Reflect, dot)?;
            if value.value.is_true() == (special == Special::Or) {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}

/// Whether a condition's value becomes the dot of its body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dot {
    Stays,
    Changes,
}
