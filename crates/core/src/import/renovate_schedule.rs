//! Renovate's times: cron expressions without minutes, and English sentences.

use super::Window;

/// The texts of a preset `schedule:…`.
pub(super) fn preset(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "daily" => &["* 0-3 * * *"],
        "weekly" | "earlyMondays" => &["* 0-3 * * 1"],
        "monthly" => &["* 0-3 1 * *"],
        "quarterly" => &["* 0-3 1 1,4,7,10 *"],
        "yearly" => &["* 0-3 1 1 *"],
        "weekends" => &["* * * * 0,6"],
        "weekdays" => &["* * * * 1-5"],
        "nonOfficeHours" => &["* 0-4,22-23 * * 1-5", "* * * * 0,6"],
        _ => return None,
    })
}

/// How many hours `3 days` are.
pub(super) fn hours(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let first = words.next()?;
    let digits = first.find(|c: char| !c.is_ascii_digit()).unwrap_or(first.len());
    let number: u64 = first[..digits].parse().ok()?;
    let unit = if digits < first.len() { &first[digits..] } else { words.next().unwrap_or("days") };
    let hours = match unit.trim_end_matches('s') {
        "hour" | "h" => 1,
        "day" | "d" => 24,
        "week" | "w" => 168,
        "month" => 720,
        _ => return None,
    };
    words.next().is_none().then(|| number.checked_mul(hours)).flatten()
}

/// The windows of a text; none where it is not understood.
pub(super) fn windows(text: &str, zone: Option<&str>) -> Option<Vec<Window>> {
    let text = text.trim().to_ascii_lowercase();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let window = |schedule: String, hours: u32| Window {
        schedule,
        duration: format!("{hours}h"),
        zone: zone.map(str::to_owned),
    };
    let is_cron =
        fields.len() == 5 && fields.iter().all(|it| it.chars().all(|c| c.is_ascii_digit() || "*,-/".contains(c)));
    if is_cron {
        let [minutes, hours, day, month, weekday] = fields[..] else { return None };
        // Each hour that it names is open as a whole.
        return (minutes == "*").then(|| match hours {
            "*" => vec![window(format!("0 0 {day} {month} {weekday}"), 24)],
            hours => vec![window(format!("0 {hours} {day} {month} {weekday}"), 1)],
        });
    }
    let (mut after, mut before, mut days) = (None, None, None);
    let mut words = fields.into_iter().peekable();
    while let Some(word) = words.next() {
        match word {
            "after" => after = Some(hour(words.next()?)?),
            "before" => before = Some(hour(words.next()?)?),
            "and" | "on" | "every" | "the" | "of" => {}
            "weekday" | "weekdays" => days = Some("1-5".to_owned()),
            "weekend" | "weekends" => days = Some("0,6".to_owned()),
            "day" => {}
            day => {
                let number = weekday(day.trim_end_matches(','))?.to_string();
                days = Some(days.map_or(number.clone(), |days| format!("{days},{number}")));
            }
        }
    }
    let days = days.unwrap_or_else(|| "*".to_owned());
    Some(match (after, before) {
        (None, None) => vec![window(format!("0 0 * * {days}"), 24)],
        (Some(after), None) => vec![window(format!("0 {after} * * {days}"), 24 - after)],
        (None, Some(before)) if before > 0 => vec![window(format!("0 0 * * {days}"), before)],
        (Some(after), Some(before)) if after < before => vec![window(format!("0 {after} * * {days}"), before - after)],
        // Over midnight both ends are of one day each.
        (Some(after), Some(before)) if before > 0 => {
            vec![window(format!("0 0 * * {days}"), before), window(format!("0 {after} * * {days}"), 24 - after)]
        }
        _ => return None,
    })
}

/// `10pm`, `5:00am`, `22:00`.
fn hour(text: &str) -> Option<u32> {
    let (number, half) = match (text.strip_suffix("am"), text.strip_suffix("pm")) {
        (Some(number), _) => (number, Some(0)),
        (_, Some(number)) => (number, Some(12)),
        _ => (text, None),
    };
    let number = number.strip_suffix(":00").unwrap_or(number);
    let hour: u32 = number.parse().ok()?;
    match half {
        Some(half) if (1..=12).contains(&hour) => Some(hour % 12 + half),
        None if hour < 24 => Some(hour),
        _ => None,
    }
}

fn weekday(text: &str) -> Option<u8> {
    let days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let index = days.iter().position(|day| text.starts_with(day) && text.len() <= 9)?;
    u8::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_windows() {
        for (text, expect) in [
            ("before 6am on monday", "0 0 * * 1 for 6h"),
            ("after 10pm and before 5am every weekday", "0 0 * * 1-5 for 5h, 0 22 * * 1-5 for 2h"),
            ("every weekend", "0 0 * * 0,6 for 24h"),
            ("after 9pm", "0 21 * * * for 3h"),
            ("on tuesday and thursday", "0 0 * * 2,4 for 24h"),
            ("* 0-3 * * 1", "0 0-3 * * 1 for 1h"),
            ("* * * * 0,6", "0 0 * * 0,6 for 24h"),
            ("on the first day of the month", "-"),
            ("every 3 months on the last friday", "-"),
            ("30 4 * * *", "-"),
            ("before 13pm", "-"),
        ] {
            let found = windows(text, None).map(|all| {
                let all: Vec<String> = all.iter().map(|it| format!("{} for {}", it.schedule, it.duration)).collect();
                all.join(", ")
            });
            assert_eq!(found.as_deref().unwrap_or("-"), expect, "{text}");
        }
    }

    #[test]
    fn ages_are_hours() {
        for (text, expect) in [
            ("3 days", Some(72)),
            ("14 days", Some(336)),
            ("1 week", Some(168)),
            ("12h", Some(12)),
            ("3", Some(72)),
            ("soon", None),
        ] {
            assert_eq!(hours(text), expect, "{text}");
        }
    }
}
