//! Label selectors of Kubernetes: `matchLabels` and `matchExpressions`, all of which must hold.

use std::collections::BTreeMap;

use tagwright_core::spelling::{listed, nearest};

use super::decode::Fields;
use super::report::{Finding, Report, quoted};
use super::text::Text;

/// Selects objects by their labels; without requirements, all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

impl Selector {
    /// Reads a selector's fields.
    pub(super) fn read(mut fields: Fields<'_>) -> Option<Self> {
        let labels = fields.map("matchLabels");
        let mut requirements: Vec<Requirement> = labels
            .into_iter()
            .map(|(key, text)| Requirement { key, operator: Operator::In(vec![text.value]) })
            .collect();
        let expressions = fields.items("matchExpressions").unwrap_or_default();
        fields.finish();
        let count = expressions.len();
        requirements.extend(expressions.into_iter().filter_map(expression));
        (requirements.len() >= count).then_some(Self { requirements })
    }

    /// Whether all requirements hold for these labels.
    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels.get(&requirement.key)))
    }
}

impl Requirement {
    /// `NotIn` holds for an object that lacks the label, as in Kubernetes.
    fn holds(&self, value: Option<&String>) -> bool {
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

fn is_operator(report: &Report, operator: &Text) -> bool {
    let known = OPERATORS.contains(&operator.value.as_str());
    if !known {
        let hint = match nearest(&operator.value, &OPERATORS) {
            Some(known) => format!("an operator with a similar name exists: `{known}`"),
            None => format!("the operators are {}", listed(&OPERATORS)),
        };
        let message = format!("unknown operator {}", quoted(&operator.value));
        report.add(Finding::at(operator.place, message).hint(hint));
    }
    known
}

fn expression(mut fields: Fields<'_>) -> Option<Requirement> {
    let key = fields.required_text("key");
    let operator = fields.required_text("operator");
    let has_values = fields.key("values");
    let operator = operator.filter(|operator| is_operator(fields.report(), operator));
    let values: Vec<String> = fields.texts("values").unwrap_or_default().into_iter().map(|text| text.value).collect();
    let (report, place, path) = (fields.report(), fields.place, fields.path("values"));
    fields.finish();
    let operator = operator?;
    let needs_values = matches!(operator.value.as_str(), "In" | "NotIn");
    match has_values {
        None if needs_values => report.error(place, format!("missing field `{path}`: `{}` needs it", operator.value)),
        Some(place) if needs_values && values.is_empty() => {
            report.error(place, format!("`{path}` is empty: `{}` needs at least one value", operator.value))
        }
        Some(place) if !needs_values && !values.is_empty() => {
            report.error(place, format!("`{path}` must not be there with `{}`", operator.value))
        }
        _ => {
            let operator = match operator.value.as_str() {
                "In" => Operator::In(values),
                "NotIn" => Operator::NotIn(values),
                "Exists" => Operator::Exists,
                _ => Operator::DoesNotExist,
            };
            return Some(Requirement { key: key?.value, operator });
        }
    };
    None
}
