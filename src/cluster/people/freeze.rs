//! Freezes, and exceptions to them: what is written to an object.

use jiff::Timestamp;
use serde_json::Value;

use super::order::annotate;
use super::{Found, People};
use crate::cluster::orders::{BREAK_GLASS, BREAK_GLASS_UNTIL, FREEZE, FREEZE_UNTIL};
use crate::failure::Result;

/// An order about the freeze of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Freezing<'f> {
    /// Nothing of it is written.
    Freeze {
        /// When that ends by itself, if it does.
        until: Option<Timestamp>,
        /// Why.
        reason: &'f str,
    },
    /// The end of that.
    Unfreeze,
    /// It is written all the same.
    BreakGlass {
        /// When that ends.
        until: Timestamp,
        /// Why.
        reason: &'f str,
    },
}

impl People {
    /// Writes an order about a freeze to an object. Returns whether something is otherwise than before.
    ///
    /// # Errors
    /// It may not be written, or the server does not answer.
    pub(crate) async fn freeze(&self, order: Freezing<'_>, found: &Found) -> Result<bool> {
        let Some(patch) = patch(order, found) else { return Ok(false) };
        self.patch(found, &patch).await?;
        Ok(true)
    }
}

/// The patch that carries an order out; none where there is nothing to do.
fn patch(order: Freezing<'_>, found: &Found) -> Option<Value> {
    let annotations = &found.object.annotations;
    let said = |annotation: &str| annotations.get(annotation).map(|text| text.trim());
    match order {
        Freezing::Freeze { until, reason } => {
            let until = until.map(|until| until.to_string());
            // Said again without a reason, it is no other order.
            let same = said(FREEZE).is_some_and(|known| reason.is_empty() || known == reason)
                && said(FREEZE_UNTIL) == until.as_deref();
            (!same).then(|| annotate(&[(FREEZE, Some(reason)), (FREEZE_UNTIL, until.as_deref())]))
        }
        Freezing::Unfreeze => {
            said(FREEZE).or(said(FREEZE_UNTIL))?;
            Some(annotate(&[(FREEZE, None), (FREEZE_UNTIL, None)]))
        }
        Freezing::BreakGlass { until, reason } => {
            Some(annotate(&[(BREAK_GLASS, Some(reason)), (BREAK_GLASS_UNTIL, Some(&until.to_string()))]))
        }
    }
}

#[cfg(test)]
mod tests {
    use kubernetes::{Key, Object};
    use serde_json::json;

    use super::*;
    use crate::cluster::what::What;

    fn check(order: Freezing<'_>, annotations: &[(&str, &str)], expect: Value) {
        let key = Key { namespace: "shop".to_owned(), name: "web".to_owned() };
        let object = Object {
            annotations: annotations.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            ..crate::cluster::what::object(What::Automation, key, &Value::Null)
        };
        let found = Found { what: What::Automation, object };
        assert_eq!(patch(order, &found).unwrap_or_default(), expect, "{order:?} {annotations:?}");
    }

    #[test]
    fn a_freeze_is_an_annotation_with_its_reason_and_its_end() {
        let until = Some(Timestamp::UNIX_EPOCH);
        let written =
            |reason: Value, until: Value| json!({"metadata": {"annotations": {FREEZE: reason, FREEZE_UNTIL: until}}});
        let end = "1970-01-01T00:00:00Z";
        check(Freezing::Freeze { until, reason: "the fair" }, &[], written(json!("the fair"), json!(end)));
        check(Freezing::Freeze { until: None, reason: "" }, &[], written(json!(""), Value::Null));
        check(Freezing::Freeze { until: None, reason: "" }, &[(FREEZE, "the fair")], Value::Null);
        check(Freezing::Freeze { until, reason: "" }, &[(FREEZE, "the fair")], written(json!(""), json!(end)));
        check(Freezing::Freeze { until, reason: "" }, &[(FREEZE, ""), (FREEZE_UNTIL, end)], Value::Null);
        check(Freezing::Unfreeze, &[(FREEZE, "the fair")], written(Value::Null, Value::Null));
        check(Freezing::Unfreeze, &[], Value::Null);
        let broken = json!({"metadata": {"annotations": {BREAK_GLASS: "CVE", BREAK_GLASS_UNTIL: end}}});
        check(Freezing::BreakGlass { until: Timestamp::UNIX_EPOCH, reason: "CVE" }, &[(FREEZE, "")], broken);
    }
}
