//! References in a template to groups that a pattern does not have.
//!
//! Go expands them to nothing, which is nearly always a mistake: `$ts_$n` asks for a group named `ts_`, and gives what `$n` alone does.

use std::fmt;

use super::expand::{References, groups};

/// How many groups are listed as those that there are.
const MAX_LISTED: usize = 10;

/// A template asks for a group that its pattern does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownGroup {
    /// The reference as it is written: `$ts_`.
    pub reference: String,
    /// What the template was probably meant to be: `${ts}_${n}`.
    pub fix: Option<String>,
    /// How the first groups of the pattern can be written.
    pub groups: Vec<String>,
}

impl UnknownGroup {
    /// Finds the first one in a template; `names` are the groups' names by number, the whole match first.
    pub(super) fn find(template: &str, names: &[Option<String>]) -> Option<Self> {
        let is_unknown = |name: &str| groups(name, names).is_empty();
        let reference = References::of(template).find(|reference| is_unknown(reference.name))?;
        let group = |(number, name): (usize, &Option<String>)| match name {
            Some(name) => format!("${name}"),
            None => format!("${number}"),
        };
        Some(Self {
            reference: template[reference.span].to_owned(),
            fix: fix(template, names),
            groups: names.iter().enumerate().skip(1).take(MAX_LISTED).map(group).collect(),
        })
    }

    /// What to write instead, as one sentence without a final period.
    #[must_use]
    pub fn hint(&self) -> String {
        let groups: Vec<String> = self.groups.iter().map(|group| format!("`{group}`")).collect();
        let has = match &groups[..] {
            [] => "the pattern has no groups: put what is to be extracted into one, such as `(?P<name>.*)`".to_owned(),
            [only] => format!("the only group of the pattern is {only}"),
            [first @ .., last] => format!("the groups of the pattern are {} and {last}", first.join(", ")),
        };
        match &self.fix {
            Some(fix) => format!("write `{fix}`; {has}"),
            None => has,
        }
    }
}

impl fmt::Display for UnknownGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` names no group of the pattern", self.reference)
    }
}

/// The template with braces around the names of groups, where each reference is one, or begins with one before a `_`, or with the
/// number of one before a letter.
fn fix(template: &str, names: &[Option<String>]) -> Option<String> {
    if template.contains(char::is_control) {
        return None;
    }
    let mut fixed = String::with_capacity(template.len());
    let mut from = 0;
    for reference in References::of(template) {
        let known = known_prefix(reference.name, names)?;
        fixed.push_str(&template[from..reference.span.start]);
        fixed.push_str(&format!("${{{known}}}{}", &reference.name[known.len()..]));
        from = reference.span.end;
    }
    fixed.push_str(&template[from..]);
    Some(fixed)
}

/// The longest beginning of a name that is a group of its own.
fn known_prefix<'n>(name: &'n str, names: &[Option<String>]) -> Option<&'n str> {
    let ends = (1..=name.len()).rev().filter(|end| name.is_char_boundary(*end));
    let is_whole = |prefix: &str| {
        let by_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
        match name[prefix.len()..].chars().next() {
            None | Some('_') => true,
            Some(next) => by_number && !next.is_ascii_digit(),
        }
    };
    ends.map(|end| &name[..end]).find(|prefix| is_whole(prefix) && !groups(prefix, names).is_empty())
}
