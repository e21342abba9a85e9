//! Calls functions and methods: evaluates the arguments and checks that they fit.
//!
//! Functions get values that have been checked against their parameters: they take `a[0]` for granted where a parameter
//! stands for it. Only `and`, `or` and `call` are run here, since they decide what is evaluated.

use crate::template::Reason;
use crate::template::context::Failure;
use crate::template::execute::{Evaluated, Run};
use crate::template::function::{Body, Function, Special};
use crate::template::operand::{self, Operand};
use crate::template::syntax::{Located, Word, WordKind};
use crate::template::value::{Parameter, Value};

/// What a function or method is called with.
pub(super) struct Arguments<'t, 'd> {
    /// The arguments as written.
    pub(super) words: &'t [Word],
    /// The dot that they are evaluated with.
    pub(super) dot: &'d Operand,
    /// The result of the stage before in a pipeline, which becomes the last argument.
    pub(super) last: Option<Operand>,
}

impl<'d> Arguments<'_, 'd> {
    /// No arguments at all.
    pub(super) fn none(dot: &'d Operand) -> Self {
        Self { words: &[], dot, last: None }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.words.len() + usize::from(self.last.is_some())
    }
}

impl<'t> Run<'t, '_> {
    /// Calls a function by the name that the template has for it.
    pub(super) fn call(
        &mut self,
        name: &str,
        function: &'static Function,
        node: &'t dyn Located,
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Operand> {
        let Function { parameters, variadic, body, .. } = function;
        let body = match body {
            Body::Call(body) => body,
            Body::Special(Special::Call) => return self.call_value(function, node, arguments),
            Body::Special(special) => return self.and_or(*special, name, function, arguments),
        };
        let values = self.arguments(name, parameters, *variadic, arguments)?;
        let result = self.context.spend_texts(&values).and_then(|()| body(self.context, &values));
        self.called(result, name, node).map(Operand::boxed)
    }

    /// The result of a call; its failure is that of the function.
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

    fn check_count(
        &self,
        name: &str,
        wanted: usize,
        variadic: Option<Parameter>,
        arguments: &Arguments<'t, '_>,
    ) -> Evaluated<()> {
        let (given, written) = (arguments.count(), arguments.words.len());
        if variadic.is_some() && given < wanted {
            return Err(self.wrong(format!("wrong number of args for {name}: want at least {wanted} got {written}")));
        }
        if variadic.is_none() && given != wanted {
            return Err(self.wrong(format!("wrong number of args for {name}: want {wanted} got {given}")));
        }
        Ok(())
    }

    /// Evaluates the arguments of a call and checks that they fit.
    pub(super) fn arguments(
        &mut self,
        name: &str,
        parameters: &[Parameter],
        variadic: Option<Parameter>,
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Vec<Value>> {
        self.check_count(name, parameters.len(), variadic, &arguments)?;
        self.spend(1 + arguments.count())?;
        let parameter = |index: usize| parameters.get(index).copied().or(variadic).unwrap_or(Parameter::Any);
        let mut values = Vec::with_capacity(arguments.count());
        for (index, word) in arguments.words.iter().enumerate() {
            values.push(self.argument(word, parameter(index), arguments.dot)?.value);
        }
        if let Some(last) = arguments.last {
            let parameter = parameter(values.len());
            values.push(last.fit(parameter).map_err(|message| self.wrong(message))?);
        }
        Ok(values)
    }

    /// Evaluates an argument and checks that it fits.
    fn argument(&mut self, word: &'t Word, parameter: Parameter, dot: &Operand) -> Evaluated<Operand> {
        self.at = Some(word);
        let none = Arguments::none(dot);
        let value = match &word.kind {
            WordKind::Dot => dot.clone(),
            WordKind::Nil => return self.nil(parameter),
            WordKind::Field(names) => self.fields(dot.clone(), word, names, none)?,
            WordKind::Variable(name, names) => self.variable_fields(name, names, word, none)?,
            WordKind::Pipeline(pipeline) => self.pipeline(pipeline, dot)?,
            WordKind::Function(name, function) => self.call(name, function, word, none)?,
            WordKind::Chain(inner, names) => self.chain(word, inner, names, none)?,
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

    /// `call`, which no template can use with success, because no value is a function here.
    fn call_value(
        &mut self,
        function: &'static Function,
        node: &'t dyn Located,
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Operand> {
        let name = function.names;
        let callee = arguments.words.first().map_or_else(|| "<value>".to_owned(), ToString::to_string);
        let values = self.arguments(name, function.parameters, function.variadic, arguments)?;
        let message = match values.first() {
            None | Some(Value::Nil) => "call of nil".to_owned(),
            Some(value) => format!("non-function {callee} of type {}", value.type_name()),
        };
        self.called(Err(Failure::Call(message)), name, node).map(Operand::new)
    }

    /// `and`, `or`: arguments are evaluated up to the one that decides.
    fn and_or(
        &mut self,
        special: Special,
        name: &str,
        function: &'static Function,
        arguments: Arguments<'t, '_>,
    ) -> Evaluated<Operand> {
        self.check_count(name, function.parameters.len(), function.variadic, &arguments)?;
        let mut value = Operand::default();
        for word in arguments.words {
            value = self.argument(word, Parameter::Reflect, arguments.dot)?;
            if value.value.is_true() == (special == Special::Or) {
                return Ok(value);
            }
        }
        Ok(arguments.last.unwrap_or(value))
    }
}
