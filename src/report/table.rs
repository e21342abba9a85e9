//! Tables as `kubectl get` prints them: a line of headings, columns below each other, nothing drawn.
//!
//! A narrow table fits a terminal of 80 columns, and nothing that matters is cut for that: the last column, a sentence, goes on
//! in further lines, below the row where there is too little room beside it. A wide one has a line for each row.

use crate::snippet::{Color, Style, paint};

/// The white space between two columns.
const GAP: &str = "   ";

/// The columns of a terminal, which a narrow table fits.
const TERMINAL: usize = 80;

/// A sentence gets at least so many columns beside the others.
const LEAST_ROOM: usize = 24;

/// How far a sentence below its row is moved in.
const INDENT: usize = 4;

/// No column but the first and the last is cut to less than this.
const LEAST_COLUMN: usize = 8;

/// The first column is cut to no less than this.
const LEAST_NAME: usize = 24;

/// How wide a table may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// It fits 80 columns.
    Narrow,
    /// It has a line for each row.
    Wide,
}

/// A cell of a table, in a colour where there are colours.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    color: Option<Color>,
}

impl Cell {
    pub(super) fn colored(text: impl Into<String>, color: Color) -> Self {
        Self { color: Some(color), ..Self::from(text.into()) }
    }
}

impl From<String> for Cell {
    /// Control characters are escaped; an empty cell is a dash, so that `awk` counts the same columns in every line.
    fn from(text: String) -> Self {
        let text = if text.is_empty() { "-".to_owned() } else { words::escape(&text) };
        Self { text, color: None }
    }
}

/// Writes a table.
#[must_use]
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[Cell; N]], width: Width, style: Style) -> String {
    let mut widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].text.chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or_default()
    });
    if width == Width::Wide {
        return line(&headings.map(|heading| Cell::from(heading.to_owned())), &widths, style)
            + &rows.iter().map(|row| line(row, &widths, style)).collect::<String>();
    }
    fit(&mut widths, &headings);
    let before: usize = widths[..N - 1].iter().map(|width| width + GAP.len()).sum();
    let room = TERMINAL.saturating_sub(before);
    let is_beside = room >= LEAST_ROOM || widths[N - 1] <= room;
    let mut text = String::new();
    let headings: Vec<Cell> = headings.iter().map(|heading| Cell::from((*heading).to_owned())).collect();
    text.push_str(&match is_beside {
        true => line(&headings, &widths, style),
        false => line(&headings[..N - 1], &widths, style),
    });
    for row in rows {
        let (sentence, indent) = match is_beside {
            true => (wrapped(&row[N - 1].text, room), before),
            false => (wrapped(&row[N - 1].text, TERMINAL - INDENT), INDENT),
        };
        let mut further = sentence.into_iter();
        let first: Vec<Cell> = match is_beside {
            true => {
                let start = Cell { text: further.next().unwrap_or_default(), color: row[N - 1].color };
                row[..N - 1].iter().cloned().chain([start]).collect()
            }
            false => row[..N - 1].to_vec(),
        };
        text.push_str(&line(&first, &widths, style));
        further.for_each(|rest| text.push_str(&format!("{:indent$}{rest}\n", "")));
    }
    text
}

/// Makes columns smaller, the widest first, until they fit beside each other: the first, which names the row, when the others
/// are as small as they may be, and never the last, which is a sentence.
fn fit(widths: &mut [usize], headings: &[&str]) {
    let last = widths.len() - 1;
    while widths[..last].iter().map(|width| width + GAP.len()).sum::<usize>() > TERMINAL {
        let can_shrink = |column: &usize| widths[*column] > headings[*column].len().max(LEAST_COLUMN);
        let widest = (1..last).filter(can_shrink).max_by_key(|column| widths[*column]);
        match widest {
            Some(widest) => widths[widest] -= 1,
            None if widths[0] > LEAST_NAME => widths[0] -= 1,
            None => return,
        }
    }
}

/// A cell as wide as its column: of a name, what stands in the middle is left out, since names differ at their ends.
fn cut(cell: &str, width: usize, column: usize) -> String {
    let count = cell.chars().count();
    if count <= width {
        return cell.to_owned();
    }
    if column > 0 {
        return words::shorten(cell, width - 1);
    }
    let end: String = cell.chars().skip(count - width / 2).collect();
    format!("{}{end}", words::shorten(cell, width - width / 2 - 1))
}

/// Breaks a sentence between words into lines of so many characters; a longer word is cut into pieces.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + letters.len() > room {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for letter in letters {
            if length == room {
                lines.push(std::mem::take(&mut line));
                length = 0;
            }
            line.push(letter);
            length += 1;
        }
    }
    lines.push(line);
    lines
}

fn line(cells: &[Cell], widths: &[usize], style: Style) -> String {
    let mut text = String::new();
    for (at, (Cell { text: cell, color }, width)) in cells.iter().zip(widths).enumerate() {
        let cell = cut(cell, *width, at);
        // No white space at the end of a line.
        let fill = if at + 1 == cells.len() { 0 } else { width.saturating_sub(cell.chars().count()) + GAP.len() };
        let cell = match color {
            Some(color) => paint(&cell, *color, style),
            None => cell,
        };
        text.push_str(&format!("{cell}{:fill$}", ""));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<const N: usize>(rows: &[[&str; N]]) -> Vec<[Cell; N]> {
        rows.iter().map(|row| row.map(|cell| Cell::from(cell.to_owned()))).collect()
    }

    fn narrow<const N: usize>(headings: [&str; N], cells: &[[&str; N]]) -> String {
        let text = table(headings, &rows(cells), Width::Narrow, Style::Plain);
        assert!(text.lines().all(|line| line.chars().count() <= TERMINAL), "{text}");
        text
    }

    #[test]
    fn columns_are_below_each_other_and_cells_keep_to_their_line() {
        let cells = [["default:app", "", "two\nlines\u{1b}[31m"], ["über", "1.0.0", ""]];
        for width in [Width::Narrow, Width::Wide] {
            assert_eq!(
                table(["NAME", "TAG", "MESSAGE"], &rows(&cells), width, Style::Plain),
                "NAME          TAG     MESSAGE\n\
                 default:app   -       two\\nlines\\u{1b}[31m\n\
                 über          1.0.0   -\n"
            );
        }
        assert_eq!(table(["NAME", "TAG"], &[], Width::Wide, Style::Plain), "NAME   TAG\n");
    }

    #[test]
    fn a_sentence_goes_on_in_the_next_line() {
        let sentence = "none of 12 tags can be selected: 12 not in the range '3.x', such as '2.0.0', and so on";
        insta::assert_snapshot!(narrow(["NAME", "TAG", "MESSAGE"], &[["default:app", "1.1.0", sentence]]), @"
        NAME          TAG     MESSAGE
        default:app   1.1.0   none of 12 tags can be selected: 12 not in the range
                              '3.x', such as '2.0.0', and so on
        ");
    }

    #[test]
    fn a_sentence_without_room_goes_below() {
        let name = "flux-system/a-name-that-takes-most-of-the-room-of-a-line";
        let sentence = "nothing can be written: the path \"clusters/production\" does not exist; 1 finding";
        insta::assert_snapshot!(narrow(["NAME", "READY", "MESSAGE"], &[[name, "False", sentence]]), @r#"
        NAME                                                       READY
        flux-system/a-name-that-takes-most-of-the-room-of-a-line   False
            nothing can be written: the path "clusters/production" does not exist; 1
            finding
        "#);
    }

    #[test]
    fn a_name_is_cut_in_the_middle_when_nothing_else_helps() {
        let name = "flux-system:a-team-with-a-name-that-is-longer-than-most-of-them-and-its-service";
        insta::assert_snapshot!(narrow(["NAME", "TAG", "READY", "MESSAGE"], &[[name, "main-9b0c4d2", "True", "ok"]]), @"
        NAME                                                         TAG        READY
        flux-system:a-team-with-a-na…-most-of-them-and-its-service   main-9b…   True
            ok
        ");
    }

    #[test]
    fn what_is_too_long_is_cut_unless_it_is_a_sentence() {
        let tag = "1.2.3-".repeat(20);
        let long = "x".repeat(100);
        insta::assert_snapshot!(narrow(["NAME", "TAG", "READY", "MESSAGE"], &[["default:app", &tag, "True", &long]]), @"
        NAME          TAG                                                       READY
        default:app   1.2.3-1.2.3-1.2.3-1.2.3-1.2.3-1.2.3-1.2.3-1.2.3-1.2.3-…   True
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            xxxxxxxxxxxxxxxxxxxxxxxx
        ");
    }

    #[test]
    fn colours_take_no_room() {
        let cells = [[Cell::colored("True", Color::Green), Cell::from("a".to_owned())]];
        let text = table(["READY", "MESSAGE"], &cells, Width::Narrow, Style::Colored);
        assert_eq!(text, "READY   MESSAGE\n\u{1b}[32mTrue\u{1b}[0m    a\n");
    }
}
