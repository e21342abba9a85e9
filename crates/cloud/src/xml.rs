//! The little of XML that AWS's security token service answers with: elements without attributes that hold text.

/// Returns the text of the first element of a name.
pub(crate) fn text(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    (!inside.contains('<')).then(|| unescaped(inside.trim()))
}

/// Replaces the five entities of XML, and characters by their number.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let known = behind.split_once(';').and_then(|(entity, rest)| Some((character(entity)?, rest)));
        match known {
            Some((character, after)) => {
                plain.push(character);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = behind;
            }
        }
    }
    plain + rest
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements() {
        let document = "<A xmlns=\"x\"><B><Key>a&amp;b&#61;&#x3D;&nope;&</Key></B><Key>second</Key><Empty/></A>";
        assert_eq!(text(document, "Key").as_deref(), Some("a&b==&nope;&"));
        assert_eq!(text(document, "B"), None, "it holds elements");
        assert_eq!(text(document, "Empty"), None);
        assert_eq!(text("<Key>cut", "Key"), None);
    }
}
