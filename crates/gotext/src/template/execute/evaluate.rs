//! Evaluates pipelines: variables, commands, and chains of fields and methods.

use crate::template::context::Failure;
use crate::template::execute::{Evaluated, Run};
use crate::template::operand::{self, Operand};
use crate::template::quote::quote;
use crate::template::syntax::{Command, Pipeline, Word, WordKind};
use crate::template::value::{Struct, Value};

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

    pub(super) fn variable(&self, name: &str) -> Evaluated<Operand> {
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

    pub(super) fn command(&mut self, command: &'t Command, dot: &Operand, last: Option<Operand>) -> Evaluated<Operand> {
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

    pub(super) fn not_a_function(&self, first: &Word, arguments: &[Word], last: Option<&Operand>) -> Evaluated<()> {
        if arguments.is_empty() && last.is_none() {
            return Ok(());
        }
        Err(self.wrong(format!("can't give argument to non-function {first}")))
    }

    pub(super) fn variable_fields(
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

    pub(super) fn chain(
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
    pub(super) fn fields(
        &mut self,
        mut receiver: Operand,
        word: &'t Word,
        names: &'t [String],
        arguments: &'t [Word],
        dot: &Operand,
        mut last: Option<Operand>,
    ) -> Evaluated<Operand> {
        self.spend(names.len())?;
        for (index, name) in names.iter().enumerate() {
            let is_last = index + 1 == names.len();
            let arguments = if is_last { arguments } else { &[] };
            let last = if is_last { last.take() } else { None };
            receiver = self.field(receiver, word, name, arguments, dot, last)?;
        }
        Ok(receiver)
    }

    pub(super) fn field(
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
                    // The only text that a method takes is the layout of a time.
                    let mut layouts = values.iter().filter_map(Value::as_str);
                    let call = layouts.try_for_each(|layout| self.context.spend_layout(layout));
                    let call = call.and_then(|()| (method.call)(value, &values).map_err(Failure::from));
                    let call = call.and_then(|result| self.context.checked(result));
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

    pub(super) fn struct_field(
        &self,
        value: &Struct,
        type_name: &str,
        name: &str,
        has_arguments: bool,
    ) -> Evaluated<Operand> {
        let Some(found) = value.field(name) else {
            return Err(self.wrong(format!("can't evaluate field {name} in type {type_name}")));
        };
        if has_arguments {
            return Err(self.wrong(format!("{name} has arguments but cannot be invoked as function")));
        }
        Ok(Operand::new(found))
    }
}
