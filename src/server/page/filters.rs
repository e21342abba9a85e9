//! What templates do with texts.

// What the attribute makes of a filter.
#![allow(unreachable_pub)]

use askama::Values;
use askama::filters::{Escaper as _, Html, Safe};

/// A sentence as the command line prints it, with what stands between backticks as code. All of it is escaped.
#[askama::filter_fn]
pub(super) fn code(text: impl std::fmt::Display, _: &dyn Values) -> askama::Result<Safe<String>> {
    let text = text.to_string();
    let parts: Vec<&str> = text.split('`').collect();
    // One that is not closed is none.
    let paired = parts.len() - (parts.len() + 1) % 2;
    let mut html = String::with_capacity(text.len() + 32);
    for (at, part) in parts.iter().enumerate() {
        let (before, after) = match at {
            at if at % 2 == 1 && at < paired => ("<code>", "</code>"),
            at if at >= paired => ("`", ""),
            _ => ("", ""),
        };
        html.push_str(before);
        Html.write_escaped_str(&mut html, part)?;
        html.push_str(after);
    }
    Ok(Safe(html))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use askama::Template;

    use crate::server::page::filters;

    #[derive(Template)]
    #[template(source = "{{ text|code }}", ext = "html")]
    struct Page {
        text: &'static str,
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_is_markup() {
        for (text, expect) in [
            ("", ""),
            ("all is well", "all is well"),
            ("`a b` lifts it", "<code>a b</code> lifts it"),
            ("x `a` or `<b>`", "x <code>a</code> or <code>&#60;b&#62;</code>"),
            ("`a` & `b", "<code>a</code> &#38; `b"),
            ("a ` b", "a ` b"),
            ("<img src=x onerror='alert(1)'>\"", "&#60;img src=x onerror=&#39;alert(1)&#39;&#62;&#34;"),
            ("`<script>`", "<code>&#60;script&#62;</code>"),
        ] {
            assert_eq!(Page { text }.render().unwrap(), expect, "{text}");
        }
    }
}
