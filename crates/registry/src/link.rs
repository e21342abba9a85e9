//! The `Link` header, reduced to the address of the next page.
//!
//! The grammar is RFC 8288's. Registries are less strict than it, and so is this: `rel` may lack its quotes, may hold
//! several relations, and where a value has no `rel` at all it counts as the next page, as Flux takes it; an address may lack
//! its `<` and `>`. What is no link all the same is an error, since a list that silently ends early would look like a smaller
//! list. A link with nothing between `<` and `>` is none.

/// The longest header value that is read, in bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// Returns the target of the first value whose relation is `next`, as it is written.
///
/// # Errors
/// What is wrong with the header.
pub(crate) fn next<H: AsRef<str>>(headers: impl IntoIterator<Item = H>) -> Result<Option<String>, &'static str> {
    for header in headers {
        let header = header.as_ref();
        if header.len() > MAX_LENGTH {
            return Err("is too long");
        }
        let mut rest = skip_empty(header);
        while !rest.is_empty() {
            let (target, is_next, after) = value(rest)?;
            if is_next && !target.is_empty() {
                return Ok(Some(target.to_owned()));
            }
            rest = skip_empty(after);
        }
    }
    Ok(None)
}

fn skip_empty(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', ','])
}

/// Reads one link value: its target, whether it is the next page, and what follows it.
fn value(text: &str) -> Result<(&str, bool, &str), &'static str> {
    let (target, mut rest) = match text.strip_prefix('<') {
        Some(inner) => inner.split_once('>').ok_or("has no '>'")?,
        None => bare(text).ok_or("does not start with '<'")?,
    };
    let mut relation: Option<bool> = None;
    loop {
        rest = rest.trim_start();
        let Some(parameters) = rest.strip_prefix(';') else { break };
        let (name, content, after) = parameter(parameters);
        if name.eq_ignore_ascii_case("rel") && relation.is_none() {
            relation = Some(content.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next")));
        }
        rest = after;
    }
    // Whatever else stands before the next comma is not ours to judge.
    let after = rest.find(',').map_or("", |comma| &rest[comma..]);
    Ok((target.trim(), relation.unwrap_or(true), after))
}

/// Reads an address that stands without `<` and `>`.
fn bare(text: &str) -> Option<(&str, &str)> {
    let is_address = ["/", "?", "http://", "https://"].iter().any(|start| text.starts_with(start));
    let (target, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let is_one = !target.trim_end().contains(|c: char| c.is_whitespace() || c == ',' || c == '>');
    (is_address && is_one).then_some((target, rest))
}

/// Reads `name=content` or `name="content"` up to the next `;` or `,`.
fn parameter(text: &str) -> (&str, String, &str) {
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let name = text[..end].trim();
    let Some(content) = text[end..].strip_prefix('=') else { return (name, String::new(), &text[end..]) };
    let content = content.trim_start();
    match content.strip_prefix('"') {
        Some(quoted) => {
            let (content, after) = unquote(quoted);
            (name, content, after)
        }
        None => {
            let end = content.find([';', ',']).unwrap_or(content.len());
            (name, content[..end].trim().to_owned(), &content[end..])
        }
    }
}

/// Reads the rest of a quoted string; `\` takes the next character as it is. An open string ends with the text.
pub(crate) fn unquote(text: &str) -> (String, &str) {
    let mut content = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (content, &text[at + 1..]),
            '\\' => content.extend(characters.next().map(|(_, escaped)| escaped)),
            other => content.push(other),
        }
    }
    (content, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        type Found<'t> = Result<Option<&'t str>, &'t str>;
        let cases: &[(&[&str], Found<'_>)] = &[
            (&[], Ok(None)),
            (&[""], Ok(None)),
            (&[r#"</v2/a/tags/list?n=2&last=b>; rel="next""#], Ok(Some("/v2/a/tags/list?n=2&last=b"))),
            (&["</v2/a/tags/list?last=b>; rel=next"], Ok(Some("/v2/a/tags/list?last=b"))),
            (&["<?next_page=e3J9%3D>;rel=\"next\""], Ok(Some("?next_page=e3J9%3D"))),
            (&["<https://r.example.com/x> ; REL = \"Next\""], Ok(Some("https://r.example.com/x"))),
            (&["</a>; title=\"a,b;c \\\" <x>; rel=no\"; rel=\"prev next\""], Ok(Some("/a"))),
            (&["</first>; rel=\"first\", </b,c>; rel=\"next\", </z>; rel=last"], Ok(Some("/b,c"))),
            (&["</first>; rel=first", "</b>; rel=next"], Ok(Some("/b"))),
            (&["</prev>; rel=\"prev\""], Ok(None)),
            (&["</nextish>; rel=\"nextish\""], Ok(None)),
            (&["</plain>"], Ok(Some("/plain"))),
            (&["</a>; rel"], Ok(None)),
            (&["</a>; anchor=\"#x\"; rel=\"prev\"; rel=\"next\", </b>; rel=next"], Ok(Some("/b"))),
            (&[" , ,</a>;;rel=next"], Ok(Some("/a"))),
            (&["</a>; rel=\"next"], Ok(Some("/a"))),
            (&["/a; rel=next"], Ok(Some("/a"))),
            (&["/a?next=b%3D ; rel=\"next\""], Ok(Some("/a?next=b%3D"))),
            (&["https://r.io/a?b"], Ok(Some("https://r.io/a?b"))),
            (&["/a; rel=prev"], Ok(None)),
            (&["<>; rel=next"], Ok(None)),
            (&["< >"], Ok(None)),
            (&["<>; rel=next, </b>; rel=next"], Ok(Some("/b"))),
            (&["/a, /b"], Err("does not start with '<'")),
            (&["a?b; rel=next"], Err("does not start with '<'")),
            (&["next page"], Err("does not start with '<'")),
            (&["</a; rel=next"], Err("has no '>'")),
            (&["</a>; rel=prev, b"], Err("does not start with '<'")),
        ];
        for (headers, expect) in cases {
            let found = next(headers.iter().copied());
            assert_eq!(found.as_ref().map(Option::as_deref), expect.as_ref().map(|o| *o), "{headers:?}");
        }
        assert_eq!(next([format!("<{}>", "a".repeat(MAX_LENGTH)).as_str()]), Err("is too long"));
    }
}
