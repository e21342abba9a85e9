//! Reads what stands between delimiters: declarations, commands, operands.
//!
//! ```text
//! pipeline = ( variable ( "," variable )? ( ":=" | "=" ) )? command ( "|" command )*
//! command  = operand ( space operand )*
//! operand  = ( literal | "." | field | variable | function | "(" pipeline ")" ) field*
//! ```

use crate::quote::quote;
use crate::template::literal::{self, Number};
use crate::template::parse::{Parsed, Parser};
use crate::template::syntax::{Command, Pipeline, Word, WordKind};
use crate::template::token::{Keyword, Kind, Token};
use crate::template::{ParseError, function, sprig};

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipeline> {
        let position = self.peek_after_space().position;
        let mut pipeline = Pipeline { position, variables: Vec::new(), assigns: false, commands: Vec::new() };
        while self.declaration(&mut pipeline, context)? {}
        loop {
            let token = self.next_after_space();
            if token.kind == end {
                self.check_pipeline(&pipeline, context)?;
                return Ok(pipeline);
            }
            if !starts_operand(token.kind) {
                return Err(self.unexpected(&token, context));
            }
            self.back_up();
            pipeline.commands.push(self.command()?);
        }
    }

    /// Reads a variable that the pipeline declares or assigns; tells whether another one must follow.
    fn declaration(&mut self, pipeline: &mut Pipeline, context: &str) -> Parsed<bool> {
        let variable = self.peek_after_space();
        if variable.kind != Kind::Variable {
            return Ok(false);
        }
        self.next();
        let after = self.peek().clone();
        let next = self.peek_after_space();
        let is_comma = next.kind == Kind::Char && next.text == ",";
        if is_comma || matches!(next.kind, Kind::Assign | Kind::Declare) {
            self.next_after_space();
            pipeline.variables.push(variable.text.clone());
            self.variables.push(variable.text);
            if !is_comma {
                pipeline.assigns = next.kind == Kind::Assign;
                return Ok(false);
            }
            if context != "range" || pipeline.variables.len() >= 2 {
                return Err(self.error(format!("too many declarations in {context}")));
            }
            return match self.peek_after_space().kind {
                Kind::Variable | Kind::RightDelimiter | Kind::RightParenthesis => Ok(true),
                _ => Err(self.error("range can only initialize variables")),
            };
        }
        // It is an argument: put it back, with the space behind it.
        if after.kind == Kind::Space {
            self.tokens[1] = after;
            self.tokens[2] = variable;
            self.waiting = 3;
        } else {
            self.tokens[1] = variable;
            self.waiting = 2;
        }
        Ok(false)
    }

    fn check_pipeline(&self, pipeline: &Pipeline, context: &str) -> Parsed<()> {
        if pipeline.commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (index, command) in pipeline.commands.iter().enumerate().skip(1) {
            let first = command.words.first().map(|word| &word.kind);
            if first.is_some_and(is_literal) {
                return Err(self.error(format!("non executable command in pipeline stage {}", index + 1)));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut command = Command { position: self.peek_after_space().position, words: Vec::new() };
        loop {
            self.peek_after_space();
            if let Some(word) = self.operand()? {
                command.words.push(word);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelimiter | Kind::RightParenthesis => self.back_up(),
                Kind::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if command.words.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(command)
    }

    fn operand(&mut self) -> Parsed<Option<Word>> {
        let Some(mut word) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(word));
        }
        let position = self.peek().position;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.next().text[1..].to_owned());
        }
        match &mut word.kind {
            WordKind::Field(known) | WordKind::Variable(_, known) => {
                known.append(&mut names);
                word.position = position;
                Ok(Some(word))
            }
            kind if is_literal(kind) => {
                Err(self.error(format!("unexpected . after term {}", quote(&word.to_string()))))
            }
            _ => Ok(Some(Word { position, kind: WordKind::Chain(Box::new(word), names) })),
        }
    }

    fn term(&mut self) -> Parsed<Option<Word>> {
        let token = self.next_after_space();
        let kind = match token.kind {
            Kind::Identifier => self.function(&token.text)?,
            Kind::Dot => WordKind::Dot,
            Kind::Keyword(Keyword::Nil) => WordKind::Nil,
            Kind::Variable => self.variable(&token.text)?,
            Kind::Field => WordKind::Field(vec![token.text[1..].to_owned()]),
            Kind::Bool => WordKind::Bool(token.text == "true"),
            Kind::CharConstant | Kind::Number => WordKind::Number(self.number(&token)?),
            Kind::LeftParenthesis => {
                self.nest()?;
                let pipeline = self.pipeline("parenthesized pipeline", Kind::RightParenthesis)?;
                self.nesting -= 1;
                return Ok(Some(Word { position: pipeline.position, kind: WordKind::Pipeline(pipeline) }));
            }
            Kind::String | Kind::RawString => match literal::unquote(&token.text) {
                Some(value) => WordKind::String(token.text, value),
                None => return Err(self.error("invalid syntax")),
            },
            _ => {
                self.back_up();
                return Ok(None);
            }
        };
        Ok(Some(Word { position: token.position, kind }))
    }

    fn function(&self, name: &str) -> Parsed<WordKind> {
        match function::find(name) {
            Some((name, function)) => Ok(WordKind::Function(name, function)),
            None => {
                let (message, hint) = sprig::omission(name);
                let error = self.error(format!("function {} not defined{message}", quote(name)));
                Err(ParseError { hint, function: Some(name.to_owned()), ..error })
            }
        }
    }

    fn variable(&self, name: &str) -> Parsed<WordKind> {
        if self.variables.iter().any(|known| known == name) {
            return Ok(WordKind::Variable(name.to_owned(), Vec::new()));
        }
        Err(self.error(format!("undefined variable {}", quote(name))))
    }

    fn number(&self, token: &Token) -> Parsed<Number> {
        let read = if token.kind == Kind::CharConstant { literal::character } else { literal::number };
        read(&token.text).map_err(|message| self.error(message))
    }
}

fn starts_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::CharConstant
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::Number
            | Kind::Keyword(Keyword::Nil)
            | Kind::RawString
            | Kind::String
            | Kind::Variable
            | Kind::LeftParenthesis
    )
}

fn is_literal(kind: &WordKind) -> bool {
    matches!(kind, WordKind::Bool(_) | WordKind::Dot | WordKind::Nil | WordKind::Number(_) | WordKind::String(..))
}
