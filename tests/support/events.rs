//! What another parser than ours reads of YAML.

use yaml_rust2::Event;
use yaml_rust2::parser::Parser;

/// All events of a stream as texts: a scalar as its value, whatever its style; `None` if the parser reads nothing.
pub(crate) fn events(text: &str) -> Option<Vec<String>> {
    let mut parser = Parser::new_from_str(text);
    let mut events = Vec::new();
    loop {
        match parser.next_token().ok()?.0 {
            Event::StreamEnd => return Some(events),
            Event::Scalar(value, ..) => events.push(value),
            other => events.push(format!("{other:?}")),
        }
    }
}
