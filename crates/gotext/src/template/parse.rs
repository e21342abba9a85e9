//! Builds the tree from the tokens, with Go's grammar and Go's complaints.
//!
//! It reads top-down, with up to three tokens put back. Names are looked up here: an unknown function or variable is an error
//! of the template, not of its run. Blocks and parentheses recurse, which is why their nesting is counted.

mod pipeline;

use std::collections::BTreeMap;

use crate::quote::quote;
use crate::template::lex::Lexer;
use crate::template::literal;
use crate::template::syntax::{Block, Branch, Node, NodeKind, Tree};
use crate::template::token::{Keyword, Kind, Token};
use crate::template::{MAX_NESTING, MAX_TEMPLATE, ParseError};

/// Parses a template with everything it defines.
pub(crate) fn parse(name: &str, text: &str) -> Result<Tree, ParseError> {
    let mut parser = Parser {
        name,
        text,
        lexer: Lexer::new(text),
        tokens: [const { Token { kind: Kind::End, position: 0, text: String::new() } }; 3],
        waiting: 0,
        templates: BTreeMap::new(),
        variables: vec!["$".to_owned()],
        action_line: None,
        range_depth: 0,
        nesting: 0,
    };
    if text.len() > MAX_TEMPLATE {
        return Err(parser.error(format!("the template is longer than {MAX_TEMPLATE} bytes")));
    }
    let root = parser.whole()?;
    parser.define(name.to_owned(), root)?;
    let Parser { templates, .. } = parser;
    Ok(Tree { name: name.to_owned(), text: text.to_owned(), templates })
}

struct Parser<'t> {
    name: &'t str,
    text: &'t str,
    lexer: Lexer<'t>,
    /// Up to three tokens that were put back; the last one read is the first here.
    tokens: [Token; 3],
    waiting: usize,
    templates: BTreeMap<String, Block>,
    variables: Vec<String>,
    /// The line of the action that is being read.
    action_line: Option<usize>,
    range_depth: usize,
    nesting: usize,
}

/// How a block of nodes ended.
enum Ending {
    End,
    Else,
    /// `else if` or `else with`: the keyword has not been read.
    ElseBefore(Keyword),
}

/// A node, or the end of the block it would be in.
enum Item {
    Node(Node),
    Ending(Ending),
}

impl Ending {
    fn describe(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else | Self::ElseBefore(_) => "{{else}}",
        }
    }
}

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    // Tokens.

    fn next(&mut self) -> Token {
        if self.waiting > 0 {
            self.waiting -= 1;
        } else {
            self.tokens[0] = self.lexer.next_token();
        }
        self.tokens[self.waiting].clone()
    }

    fn peek(&mut self) -> &Token {
        if self.waiting == 0 {
            self.waiting = 1;
            self.tokens[0] = self.lexer.next_token();
        }
        &self.tokens[self.waiting - 1]
    }

    fn back_up(&mut self) {
        self.waiting += 1;
    }

    fn next_after_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_after_space(&mut self) -> Token {
        let token = self.next_after_space();
        self.back_up();
        token
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.next_after_space();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(&token, context)) }
    }

    // Errors.

    fn line_of(&self, position: usize) -> usize {
        1 + self.text[..position.min(self.text.len())].matches('\n').count()
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        let position = self.tokens[0].position.min(self.text.len());
        let line_start = self.text[..position].rfind('\n').map_or(0, |newline| newline + 1);
        ParseError {
            name: self.name.to_owned(),
            line: self.line_of(position),
            column: position - line_start + 1,
            message: message.into(),
            hint: None,
            function: None,
        }
    }

    fn unexpected(&self, token: &Token, context: &str) -> ParseError {
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {} in {context}", token.describe()));
        }
        match self.action_line {
            Some(line) if line != self.line_of(token.position) => {
                let what = if token.text.ends_with(" action") { "" } else { " in action" };
                self.error(format!("{}{what} started at {}:{line}", token.text, self.name))
            }
            _ => self.error(token.text.clone()),
        }
    }

    /// Counts a level of nesting; the caller leaves it with `self.nesting -= 1`.
    fn nest(&mut self) -> Parsed<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.error("max expression depth exceeded"));
        }
        Ok(())
    }

    // Blocks.

    fn whole(&mut self) -> Parsed<Block> {
        let mut block = Block { position: self.peek().position, nodes: Vec::new() };
        while self.peek().kind != Kind::End {
            if self.peek().kind == Kind::LeftDelimiter {
                let delimiter = self.next();
                if self.next_after_space().kind == Kind::Keyword(Keyword::Define) {
                    self.definition()?;
                    continue;
                }
                self.tokens[1] = delimiter;
                self.waiting = 2;
            }
            match self.text_or_action()? {
                Item::Node(node) => block.nodes.push(node),
                Item::Ending(ending) => return Err(self.error(format!("unexpected {}", ending.describe()))),
            }
        }
        Ok(block)
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_after_space();
        let name = self.template_name(&token, CONTEXT)?;
        self.expect(Kind::RightDelimiter, CONTEXT)?;
        let body = self.own_block(CONTEXT)?;
        self.define(name, body)
    }

    /// The body of a definition: it knows no variables of its surroundings.
    fn own_block(&mut self, context: &str) -> Parsed<Block> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (body, ending) = self.block()?;
        self.variables = variables;
        self.range_depth = range_depth;
        match ending {
            Ending::End => Ok(body),
            other => Err(self.error(format!("unexpected {} in {context}", other.describe()))),
        }
    }

    fn define(&mut self, name: String, body: Block) -> Parsed<()> {
        match self.templates.get(&name) {
            Some(known) if !known.is_empty() => {
                if !body.is_empty() {
                    let name = quote(&name);
                    return Err(self.error(format!("template: multiple definition of template {name}")));
                }
            }
            _ => {
                self.templates.insert(name, body);
            }
        }
        Ok(())
    }

    fn block(&mut self) -> Parsed<(Block, Ending)> {
        self.nest()?;
        let mut block = Block { position: self.peek_after_space().position, nodes: Vec::new() };
        while self.peek_after_space().kind != Kind::End {
            match self.text_or_action()? {
                Item::Node(node) => block.nodes.push(node),
                Item::Ending(ending) => {
                    self.nesting -= 1;
                    return Ok((block, ending));
                }
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_after_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node { position: token.position, kind: NodeKind::Text(token.text) })),
            Kind::LeftDelimiter => {
                self.action_line = Some(self.line_of(token.position));
                let item = self.action();
                if item.is_ok() {
                    self.action_line = None;
                }
                item
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_after_space();
        let Kind::Keyword(keyword) = token.kind else { return self.simple_action() };
        let node = match keyword {
            Keyword::Block => self.block_action()?,
            Keyword::Break => self.loop_exit(&token, "{{break}}", NodeKind::Break)?,
            Keyword::Continue => self.loop_exit(&token, "{{continue}}", NodeKind::Continue)?,
            Keyword::Else => return self.else_action(),
            Keyword::End => {
                self.expect(Kind::RightDelimiter, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            Keyword::If => self.branch(Keyword::If)?,
            Keyword::Range => self.branch(Keyword::Range)?,
            Keyword::With => self.branch(Keyword::With)?,
            Keyword::Template => self.template_action()?,
            Keyword::Define | Keyword::Nil => return self.simple_action(),
        };
        Ok(Item::Node(node))
    }

    fn simple_action(&mut self) -> Parsed<Item> {
        self.back_up();
        let position = self.peek().position;
        let pipeline = self.pipeline("command", Kind::RightDelimiter)?;
        Ok(Item::Node(Node { position, kind: NodeKind::Action(pipeline) }))
    }

    fn loop_exit(&mut self, token: &Token, shown: &str, kind: NodeKind) -> Parsed<Node> {
        let next = self.next_after_space();
        if next.kind != Kind::RightDelimiter {
            return Err(self.unexpected(&next, shown));
        }
        if self.range_depth == 0 {
            return Err(self.error(format!("{shown} outside {{{{range}}}}")));
        }
        Ok(Node { position: token.position, kind })
    }

    fn else_action(&mut self) -> Parsed<Item> {
        if let Kind::Keyword(keyword @ (Keyword::If | Keyword::With)) = self.peek_after_space().kind {
            return Ok(Item::Ending(Ending::ElseBefore(keyword)));
        }
        self.expect(Kind::RightDelimiter, "else")?;
        Ok(Item::Ending(Ending::Else))
    }

    fn branch(&mut self, keyword: Keyword) -> Parsed<Node> {
        let known = self.variables.len();
        let (context, is_range) = match keyword {
            Keyword::If => ("if", false),
            Keyword::With => ("with", false),
            _ => ("range", true),
        };
        let pipeline = self.pipeline(context, Kind::RightDelimiter)?;
        self.range_depth += usize::from(is_range);
        let (body, ending) = self.block()?;
        self.range_depth -= usize::from(is_range);
        let otherwise = self.otherwise(keyword, ending)?;
        self.variables.truncate(known);
        let position = pipeline.position;
        let branch = Branch { pipeline, body, otherwise };
        let kind = match keyword {
            Keyword::If => NodeKind::If(branch),
            Keyword::With => NodeKind::With(branch),
            _ => NodeKind::Range(branch),
        };
        Ok(Node { position, kind })
    }

    /// What follows the body of an `if`, `with` or `range`. `else if` needs no `end` of its own.
    fn otherwise(&mut self, keyword: Keyword, ending: Ending) -> Parsed<Option<Block>> {
        match ending {
            Ending::End => Ok(None),
            Ending::ElseBefore(next) if next == keyword => {
                let position = self.next_after_space().position;
                self.nest()?;
                let node = self.branch(keyword)?;
                self.nesting -= 1;
                Ok(Some(Block { position, nodes: vec![node] }))
            }
            Ending::Else | Ending::ElseBefore(_) => {
                let (block, ending) = self.block()?;
                match ending {
                    Ending::End => Ok(Some(block)),
                    other => Err(self.error(format!("expected end; found {}", other.describe()))),
                }
            }
        }
    }

    fn block_action(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_after_space();
        let name = self.template_name(&token, CONTEXT)?;
        let argument = Some(self.pipeline(CONTEXT, Kind::RightDelimiter)?);
        let body = self.own_block(CONTEXT)?;
        self.define(name.clone(), body)?;
        Ok(Node { position: token.position, kind: NodeKind::Template { name, argument } })
    }

    fn template_action(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_after_space();
        let name = self.template_name(&token, CONTEXT)?;
        let mut argument = None;
        if self.next_after_space().kind != Kind::RightDelimiter {
            self.back_up();
            argument = Some(self.pipeline(CONTEXT, Kind::RightDelimiter)?);
        }
        Ok(Node { position: token.position, kind: NodeKind::Template { name, argument } })
    }

    fn template_name(&mut self, token: &Token, context: &str) -> Parsed<String> {
        match token.kind {
            Kind::String | Kind::RawString => literal::unquote(&token.text).ok_or_else(|| self.error("invalid syntax")),
            _ => Err(self.unexpected(token, context)),
        }
    }
}
