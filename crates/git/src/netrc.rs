//! `~/.netrc`, where git finds logins by way of curl.
//!
//! An entry counts for the host that it names, whatever the port, since the file knows none. `default`, which names no host, is
//! passed over: what is in it would go to whoever asks. Macros are passed over as well. Words are split at white space, may be
//! in double quotes with backslashes in them, and a line that begins with `#` is a comment.

use std::fs;
use std::path::Path;

use access::Login;
use secrecy::SecretString;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Finds the login for a host in the file, and for a user where one is given. None when there is no such file, or it is not to be
/// read.
pub(super) fn find(path: &Path, host: &str, user: Option<&str>) -> Option<Login> {
    let metadata = fs::metadata(path).ok()?;
    let text = (metadata.is_file() && metadata.len() <= MAX_BYTES).then(|| fs::read_to_string(path).ok())??;
    search(&text, host, user)
}

fn search(text: &str, host: &str, user: Option<&str>) -> Option<Login> {
    // Brackets are of URLs; the file has the bare address.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut words = Words { text, is_first: true };
    let mut entry: Option<Entry> = None;
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" | "default" => {
                if let Some(login) = entry.take().and_then(|entry| entry.login(user)) {
                    return Some(login);
                }
                let is_ours = word == "machine" && words.next().is_some_and(|name| name.eq_ignore_ascii_case(host));
                entry = is_ours.then(Entry::default);
            }
            "macdef" => words.skip_macro(),
            "login" => set(entry.as_mut().map(|entry| &mut entry.username), words.next()),
            "password" => set(entry.as_mut().map(|entry| &mut entry.password), words.next()),
            "account" => drop(words.next()),
            _ => {}
        }
    }
    entry.and_then(|entry| entry.login(user))
}

fn set(place: Option<&mut Option<String>>, word: Option<String>) {
    if let Some(place) = place {
        *place = word;
    }
}

#[derive(Default)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
}

impl Entry {
    fn login(self, user: Option<&str>) -> Option<Login> {
        let username = self.username.or_else(|| user.map(str::to_owned))?;
        let password = SecretString::from(self.password?);
        user.is_none_or(|user| user == username).then_some(Login { username, password })
    }
}

/// The words that are left.
struct Words<'t> {
    text: &'t str,
    is_first: bool,
}

impl Words<'_> {
    /// A macro ends with an empty line.
    fn skip_macro(&mut self) {
        let end = self.text.find("\n\n").or_else(|| self.text.find("\n\r\n"));
        self.text = end.map_or("", |end| &self.text[end..]);
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let rest = self.text.trim_start();
            let is_new_line = self.is_first || self.text[..self.text.len() - rest.len()].contains('\n');
            self.is_first = false;
            match rest.strip_prefix('#').filter(|_| is_new_line) {
                Some(comment) => self.text = comment.find('\n').map_or("", |end| &comment[end..]),
                None => {
                    self.text = rest;
                    break;
                }
            }
        }
        if let Some(quoted) = self.text.strip_prefix('"') {
            let mut word = String::new();
            let mut characters = quoted.char_indices();
            while let Some((at, character)) = characters.next() {
                match character {
                    '"' => {
                        self.text = &quoted[at + 1..];
                        return Some(word);
                    }
                    '\\' => word.extend(characters.next().map(|(_, escaped)| match escaped {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        other => other,
                    })),
                    other => word.push(other),
                }
            }
            self.text = "";
            return None;
        }
        let end = self.text.find(char::is_whitespace).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        (!word.is_empty()).then(|| word.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use access::ExposeSecret as _;

    use super::*;

    fn check(text: &str, host: &str, user: Option<&str>) -> Option<String> {
        search(text, host, user).map(|login| format!("{}:{}", login.username, login.password.expose_secret()))
    }

    const FILE: &str = "# tokens\n\
        machine other.example.com login x password wrong\n\
        macdef init\nmachine git.example.com login macro password wrong\n\n\
        machine git.example.com\n\tlogin ada\n\tpassword \"a b\\\"c\"\n\
        machine git.example.com login bot account team password #s3cret\n\
        machine ::1 login six password 6\n\
        machine incomplete.example.com login x\n\
        default login anybody password leak\n";

    #[test]
    fn logins_are_found_by_host_and_user() {
        assert_eq!(check(FILE, "git.example.com", None).as_deref(), Some("ada:a b\"c"));
        assert_eq!(check(FILE, "GIT.example.com", Some("ada")).as_deref(), Some("ada:a b\"c"));
        assert_eq!(check(FILE, "git.example.com", Some("bot")).as_deref(), Some("bot:#s3cret"));
        assert_eq!(check(FILE, "[::1]", None).as_deref(), Some("six:6"));
        assert_eq!(check("machine h password p", "h", Some("u")).as_deref(), Some("u:p"));
        assert_eq!(check("machine h login u password \"p", "h", None), None);
    }

    #[test]
    fn nobody_else_gets_one() {
        for (host, user) in [
            ("git.example.com.evil.io", None),
            ("example.com", None),
            ("unknown.example.com", None),
            ("incomplete.example.com", None),
            ("git.example.com", Some("eve")),
            ("", None),
        ] {
            assert_eq!(check(FILE, host, user), None, "{host}");
        }
    }
}
