//! The parsed template: blocks of nodes, nodes with pipelines, pipelines of commands, commands of words.
//!
//! Everything prints as Go prints it, because error messages show the part that failed (`at <.name.x>`), and knows where it
//! starts, for line and column.

use std::collections::BTreeMap;
use std::fmt;

use crate::quote::quote;
use crate::template::function::Function;
use crate::template::literal::Number;

/// A whole template with everything it defines.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The name given to the template.
    pub(crate) name: String,
    /// The source.
    pub(crate) text: String,
    /// The templates by name; the whole one is among them.
    pub(crate) templates: BTreeMap<String, Block>,
}

/// A sequence of nodes.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) position: usize,
    pub(crate) nodes: Vec<Node>,
}

impl Block {
    /// Whether there is nothing but white space.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.iter().all(|node| matches!(&node.kind, NodeKind::Text(text) if text.trim().is_empty()))
    }
}

/// What stands between or outside delimiters.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) position: usize,
    pub(crate) kind: NodeKind,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    /// What is written as it is.
    Text(String),
    /// A pipeline whose value is printed, unless a variable takes it.
    Action(Pipeline),
    If(Branch),
    /// As `if`, with the value as the dot of the body.
    With(Branch),
    Range(Branch),
    /// Runs a template by its name, with a dot of its own.
    Template {
        name: String,
        argument: Option<Pipeline>,
    },
    Break,
    Continue,
}

/// A condition or range with its body and what to do otherwise.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipeline: Pipeline,
    pub(crate) body: Block,
    pub(crate) otherwise: Option<Block>,
}

/// Commands, each getting the result of the one before, and the variables that the last result goes to.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) position: usize,
    pub(crate) variables: Vec<String>,
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

/// A function, method or operand with its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) position: usize,
    pub(crate) words: Vec<Word>,
}

/// An operand.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) position: usize,
    pub(crate) kind: WordKind,
}

#[derive(Debug)]
pub(crate) enum WordKind {
    Bool(bool),
    Dot,
    Nil,
    Number(Number),
    /// As written, and its value.
    String(String, String),
    Field(Vec<String>),
    /// The variable with its `$`, and fields of it.
    Variable(String, Vec<String>),
    /// A function by one of its names.
    Function(&'static str, &'static Function),
    Pipeline(Pipeline),
    /// Fields of something else.
    Chain(Box<Word>, Vec<String>),
}

/// A piece of the template that errors can point at.
pub(crate) trait Located: fmt::Display {
    /// Where it starts, in bytes.
    fn position(&self) -> usize;
}

macro_rules! located {
    ($($kind:ty),*) => { $(impl Located for $kind { fn position(&self) -> usize { self.position } })* };
}
located!(Block, Node, Pipeline, Command, Word);

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| node.fmt(f))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            NodeKind::Text(text) => f.write_str(text),
            NodeKind::Action(pipeline) => write!(f, "{{{{{pipeline}}}}}"),
            NodeKind::If(branch) => branch.show("if", f),
            NodeKind::With(branch) => branch.show("with", f),
            NodeKind::Range(branch) => branch.show("range", f),
            NodeKind::Template { name, argument } => {
                write!(f, "{{{{template {}", quote(name))?;
                if let Some(argument) = argument {
                    write!(f, " {argument}")?;
                }
                f.write_str("}}")
            }
            NodeKind::Break => f.write_str("{{break}}"),
            NodeKind::Continue => f.write_str("{{continue}}"),
        }
    }
}

impl Branch {
    fn show(&self, keyword: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{keyword} {}}}}}{}", self.pipeline, self.body)?;
        if let Some(otherwise) = &self.otherwise {
            write!(f, "{{{{else}}}}{otherwise}")?;
        }
        f.write_str("{{end}}")
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(f, "{} {} ", self.variables.join(", "), if self.assigns { "=" } else { ":=" })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match &word.kind {
                WordKind::Pipeline(_) => write!(f, "({word})")?,
                _ => word.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            WordKind::Bool(value) => value.fmt(f),
            WordKind::Dot => f.write_str("."),
            WordKind::Nil => f.write_str("nil"),
            WordKind::Number(number) => f.write_str(&number.text),
            WordKind::String(written, _) => f.write_str(written),
            WordKind::Field(names) => show_fields(names, f),
            WordKind::Variable(name, names) => {
                f.write_str(name)?;
                show_fields(names, f)
            }
            WordKind::Function(name, _) => f.write_str(name),
            WordKind::Pipeline(pipeline) => pipeline.fmt(f),
            WordKind::Chain(word, names) => {
                match &word.kind {
                    WordKind::Pipeline(pipeline) => write!(f, "({pipeline})")?,
                    _ => word.fmt(f)?,
                }
                show_fields(names, f)
            }
        }
    }
}

fn show_fields(names: &[String], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    names.iter().try_for_each(|name| write!(f, ".{name}"))
}
