//! Patterns of file names and tags, as other programs write them, as regular expressions.

use regex::Regex;

/// A glob of Go's `path.Match`, whole: `*` is any text, `?` one character, `[…]` one of a class. `*` stops at `/` where the text is a path.
pub(super) fn pattern(glob: &str, is_path: bool) -> String {
    let any = if is_path { "[^/]" } else { "." };
    let mut pattern = "^".to_owned();
    let mut rest = glob.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if is_path && rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                    pattern.push_str("(?:.*/)?");
                } else {
                    pattern.push_str(".*");
                }
            }
            '*' => pattern.push_str(&format!("{any}*")),
            '?' => pattern.push_str(any),
            '[' => {
                pattern.push('[');
                for c in rest.by_ref() {
                    pattern.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '{' if is_path => pattern.push_str("(?:"),
            '}' if is_path => pattern.push(')'),
            ',' if is_path => pattern.push('|'),
            '\\' => pattern.push_str(&regex::escape(&rest.next().unwrap_or('\\').to_string())),
            c => pattern.push_str(&regex::escape(&c.to_string())),
        }
    }
    pattern + "$"
}

/// A glob that was read; one that cannot be read fits nothing.
#[derive(Debug)]
pub(super) struct Glob(Option<Regex>);

impl Glob {
    pub(super) fn of(glob: &str, is_path: bool) -> Self {
        Self(Regex::new(&pattern(glob, is_path)).ok())
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|it| it.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(glob: &str, text: &str, is_path: bool) -> bool {
        Glob::of(glob, is_path).fits(text)
    }

    #[test]
    fn globs_are_taken_whole() {
        for (glob, fit, other) in [
            ("*-rc*", "1.0-rc1", "1.0"),
            ("v1.?", "v1.2", "v1.23"),
            ("[0-9].x", "1.x", "ax"),
            ("1.0", "1.0", "1x0"),
            ("web-*", "web-1", "my-web-1"),
        ] {
            assert!(fits(glob, fit, false) && !fits(glob, other, false), "{glob}");
        }
        for (glob, fit, other) in [
            ("apps/**", "apps/a/b.yaml", "ops/a.yaml"),
            ("**/*.{yaml,yml}", "a/b.yml", "a/b.json"),
            ("*/x.yaml", "a/x.yaml", "a/b/x.yaml"),
            ("**/x.yaml", "x.yaml", "ax.yaml"),
        ] {
            assert!(fits(glob, fit, true) && !fits(glob, other, true), "{glob}");
        }
        assert!(!fits("[", "[", false));
    }
}
