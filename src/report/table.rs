//! Tables as `kubectl get` prints them: a line of headings, columns below each other, nothing drawn.

/// The white space between two columns.
const GAP: &str = "   ";

/// Writes a table. Control characters of cells are escaped; an empty cell is a dash, so that
/// `awk` counts the same columns in every line.
#[must_use]
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| shown(cell))).collect();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([headings[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(widest);
    let mut text = line(&headings, &widths);
    for row in &rows {
        text.push_str(&line(&row.each_ref().map(String::as_str), &widths));
    }
    text
}

fn shown(cell: &str) -> String {
    if cell.is_empty() { "-".to_owned() } else { words::escape(cell) }
}

fn line<const N: usize>(cells: &[&str; N], widths: &[usize; N]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    let line = padded.collect::<Vec<_>>().join(GAP);
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_below_each_other_and_cells_keep_to_their_line() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [row(["default:app", "", "two\nlines\u{1b}[31m"]), row(["über", "1.0.0", ""])];
        assert_eq!(
            table(["NAME", "TAG", "MESSAGE"], &rows),
            "NAME          TAG     MESSAGE\n\
             default:app   -       two\\nlines\\u{1b}[31m\n\
             über          1.0.0   -\n"
        );
        assert_eq!(table(["NAME", "TAG"], &[]), "NAME   TAG\n");
    }
}
