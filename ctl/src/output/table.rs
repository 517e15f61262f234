//! A plain table: headed columns, two blanks between, nothing to parse wrongly.

use super::escape;

/// Lays out rows under their headings. Cells are escaped here.
pub fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| std::array::from_fn(|column| escape::line(&row[column])))
        .collect();
    let headings: [String; N] = headings.map(str::to_owned);
    let widths: [usize; N] = std::array::from_fn(|column| {
        std::iter::once(&headings)
            .chain(&rows)
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let mut text = String::new();
    for row in std::iter::once(&headings).chain(&rows) {
        let mut printed = String::new();
        for (cell, width) in row.iter().zip(widths) {
            printed.push_str(cell);
            printed.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        text.push_str(printed.trim_end());
        text.push('\n');
    }
    text
}

/// Lays out `name: value` lines with aligned values.
pub fn fields(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:width$}  {}\n", escape::line(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_hostile_cells_stay_in_their_row() {
        let rows = [
            ["memory".to_owned(), "ready".to_owned()],
            ["x\n\x1b[1m".to_owned(), "é".to_owned()],
        ];
        assert_eq!(
            table(["NAME", "STATE"], &rows),
            "NAME          STATE\nmemory        ready\nx\\n\\u{1b}[1m  é\n"
        );
    }

    #[test]
    fn an_empty_table_still_has_its_headings() {
        assert_eq!(table(["A", "B"], &[]), "A  B\n");
    }

    #[test]
    fn fields_align() {
        assert_eq!(
            fields(&[("a", "1".into()), ("long", "2".into())]),
            "a     1\nlong  2\n"
        );
    }
}
