//! Profiles: `~/.aws/credentials` and `~/.aws/config`, as AWS's own tools read them.
//!
//! A profile has keys, or takes a role with the keys of another profile or with a token from a file. What runs a program or needs a
//! person (`credential_process`, single sign-on, a second factor) is an error that says so.

use std::collections::HashMap;

use access::{ExposeSecret as _, Secret};

use super::Keys;

/// How many profiles may refer to each other in a row.
const MAX_CHAIN: usize = 5;

/// The profiles of both files. What stands in `credentials` wins.
#[derive(Debug, Default)]
pub(crate) struct Profiles(HashMap<String, HashMap<String, Secret>>);

/// How the keys of a profile are had.
#[derive(Debug)]
pub(crate) enum Way {
    /// They are written there.
    Written(Keys),
    /// By taking a role with the keys of another way.
    Role { role: Role, with: With },
    /// By taking a role with a token from a file.
    WebIdentity { role: Role, file: String },
    /// The profile has none.
    None,
}

/// Whose keys take a role.
#[derive(Debug)]
pub(crate) enum With {
    Profile(Box<Way>),
    Environment,
    Container,
    Machine,
}

/// A role to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) session: Option<String>,
    pub(crate) external_id: Option<String>,
}

impl Profiles {
    /// Reads the texts of both files.
    pub(crate) fn parse(config: &str, credentials: &str) -> Self {
        let mut profiles = Self::default();
        profiles.add(config, |section| match section {
            "default" => Some("default"),
            _ => section.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim),
        });
        profiles.add(credentials, Some);
        profiles
    }

    fn add<'t>(&mut self, text: &'t str, name: impl Fn(&'t str) -> Option<&'t str>) {
        let mut current: Option<&str> = None;
        for line in text.lines() {
            let is_below = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[') {
                let section = section.split(']').next().unwrap_or_default().trim();
                current = name(section);
                continue;
            }
            // Settings of one service stand below it, indented.
            let (Some(profile), Some((key, value)), false) = (current, line.split_once('='), is_below) else {
                continue;
            };
            let value = value.split(" #").next().unwrap_or_default().trim();
            let profile = self.0.entry(profile.to_owned()).or_default();
            profile.insert(key.trim().to_ascii_lowercase(), value.into());
        }
    }

    pub(crate) fn has(&self, profile: &str) -> bool {
        self.0.contains_key(profile)
    }

    pub(crate) fn get(&self, profile: &str, key: &str) -> Option<&str> {
        self.0.get(profile)?.get(key).map(|value| value.expose_secret()).filter(|value| !value.is_empty())
    }

    /// Returns how the keys of a profile are had.
    ///
    /// # Errors
    /// In words behind `the profile NAME`.
    pub(crate) fn way(&self, profile: &str) -> Result<Way, String> {
        self.follow(profile, &mut Vec::new())
    }

    fn follow<'s>(&'s self, profile: &'s str, seen: &mut Vec<&'s str>) -> Result<Way, String> {
        let get = |key: &str| self.get(profile, key);
        // A profile may take a role with its own keys.
        if seen.last() == Some(&profile) {
            return self
                .written(profile)?
                .map(Way::Written)
                .ok_or_else(|| "has itself as `source_profile`, and no keys".to_owned());
        }
        if seen.contains(&profile) || seen.len() >= MAX_CHAIN {
            return Err("has a `source_profile` that leads in a circle".to_owned());
        }
        seen.push(profile);
        if let Some(arn) = get("role_arn") {
            let text = |key: &str| get(key).map(str::to_owned);
            let role =
                Role { arn: arn.to_owned(), session: text("role_session_name"), external_id: text("external_id") };
            if get("mfa_serial").is_some() {
                return Err("has `mfa_serial`: nobody is there who could enter a code".to_owned());
            }
            return match (get("source_profile"), get("credential_source"), get("web_identity_token_file")) {
                (_, _, Some(file)) => Ok(Way::WebIdentity { role, file: file.to_owned() }),
                (Some(source), None, None) if !self.has(source) => {
                    Err(format!("has the `source_profile` {source}, which does not exist"))
                }
                (Some(source), None, None) => {
                    let with = With::Profile(Box::new(self.follow(source, seen)?));
                    Ok(Way::Role { role, with })
                }
                (None, Some("Environment"), None) => Ok(Way::Role { role, with: With::Environment }),
                (None, Some("EcsContainer"), None) => Ok(Way::Role { role, with: With::Container }),
                (None, Some("Ec2InstanceMetadata"), None) => Ok(Way::Role { role, with: With::Machine }),
                (None, Some(_), None) => Err("has an unknown `credential_source`".to_owned()),
                (Some(_), Some(_), None) => Err("has both `source_profile` and `credential_source`".to_owned()),
                (None, None, None) => {
                    Err("has `role_arn` without `source_profile`, `credential_source` or `web_identity_token_file`"
                        .to_owned())
                }
            };
        }
        if let Some(keys) = self.written(profile)? {
            return Ok(Way::Written(keys));
        }
        const UNSUPPORTED: [(&str, &str); 4] = [
            ("credential_process", "no program is run for it"),
            ("sso_session", "single sign-on needs a person"),
            ("sso_start_url", "single sign-on needs a person"),
            ("login_session", "signing in needs a person"),
        ];
        match UNSUPPORTED.iter().find(|(key, _)| get(key).is_some()) {
            Some((key, reason)) => Err(format!("has `{key}`: {reason}; write keys or a role into it")),
            None => Ok(Way::None),
        }
    }

    fn written(&self, profile: &str) -> Result<Option<Keys>, String> {
        let get = |key: &str| self.get(profile, key);
        match (get("aws_access_key_id"), get("aws_secret_access_key")) {
            (Some(id), Some(secret)) => {
                let session = get("aws_session_token").map(Secret::from);
                Ok(Some(Keys { id: id.to_owned(), secret: secret.into(), session }))
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err("has `aws_access_key_id` without `aws_secret_access_key`".to_owned()),
            (None, Some(_)) => Err("has `aws_secret_access_key` without `aws_access_key_id`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CONFIG: &str = "\
[default]
region = eu-west-1 # where we are
s3 =
    region = us-east-1
[profile base]
aws_access_key_id = CONFIG
aws_secret_access_key = c
[profile role]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = base
external_id = e
[profile web]
role_arn = arn:w
web_identity_token_file = /token
[profile machine]
role_arn = arn:m
credential_source = Ec2InstanceMetadata
[profile self]
role_arn = arn:s
source_profile = self
aws_access_key_id = OWN
aws_secret_access_key = o
[profile a]
role_arn = arn:a
source_profile = b
[profile b]
role_arn = arn:b
source_profile = a
[profile lost]
role_arn = arn:l
source_profile = nobody
[profile alone]
role_arn = arn:x
[profile process]
credential_process = /bin/x
[profile sso]
sso_session = x
[profile half]
aws_access_key_id = H
[profile mfa]
role_arn = arn:x
source_profile = base
mfa_serial = m
[other base]
aws_access_key_id = NO
";
    const CREDENTIALS: &str =
        "; keys\n[base]\naws_access_key_id=AKID\naws_secret_access_key=s=cret\naws_session_token = t\n";

    #[test]
    fn ways() {
        let profiles = Profiles::parse(CONFIG, CREDENTIALS);
        assert_eq!(profiles.get("default", "region"), Some("eu-west-1"));
        let Way::Written(keys) = profiles.way("base").unwrap() else { panic!("keys") };
        assert_eq!(
            (keys.id.as_str(), keys.secret.expose_secret(), keys.session.unwrap().expose_secret()),
            ("AKID", "s=cret", "t")
        );
        let Way::Role { role, with: With::Profile(with) } = profiles.way("role").unwrap() else { panic!("role") };
        assert_eq!((role.arn.as_str(), role.external_id.as_deref()), ("arn:aws:iam::123456789012:role/r", Some("e")));
        assert!(matches!(*with, Way::Written(keys) if keys.id == "AKID"));
        assert!(matches!(profiles.way("web").unwrap(), Way::WebIdentity { file, .. } if file == "/token"));
        assert!(matches!(profiles.way("machine").unwrap(), Way::Role { with: With::Machine, .. }));
        let Way::Role { with: With::Profile(with), .. } = profiles.way("self").unwrap() else { panic!("role") };
        assert!(matches!(*with, Way::Written(keys) if keys.id == "OWN"));
        assert!(matches!(profiles.way("default").unwrap(), Way::None));
        assert!(!profiles.has("other base"));
    }

    #[test]
    fn what_cannot_be() {
        let profiles = Profiles::parse(CONFIG, CREDENTIALS);
        let cases = [
            ("a", "has a `source_profile` that leads in a circle"),
            ("lost", "has the `source_profile` nobody, which does not exist"),
            ("alone", "has `role_arn` without `source_profile`, `credential_source` or `web_identity_token_file`"),
            ("process", "has `credential_process`: no program is run for it; write keys or a role into it"),
            ("sso", "has `sso_session`: single sign-on needs a person; write keys or a role into it"),
            ("half", "has `aws_access_key_id` without `aws_secret_access_key`"),
            ("mfa", "has `mfa_serial`: nobody is there who could enter a code"),
        ];
        for (profile, expect) in cases {
            assert_eq!(profiles.way(profile).unwrap_err(), expect, "{profile}");
        }
    }
}
