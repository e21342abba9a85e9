//! The answer to `ls-refs` of version 2: a line for each reference, with what it stands for and what `HEAD` names.

use web::words;

use super::{Advertisement, Content, Extent, broken};
use crate::capabilities::Capabilities;
use crate::error::Error;
use crate::id::ObjectId;
use crate::names::Names;
use crate::packet::{self, Reader};
use crate::problem::Problem;

/// The request for these references.
pub(crate) fn request(capabilities: &Capabilities, names: &Names) -> Vec<u8> {
    let mut out = capabilities.command("ls-refs");
    let unborn = capabilities.has("unborn").then_some("unborn\n");
    ["peel\n", "symrefs\n"].into_iter().chain(unborn).for_each(|line| packet::push(&mut out, line.as_bytes()));
    names.beginnings().for_each(|name| packet::push(&mut out, format!("ref-prefix {name}\n").as_bytes()));
    packet::push_flush(&mut out);
    out
}

impl Advertisement {
    /// Reads the answer up to its flush packet, and keeps what was asked for.
    pub(crate) async fn listing(
        reader: &mut Reader,
        capabilities: Capabilities,
        names: &Names,
        extent: Extent,
    ) -> Result<Self, Error> {
        let mut content = Content { capabilities, ..Content::about(names) };
        while let Some(data) = reader.next_line().await? {
            content.take_listed(packet::line(&data), reader.remote())?;
            if content.is_enough(extent, reader) {
                content.is_cut = true;
                break;
            }
        }
        content.put_in_order().await
    }

    /// Whether all branches have to be known to find the one where `HEAD` stands.
    pub(crate) fn lacks_branches(&self) -> bool {
        let Content { head, default_branch, asked, .. } = &*self.0;
        asked.wants_default_branch() && head.is_some() && default_branch.is_none() && !asked.covers("refs/heads/")
    }
}

impl Content {
    fn take_listed(&mut self, line: &[u8], remote: &str) -> Result<(), Error> {
        if let Some(said) = line.strip_prefix(b"ERR ") {
            return Err(Error::Remote { remote: remote.to_owned(), words: words::clean(said) });
        }
        // Such a name cannot be asked for in a configuration either.
        let Ok(line) = std::str::from_utf8(line) else { return Ok(()) };
        let mut words = line.split(' ');
        let (id, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let attribute = |key: &str| words.clone().find_map(|word| word.strip_prefix(key));
        let target = attribute("symref-target:").filter(|_| name == "HEAD");
        if let Some(target) = target {
            self.capabilities.name_head(target);
        }
        if id == "unborn" {
            return Ok(());
        }
        let format = self.capabilities.format();
        let parse = |id: &str| {
            let id = ObjectId::parse(id).filter(|id| id.format() == format);
            id.ok_or_else(|| broken(remote, Problem::Reference))
        };
        let object = parse(id)?;
        // What has a zero byte is a line of version 0.
        if name.is_empty() || name.ends_with("^{}") || name.contains('\0') {
            return Err(broken(remote, Problem::Reference));
        }
        let known = self.references.len();
        self.add(object, name, remote)?;
        if self.references.len() > known
            && let Some(peeled) = attribute("peeled:")
        {
            self.peel(known, parse(peeled)?)?;
        }
        match target {
            // Nobody knew its name to ask for it.
            Some(target) if !self.asked.covers(target) => {
                self.asked.add(target);
                self.add(object, target, remote)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fetch::Want;

    fn id(n: usize) -> String {
        format!("{n:040x}")
    }

    fn read(names: Names, lines: &[String]) -> Result<Advertisement, Error> {
        let mut content = Content::about(&names);
        lines.iter().try_for_each(|line| content.take_listed(line.as_bytes(), "remote"))?;
        Ok(content.finish())
    }

    #[test]
    fn head_names_its_branch_without_being_asked() {
        let lines = [format!("{} HEAD symref-target:refs/heads/trunk", id(1))];
        let read = read(Names::default(), &lines).unwrap();
        assert_eq!((read.default_branch(), read.branch("trunk").unwrap().to_string()), (Some("trunk"), id(1)));
        assert!(!read.lacks_branches() && !read.is_empty());
    }

    #[test]
    fn a_head_that_names_no_branch_wants_to_know_them_all() {
        let names: Names = [Want::DefaultBranch].into_iter().collect();
        let detached = [format!("{} HEAD", id(1))];
        let lacking = read(names.clone(), &detached).unwrap();
        assert!(lacking.lacks_branches() && lacking.default_branch().is_none());
        let found = [detached[0].clone(), format!("{} refs/heads/x", id(1)), format!("{} refs/heads/y", id(2))];
        let found = read(names.clone().with_branches(), &found).unwrap();
        assert_eq!((found.default_branch(), found.lacks_branches()), (Some("x"), false));
        let unborn = read(names, &["unborn HEAD symref-target:refs/heads/main".to_owned()]).unwrap();
        assert!(unborn.is_empty() && unborn.default_branch().is_none() && !unborn.lacks_branches());
    }

    #[test]
    fn tags_are_peeled_and_what_was_not_asked_for_is_left_out() {
        let mut names = Names::default();
        names.add_tags();
        let lines = [
            format!("{} refs/heads/x", id(1)),
            format!("{} refs/tags/light other:thing", id(2)),
            format!("{} refs/tags/v1 peeled:{}", id(3), id(4)),
        ];
        let read = read(names, &lines).unwrap();
        let tags: Vec<_> = read.tags().map(|(name, commit)| (name, commit.to_string())).collect();
        assert_eq!(tags, [("light", id(2)), ("v1", id(4))]);
        assert_eq!(read.references().count(), 2);
    }

    #[test]
    fn lines_that_are_none_are_refused() {
        let broken = [
            String::new(),
            "x".to_owned(),
            id(1),
            format!("{} ", id(1)),
            format!("{} refs/tags/v1 peeled:x", id(1)),
            format!("{} refs/tags/v1^{{}}", id(1)),
            format!("{} refs/heads/main\0side-band-64k", id(1)).replace(' ', "\t"),
        ];
        for line in broken {
            let mut names = Names::default();
            names.add_tags();
            assert!(matches!(read(names, std::slice::from_ref(&line)), Err(Error::Protocol { .. })), "{line:?}");
        }
        let said = read(Names::default(), &["ERR no\u{1b}[1m".to_owned()]).unwrap_err();
        assert_eq!(said.to_string(), "remote reported an error: no");
    }
}
