//! Answers cut to what a conversation can hold.

use serde_json::Value;

/// The longest answer, in bytes of JSON.
const MAX_ANSWER: usize = 48 * 1024;

/// The longest text in an answer, in characters: a diff, mostly.
const MAX_TEXT: usize = 16 * 1024;

/// How many items of a list are shown; fewer of each where the answer is still too long.
const MAX_ITEMS: [usize; 6] = [100, 50, 20, 10, 5, 2];

/// Cuts long lists and texts; each says how much of it is left out.
pub(super) fn cut(value: &Value) -> String {
    for most in MAX_ITEMS {
        let text = shorter(value, most).to_string();
        if text.len() <= MAX_ANSWER {
            return text;
        }
    }
    "\"the answer is too long; ask for less\"".to_owned()
}

fn shorter(value: &Value, most: usize) -> Value {
    match value {
        Value::Array(items) => {
            let mut kept: Vec<Value> = items.iter().take(most).map(|item| shorter(item, most)).collect();
            if items.len() > most {
                kept.push(Value::String(format!("and {} more", items.len() - most)));
            }
            Value::Array(kept)
        }
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), shorter(field, most))).collect())
        }
        Value::String(text) => match text.char_indices().nth(MAX_TEXT) {
            Some((end, _)) => Value::String(format!("{}\nand {} bytes more", &text[..end], text.len() - end)),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_is_told() {
        let tags: Vec<String> = (0..250).map(|number| format!("1.{number}")).collect();
        let text = cut(&json!({"tags": tags, "listed": 250}));
        assert!(text.contains("\"1.99\"") && !text.contains("\"1.100\""), "{text}");
        assert!(text.contains("\"and 150 more\"") && text.contains("\"listed\":250"), "{text}");
        assert_eq!(cut(&json!({"a": [1, 2], "b": null})), "{\"a\":[1,2],\"b\":null}");
    }

    #[test]
    fn an_answer_is_short_whatever_it_has() {
        let rows: Vec<Value> =
            (0..2000).map(|number| json!({"name": number, "tags": vec!["x".repeat(100); 50]})).collect();
        let text = cut(&json!({ "rows": rows }));
        assert!(text.len() <= MAX_ANSWER && text.contains("more"), "{}", text.len());
        let text = cut(&json!({"diff": "ä".repeat(100_000)}));
        assert!(text.len() <= MAX_ANSWER && text.contains("bytes more"), "{}", text.len());
        let wide: serde_json::Map<String, Value> = (0..10_000).map(|number| (number.to_string(), json!("x"))).collect();
        assert!(cut(&Value::Object(wide)).contains("ask for less"));
    }
}
