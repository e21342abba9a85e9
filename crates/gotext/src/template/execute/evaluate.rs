//! Evaluates pipelines: variables, commands, and chains of fields and methods.
//!
//! A name after a dot is looked for among methods first, then fields, then keys of a map, as in Go. A missing key of a map is
//! no value and no error; a missing field of a struct is one.

use crate::quote::quote;
use crate::template::context::Failure;
use crate::template::execute::{Arguments, Evaluated, Run};
use crate::template::operand::{self, Operand};
use crate::template::syntax::{Command, Pipeline, Word, WordKind};
use crate::template::value::{Method, Struct, Value};
use crate::template::{MissingField, Receiver, RenderError, bounded};

/// How many variables are looked at for one unit of work.
const VARIABLES_PER_WORK: usize = 16;

impl<'t> Run<'t, '_> {
    // Variables.

    pub(super) fn assign(&mut self, name: &str, value: Operand) -> Evaluated<()> {
        self.spend(self.variables.len() / VARIABLES_PER_WORK)?;
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => Err(self.wrong(format!("undefined variable: {name}"))),
        }
    }

    fn variable(&self, name: &str) -> Evaluated<Operand> {
        self.spend(self.variables.len() / VARIABLES_PER_WORK)?;
        let found = self.variables.iter().rev().find(|(known, _)| *known == name);
        let found = found.map(|(_, value)| value.clone());
        found.ok_or_else(|| self.wrong(format!("undefined variable: {name}")))
    }

    // Pipelines.

    pub(super) fn pipeline(&mut self, pipeline: &'t Pipeline, dot: &Operand) -> Evaluated<Operand> {
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
        let Some((first, words)) = command.words.split_first() else { return Ok(Operand::default()) };
        self.spend(1)?;
        let arguments = Arguments { words, dot, last };
        if let WordKind::Pipeline(pipeline) = &first.kind {
            self.not_a_function(first, &arguments)?;
            return self.pipeline(pipeline, dot);
        }
        self.at = Some(first);
        match &first.kind {
            WordKind::Field(names) => return self.fields(dot.clone(), first, names, arguments),
            WordKind::Chain(inner, names) => return self.chain(first, inner, names, arguments),
            WordKind::Function(name, function) => return self.call(name, function, command, arguments),
            WordKind::Variable(name, names) => return self.variable_fields(name, names, first, arguments),
            _ => {}
        }
        self.not_a_function(first, &arguments)?;
        match &first.kind {
            WordKind::Dot => Ok(dot.clone()),
            WordKind::Nil => Err(self.wrong("nil is not a command")),
            _ => self.literal(first),
        }
    }

    /// The value of a literal where nothing tells its type.
    pub(super) fn literal(&mut self, word: &'t Word) -> Evaluated<Operand> {
        self.at = Some(word);
        Ok(Operand::new(match &word.kind {
            WordKind::Bool(value) => Value::Bool(*value),
            WordKind::String(_, value) => {
                self.context.string(value.as_str()).map_err(|failure| self.failed(failure))?
            }
            WordKind::Number(number) => operand::ideal(number).map_err(|message| self.wrong(message))?,
            _ => return Err(self.wrong(format!("can't evaluate command {}", quote(&word.to_string())))),
        }))
    }

    fn not_a_function(&self, first: &Word, arguments: &Arguments<'t, '_>) -> Evaluated<()> {
        if arguments.count() == 0 {
            return Ok(());
        }
        Err(self.wrong(format!("can't give argument to non-function {first}")))
    }

    /// A variable, or fields of it.
    pub(super) fn variable_fields(
        &mut self,
        name: &str,
        names: &'t [String],
        word: &'t Word,
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Operand> {
        let value = self.variable(name)?;
        if names.is_empty() {
            self.not_a_function(word, &arguments)?;
            return Ok(value);
        }
        self.fields(value, word, names, arguments)
    }

    /// Fields of what is no field or variable: of a pipeline in parentheses, of a function's result.
    pub(super) fn chain(
        &mut self,
        word: &'t Word,
        inner: &'t Word,
        names: &'t [String],
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Operand> {
        self.at = Some(inner);
        let receiver = match &inner.kind {
            WordKind::Nil => {
                self.at = Some(word);
                return Err(self.wrong(format!("indirection through explicit nil in {word}")));
            }
            WordKind::Pipeline(pipeline) => self.pipeline(pipeline, arguments.dot)?,
            WordKind::Function(name, function) => self.call(name, function, inner, Arguments::none(arguments.dot))?,
            _ => self.literal(inner)?,
        };
        self.fields(receiver, word, names, arguments)
    }

    // Fields and methods.

    /// Follows a chain of fields; the last one gets the arguments, in case it is a method.
    pub(super) fn fields(
        &mut self,
        mut receiver: Operand,
        word: &'t Word,
        names: &'t [String],
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Operand> {
        self.spend(names.len())?;
        let Some((last, names)) = names.split_last() else { return Ok(receiver) };
        for name in names {
            receiver = self.field(receiver, word, name, Arguments::none(arguments.dot))?;
        }
        self.field(receiver, word, last, arguments)
    }

    fn field(
        &mut self,
        receiver: Operand,
        word: &'t Word,
        name: &'t str,
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Operand> {
        let type_name = receiver.type_name();
        let has_arguments = arguments.count() > 0;
        match &receiver.value {
            Value::Nil if receiver.boxed => Err(self.wrong(format!("nil pointer evaluating {type_name}.{name}"))),
            Value::Nil => Ok(Operand::default()),
            Value::Struct(value) => match value.kind.method(name) {
                Some(method) => self.method(value, method, word, arguments),
                None => self.struct_field(&receiver.value, value, name, has_arguments),
            },
            Value::Map(_) | Value::Dict(_) if has_arguments => {
                Err(self.wrong(format!("{name} is not a method but has arguments")))
            }
            Value::Map(map) if map.key_type == "string" => {
                let boxed = matches!(map.zero, Value::Nil);
                let found = map.find(&Value::string(name)).cloned();
                Ok(found.map_or_else(Operand::default, |value| Operand { value, boxed }))
            }
            Value::Dict(dict) => Ok(dict.get(name).map_or_else(Operand::default, Operand::boxed)),
            other => Err(self.no_field(other, type_name, name)),
        }
    }

    fn method(
        &mut self,
        value: &Struct,
        method: &'static Method,
        word: &'t Word,
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Operand> {
        let values = self.arguments(method.name, method.parameters, None, arguments)?;
        // The only text that a method takes is the layout of a time.
        let mut layouts = values.iter().filter_map(Value::as_str);
        let paid = layouts.try_for_each(|layout| self.context.spend_layout(layout));
        let result = paid.and_then(|()| (method.call)(value, &values).map_err(Failure::from));
        let result = result.and_then(|result| self.context.checked(result));
        self.called(result, method.name, word).map(Operand::new)
    }

    fn struct_field(&self, value: &Value, of: &Struct, name: &str, has_arguments: bool) -> Evaluated<Operand> {
        let Some(found) = of.field(name) else { return Err(self.no_field(value, of.kind.name, name)) };
        if has_arguments {
            return Err(self.wrong(format!("{name} has arguments but cannot be invoked as function")));
        }
        Ok(Operand::new(found))
    }

    fn no_field(&self, receiver: &Value, type_name: &str, name: &str) -> RenderError {
        let receiver = match receiver {
            Value::Struct(value) => Receiver::Struct(value.names()),
            Value::List(_) => Receiver::List,
            Value::Map(_) => Receiver::Map,
            _ => Receiver::Other,
        };
        let whole = self.variables.iter().rev().find(|(known, _)| *known == "$").map(|(_, whole)| &whole.value);
        let is_of_whole = match whole {
            Some(Value::Struct(whole)) => whole.kind.method(name).is_some() || whole.field(name).is_some(),
            _ => false,
        };
        let missing = MissingField { name: bounded(name.to_owned()), receiver, is_of_whole };
        let error = self.wrong(format!("can't evaluate field {name} in type {type_name}"));
        RenderError { missing: Some(Box::new(missing)), ..error }
    }
}
