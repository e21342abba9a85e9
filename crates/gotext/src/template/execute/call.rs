//! Calls functions and methods: evaluates the arguments and checks that they fit.

use crate::template::Reason;
use crate::template::context::Failure;
use crate::template::execute::{Evaluated, Run};
use crate::template::function::{Body, Function, Special};
use crate::template::operand::{self, Operand};
use crate::template::syntax::{Located, Word, WordKind};
use crate::template::value::{Parameter, Value};

impl<'t> Run<'t, '_> {
    // Calls.

    pub(super) fn call(
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
        let result = self.context.spend_texts(&values).and_then(|()| body(self.context, &values));
        self.called(result, name, node).map(Operand::boxed)
    }

    pub(super) fn called(
        &mut self,
        result: Result<Value, Failure>,
        name: &str,
        node: &'t dyn Located,
    ) -> Evaluated<Value> {
        result.map_err(|failure| {
            self.at = Some(node);
            match failure {
                Failure::Call(message) => self.error(Reason::Call { function: name.to_owned(), message }),
                other => self.failed(other),
            }
        })
    }

    pub(super) fn check_count(
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

    pub(super) fn arguments(
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
    pub(super) fn argument(&mut self, word: &'t Word, parameter: Parameter, dot: &Operand) -> Evaluated<Operand> {
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

    pub(super) fn nil(&self, parameter: Parameter) -> Evaluated<Operand> {
        match parameter {
            Parameter::Any | Parameter::Reflect | Parameter::Dict => Ok(Operand::default()),
            _ => Err(self.wrong(format!("cannot assign nil to {}", parameter.type_name()))),
        }
    }

    /// A literal as an argument: it takes the type of the parameter.
    pub(super) fn constant(&mut self, word: &'t Word, parameter: Parameter) -> Evaluated<Operand> {
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
    pub(super) fn special(
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
