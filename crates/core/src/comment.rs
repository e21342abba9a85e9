//! What people write under a pull request to have a bot do something, and what it answers.
//!
//! An order stands in the first line of a comment: `/hold`, perhaps with a reason behind it, `/release` or `/rebase`. Answers begin with
//! no slash, so that no bot takes them for orders.

use words::one_line;

/// The longest reason, in bytes.
const MAX_REASON: usize = 200;
/// How many policies an answer names.
const MAX_NAMED: usize = 20;
/// How much of a text is repeated in an answer, in characters.
const MAX_SHOWN: usize = 200;

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// What the request proposes is to stay as it is, for this reason.
    Hold(Option<String>),
    /// The end of that, and of what was turned down.
    Release,
    /// The branch is to be looked at now.
    Rebase,
}

impl Wish {
    /// Reads a comment.
    ///
    /// ```
    /// use tagwright_core::comment::Wish;
    ///
    /// assert_eq!(Wish::of("/hold it breaks carts\n\nSee #12"), Some(Wish::Hold(Some("it breaks carts".into()))));
    /// assert_eq!(Wish::of("please /hold"), None);
    /// ```
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let reason: String = rest.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let reason = reason.get(..reason.floor_char_boundary(MAX_REASON)).unwrap_or_default().trim().to_owned();
        match word.to_ascii_lowercase().as_str() {
            "/hold" => Some(Self::Hold(Some(reason).filter(|reason| !reason.is_empty()))),
            "/release" => Some(Self::Release),
            "/rebase" => Some(Self::Rebase),
            _ => None,
        }
    }
}

/// What came of a `/rebase`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebased {
    /// The branch is one commit on the newest commit of this branch, made anew.
    Anew,
    /// It was so already.
    Already,
    /// It is left as it is, for this reason.
    Left(String),
    /// It could not be done; the next run tries again.
    Failed,
}

/// Answers that the policies are held.
#[must_use]
pub fn held(policies: &[String], by: &str) -> String {
    let first = policies.first().map_or("", String::as_str);
    format!(
        "Held for {}: {} {} as it is, and nothing newer is proposed, until somebody comments `/release` or calls \
         `tagwright release {first}`.",
        code(by),
        named(policies),
        if policies.len() == 1 { "stays" } else { "stay" },
    )
}

/// Answers that the policies are released.
#[must_use]
pub fn released(policies: &[String], by: &str) -> String {
    format!(
        "Released for {}: {} {} proposed again, also what was turned down or taken back until now.",
        code(by),
        named(policies),
        if policies.len() == 1 { "is" } else { "are" },
    )
}

/// Says which policies an order left out, since whoever may write to one repository orders nothing in another.
#[must_use]
pub fn left_out(policies: &[String], command: &str) -> String {
    let first = policies.first().map_or("", String::as_str);
    format!(
        "Left out: {}, which {} to automations of other repositories, too; call `tagwright {command} {first}`.",
        named(policies),
        if policies.len() == 1 { "belongs" } else { "belong" },
    )
}

/// Answers that there is nothing to hold or to release.
#[must_use]
pub fn nothing() -> String {
    "Nothing to do: what the request proposes comes from no image policy that the bot has now.".to_owned()
}

/// Answers that an order is for a request that is open.
#[must_use]
pub fn not_open() -> String {
    "Not done: the request is not open any more. What is obeyed here is `/release`.".to_owned()
}

/// Answers what came of a `/rebase`.
#[must_use]
pub fn rebased(what: &Rebased, base: &str) -> String {
    let base = code(base);
    match what {
        Rebased::Anew => format!("Done: the branch is one commit on the newest commit of {base}."),
        Rebased::Already => format!("Nothing to do: the branch is one commit on the newest commit of {base} already."),
        Rebased::Left(reason) => format!("Not done: {}.", one_line(reason, MAX_SHOWN).replace(['`', '<', '@'], "'")),
        Rebased::Failed => "Not done: the run failed; the log says why, and the next run tries again.".to_owned(),
    }
}

fn named(policies: &[String]) -> String {
    let mut named: Vec<String> = policies.iter().take(MAX_NAMED).map(|policy| code(policy)).collect();
    if policies.len() > MAX_NAMED {
        named.push(format!("{} more", policies.len() - MAX_NAMED));
    }
    named.join(", ")
}

fn code(text: &str) -> String {
    format!("`{}`", one_line(text, MAX_SHOWN).replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_is_an_order() {
        for (text, expect) in [
            ("/hold", Some(Wish::Hold(None))),
            ("\n  /HOLD \u{7}why\t", Some(Wish::Hold(Some("why".to_owned())))),
            ("/release please\n/hold", Some(Wish::Release)),
            ("/rebase", Some(Wish::Rebase)),
            ("/holds", None),
            ("> /hold", None),
            ("Do not\n/hold", None),
            ("", None),
        ] {
            assert_eq!(Wish::of(text), expect, "{text:?}");
        }
        let Some(Wish::Hold(Some(reason))) = Wish::of(&format!("/hold {}", "ü".repeat(500))) else { panic!() };
        assert!(reason.len() <= MAX_REASON);
    }

    #[test]
    fn no_answer_is_an_order_or_mentions_anybody() {
        let policies: Vec<String> = (0..30).map(|number| format!("shop:web-{number}")).collect();
        let answers = [
            held(&policies[..1], "ada`@all"),
            released(&policies, "ada"),
            rebased(&Rebased::Left("commits by @eve <!--".to_owned()), "main"),
            rebased(&Rebased::Anew, "main"),
            not_open(),
            nothing(),
            left_out(&policies[..2], "hold"),
        ];
        for answer in &answers {
            assert_eq!(Wish::of(answer), None);
        }
        assert!(answers[0].starts_with("Held for `ada'@all`: `shop:web-0` stays as it is"), "{}", answers[0]);
        assert!(answers[1].contains("`shop:web-19`, 10 more are proposed"), "{}", answers[1]);
        assert_eq!(
            answers[6],
            "Left out: `shop:web-0`, `shop:web-1`, which belong to automations of other repositories, too; \
             call `tagwright hold shop:web-0`."
        );
        assert_eq!(answers[2], "Not done: commits by 'eve '!--.");
    }
}
