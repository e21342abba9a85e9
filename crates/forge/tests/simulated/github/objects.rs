//! GitHub's Git database: blobs, trees and commits, in the bare repository that the forge stands on. Only a commit without an author and a
//! committer is signed, and only an app's.

use base64::Engine as _;
use serde_json::{Value, json};

use super::{Answered, World, git_fed, text, texts};

const MODES: [&str; 3] = ["100644", "100755", "120000"];
const APP: &str = "tagwright-app[bot] <4711+tagwright-app[bot]@users.noreply.github.com>";

pub(super) fn answer(world: &mut World, kind: &str, body: &Value) -> Result<Answered, String> {
    let bare = world.git.clone().ok_or("there is no repository")?;
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str], input: &[u8]| git_fed(&bare, &folder.path().join("index"), arguments, input);
    // Whole ids, of the repository's own format.
    let has = |id: &str, kind: &str| {
        [40, 64].contains(&id.len()) && git(&["cat-file", "-t", id], b"").as_deref() == Some(kind)
    };
    match kind {
        "blobs" => {
            assert_eq!(body["encoding"], "base64");
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text(body, "content"))
                .map_err(|error| error.to_string())?;
            Ok((201, json!({ "sha": git(&["hash-object", "-w", "--stdin"], &bytes) })))
        }
        "trees" => {
            let base = text(body, "base_tree");
            if !has(&base, "tree") {
                return Err("base_tree is not a valid tree oid".to_owned());
            }
            git(&["read-tree", &base], b"").unwrap();
            for entry in body["tree"].as_array().ok_or("Invalid tree info")? {
                let (path, mode) = (text(entry, "path"), text(entry, "mode"));
                if !MODES.contains(&mode.as_str())
                    || entry["type"] != "blob"
                    || path.starts_with('/')
                    || path.is_empty()
                {
                    return Err("Must supply a valid tree.mode".to_owned());
                }
                let (content, sha) = (entry["content"].as_str(), entry.get("sha"));
                let sha = match (content, sha) {
                    (Some(content), None) => git(&["hash-object", "-w", "--stdin"], content.as_bytes()).unwrap(),
                    (None, Some(Value::String(sha))) if has(sha, "blob") => sha.clone(),
                    (None, Some(Value::Null)) => {
                        git(&["cat-file", "-e", &format!("{base}:{path}")], b"").ok_or("GitRPC::BadObjectState")?;
                        git(
                            &["update-index", "--index-info"],
                            format!("0 {}\t{path}\n", "0".repeat(base.len())).as_bytes(),
                        )
                        .unwrap();
                        continue;
                    }
                    _ => return Err("Must supply either tree.sha or tree.content".to_owned()),
                };
                git(&["update-index", "--index-info"], format!("{mode} {sha}\t{path}\n").as_bytes())
                    .ok_or("Invalid tree info")?;
            }
            Ok((201, json!({ "sha": git(&["write-tree"], b""), "truncated": false })))
        }
        "commits" => {
            let (tree, parents) = (text(body, "tree"), texts(&body["parents"]));
            if !has(&tree, "tree") {
                return Err("Tree SHA does not exist".to_owned());
            }
            if !parents.iter().all(|parent| has(parent, "commit")) {
                return Err("Parent SHA does not exist or is not a commit object".to_owned());
            }
            let is_own = body.get("author").is_none() && body.get("committer").is_none();
            let is_signed = is_own && world.is_app;
            let now = jiff::Timestamp::now().as_second();
            let mut header = format!("tree {tree}\n");
            parents.iter().for_each(|parent| header.push_str(&format!("parent {parent}\n")));
            let author = if is_own {
                APP.to_owned()
            } else {
                format!("{} <{}>", text(&body["author"], "name"), text(&body["author"], "email"))
            };
            header
                .push_str(&format!("author {author} {now} +0000\ncommitter GitHub <noreply@github.com> {now} +0000\n"));
            let payload = format!("{header}\n{}", text(body, "message"));
            let signature = is_signed.then(|| match &world.signer.0 {
                Some(sign) => sign(payload.as_bytes()),
                None => "-----BEGIN PGP SIGNATURE-----\n\nwsFcBAAB\n-----END PGP SIGNATURE-----\n".to_owned(),
            });
            let field = if tree.len() == 40 { "gpgsig" } else { "gpgsig-sha256" };
            let folded = signature.as_ref().map(|it| format!("{field} {}\n", it.trim_end().replace('\n', "\n ")));
            let commit = format!("{header}{}\n{}", folded.unwrap_or_default(), text(body, "message"));
            let sha = git(&["hash-object", "-t", "commit", "-w", "--stdin"], commit.as_bytes());
            let reason = if is_signed { "valid" } else { "unsigned" };
            let verification =
                json!({ "verified": is_signed, "reason": reason, "signature": signature, "payload": payload });
            Ok((201, json!({ "sha": sha, "tree": { "sha": tree }, "verification": verification })))
        }
        _ => Err("Not Found".to_owned()),
    }
}
