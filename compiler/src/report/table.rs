//! Tables of text.

use crate::text::{NAME, brief, printable};
use std::fmt;

/// Which side of a column is even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// For names.
    Left,
    /// For numbers.
    Right,
}

/// Rows under a heading, columns as wide as their widest cell.
#[derive(Debug)]
pub struct Table {
    align: Vec<Align>,
    /// `None` is a rule.
    rows: Vec<Option<Vec<String>>>,
}

impl Table {
    /// A table with a heading and a rule below it.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            align: columns.iter().map(|column| column.1).collect(),
            rows: vec![
                Some(columns.iter().map(|column| column.0.to_owned()).collect()),
                None,
            ],
        }
    }
    /// Adds a row; what a short one lacks is empty. Cells may be text of files that nobody vetted.
    pub fn row(&mut self, cells: Vec<String>) {
        let shown = |cell: &String| printable(&brief(cell, NAME)).into_owned();
        self.rows.push(Some(cells.iter().map(shown).collect()));
    }
    /// Adds a rule.
    pub fn rule(&mut self) {
        self.rows.push(None);
    }
    fn widths(&self) -> Vec<usize> {
        let width = |column| {
            let cells = self.rows.iter().flatten().filter_map(|row| row.get(column));
            cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
        };
        (0..self.align.len()).map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let mut line = String::new();
            match row {
                None => line = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)),
                Some(cells) => {
                    for ((cell, &width), align) in cells.iter().zip(&widths).zip(&self.align) {
                        line += &match align {
                            Align::Left => format!("{cell:<width$}  "),
                            Align::Right => format!("{cell:>width$}  "),
                        };
                    }
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let mut groups: Vec<&str> = Vec::new();
    groups.extend((!head.is_empty()).then_some(head));
    groups.extend((0..tail.len() / 3).map(|i| &tail[3 * i..3 * i + 3]));
    groups.join(",")
}

/// Bytes in the unit that suits them.
pub fn bytes(count: impl TryInto<u64>) -> String {
    let count: u64 = count.try_into().unwrap_or(u64::MAX);
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} KB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (100_000, "100,000"),
        ];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(bytes(9_999u64), "9999 B");
        assert_eq!(bytes(10_000u64), "10.0 KB");
        assert_eq!(bytes(102_853_048u64), "102.9 MB");
    }

    #[test]
    fn columns() {
        let mut table = Table::new(&[("name", Align::Left), ("n", Align::Right), ("end", Align::Left)]);
        table.row(vec!["é".to_owned(), "10".to_owned()]);
        table.rule();
        table.row(vec!["longer".to_owned(), "1".to_owned(), "x".to_owned()]);
        assert_eq!(
            table.to_string(),
            "name     n  end\n───────────────\né       10\n───────────────\nlonger   1  x\n"
        );
    }

    #[test]
    fn cells_cannot_steer_a_terminal_or_fill_it() {
        let mut table = Table::new(&[("name", Align::Left)]);
        table.row(vec!["a\u{202e}b".to_owned()]);
        table.row(vec!["x".repeat(10_000)]);
        let text = table.to_string();
        assert!(text.contains("\na\\u{202e}b\n"), "{text}");
        assert!(text.chars().count() < 1000, "{text}");
    }
}
