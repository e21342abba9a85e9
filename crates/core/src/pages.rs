//! Where a forge shows commits, what lies between two of them, and lines of files, by the URL of a remote.
//!
//! Which forge it is, its host says: github.com and hosts with such a label, as `gitlab.example.com`. Of others nothing is known, and
//! nothing is linked to. Shapes as the forges themselves link to them.

use url::Url;

/// Which shapes its addresses have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    GitHub,
    GitLab,
    /// Forgejo and Codeberg as well.
    Gitea,
    /// The one of Atlassian's cloud; its server has other addresses.
    Bitbucket,
}

/// The pages of a repository at a forge.
#[derive(Debug, Clone)]
pub struct Pages {
    make: Make,
    /// The page of the repository.
    base: Url,
}

impl Pages {
    /// The forge that has a remote, if its host tells.
    #[must_use]
    pub fn of(remote: &str) -> Option<Self> {
        let (host, port, scheme, path) = parts(remote)?;
        let labels = || host.split(['.', '-']);
        let has = |label: &str| labels().any(|it| it.eq_ignore_ascii_case(label));
        let make = match () {
            () if host.eq_ignore_ascii_case("bitbucket.org") => Make::Bitbucket,
            () if has("github") => Make::GitHub,
            () if has("gitlab") => Make::GitLab,
            () if has("gitea") || has("forgejo") || has("codeberg") => Make::Gitea,
            () => return None,
        };
        let mut base = Url::parse(&format!("{scheme}://{host}/")).ok()?;
        base.set_port(port).ok()?;
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        // An owner and a name at least.
        path.contains('/').then_some(())?;
        base.path_segments_mut().ok()?.clear().extend(path.split('/'));
        Some(Self { make, base })
    }

    /// The page of the repository.
    #[must_use]
    pub fn page(&self) -> String {
        self.base.as_str().to_owned()
    }

    /// A commit.
    #[must_use]
    pub fn commit(&self, commit: &str) -> String {
        match self.make {
            Make::GitHub | Make::Gitea => self.below(&["commit", commit]),
            Make::GitLab => self.below(&["-", "commit", commit]),
            Make::Bitbucket => self.below(&["commits", commit]),
        }
    }

    /// What lies between two commits.
    #[must_use]
    pub fn compare(&self, old: &str, new: &str) -> String {
        let range = format!("{old}...{new}");
        match self.make {
            Make::GitHub | Make::Gitea => self.below(&["compare", &range]),
            Make::GitLab => self.below(&["-", "compare", &range]),
            // A carriage return between them, which the URL's own parser would drop.
            Make::Bitbucket => self.below(&["branches", "compare", new]) + "%0D" + old,
        }
    }

    /// A line of a file as it was at a commit; line 0 is the file.
    #[must_use]
    pub fn line(&self, commit: &str, file: &str, line: usize) -> String {
        let before: &[&str] = match self.make {
            Make::GitHub => &["blob"],
            Make::GitLab => &["-", "blob"],
            Make::Gitea => &["src", "commit"],
            Make::Bitbucket => &["src"],
        };
        let parts: Vec<&str> = before.iter().copied().chain([commit]).chain(file.split('/')).collect();
        let fragment = match (line, self.make) {
            (0, _) => String::new(),
            (line, Make::Bitbucket) => format!("#lines-{line}"),
            (line, _) => format!("#L{line}"),
        };
        self.below(&parts) + &fragment
    }

    fn below(&self, parts: &[&str]) -> String {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(parts);
        }
        url.into()
    }
}

/// Host, port, scheme of its pages, and path of a remote.
fn parts(remote: &str) -> Option<(String, Option<u16>, &'static str, String)> {
    if let Ok(url) = Url::parse(remote) {
        let host = url.host_str()?.to_owned();
        return match url.scheme() {
            "https" => Some((host, url.port(), "https", url.path().to_owned())),
            "http" => Some((host, url.port(), "http", url.path().to_owned())),
            // The port is that of ssh.
            "ssh" => Some((host, None, "https", url.path().to_owned())),
            _ => None,
        };
    }
    // As ssh has it: `git@host:path`.
    let (login, path) = remote.split_once(':')?;
    let host = login.rsplit('@').next()?;
    (!host.contains('/') && !path.starts_with('/')).then(|| (host.to_owned(), None, "https", path.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(remote: &str, expect: Option<[&str; 3]>) {
        let found =
            Pages::of(remote).map(|it| [it.commit("new"), it.compare("old", "new"), it.line("new", "a b/c.yaml", 7)]);
        let found = found.as_ref().map(|found| [found[0].as_str(), found[1].as_str(), found[2].as_str()]);
        assert_eq!(found, expect, "{remote}");
    }

    #[test]
    fn addresses() {
        let github = Some([
            "https://github.com/acme/shop/commit/new",
            "https://github.com/acme/shop/compare/old...new",
            "https://github.com/acme/shop/blob/new/a%20b/c.yaml#L7",
        ]);
        for remote in [
            "https://github.com/acme/shop.git",
            "https://github.com/acme/shop/",
            "git@github.com:acme/shop.git",
            "ssh://git@github.com:22/acme/shop",
        ] {
            check(remote, github);
        }
        check(
            "https://gitlab.example.com:8443/group/sub/shop.git",
            Some([
                "https://gitlab.example.com:8443/group/sub/shop/-/commit/new",
                "https://gitlab.example.com:8443/group/sub/shop/-/compare/old...new",
                "https://gitlab.example.com:8443/group/sub/shop/-/blob/new/a%20b/c.yaml#L7",
            ]),
        );
        check(
            "http://gitea.local:3000/acme/shop",
            Some([
                "http://gitea.local:3000/acme/shop/commit/new",
                "http://gitea.local:3000/acme/shop/compare/old...new",
                "http://gitea.local:3000/acme/shop/src/commit/new/a%20b/c.yaml#L7",
            ]),
        );
        check(
            "git@bitbucket.org:acme/shop.git",
            Some([
                "https://bitbucket.org/acme/shop/commits/new",
                "https://bitbucket.org/acme/shop/branches/compare/new%0Dold",
                "https://bitbucket.org/acme/shop/src/new/a%20b/c.yaml#lines-7",
            ]),
        );
        for unknown in [
            "https://git.example.com/acme/shop.git",
            "https://mygithub.example.com/acme/shop",
            "https://github.com/acme",
            "/srv/git/github/shop",
            "file:///srv/github.com/a/b",
            "",
            "javascript:alert(1)//github.com/a/b",
        ] {
            check(unknown, None);
        }
    }
}
