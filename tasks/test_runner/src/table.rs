//! Plain text tables: the first column and text to the left, numbers to the right.

/// A table with a heading row.
#[derive(Debug)]
pub(crate) struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// The space between two columns.
const GAP: &str = "  ";

impl Table {
    /// An empty table with these column headings.
    pub(crate) fn new<const COLUMNS: usize>(heading: [&str; COLUMNS]) -> Self {
        Self {
            heading: heading.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; columns it lacks stay empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines of the table, without spaces at their ends.
    pub(crate) fn render(&self) -> String {
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |text: &str| text.chars().count();
        let lines: Vec<&Vec<String>> = std::iter::once(&self.heading).chain(&self.rows).collect();
        let widths: Vec<usize> = (0..self.heading.len())
            .map(|column| {
                lines
                    .iter()
                    .map(|row| width(&cell(row, column)))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let numeric: Vec<bool> = (0..self.heading.len())
            .map(|column| self.rows.iter().all(|row| is_number(&cell(row, column))))
            .collect();
        let mut text = String::new();
        for row in lines {
            let mut line = String::new();
            for (column, &wide) in widths.iter().enumerate() {
                let content = cell(row, column);
                let padding = " ".repeat(wide - width(&content));
                if column > 0 {
                    line.push_str(GAP);
                }
                if numeric[column] {
                    line.push_str(&padding);
                    line.push_str(&content);
                } else {
                    line.push_str(&content);
                    line.push_str(&padding);
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Whether a cell belongs to the right: a number with or without a unit, or a dash for none.
fn is_number(cell: &str) -> bool {
    cell.is_empty() || cell == "–" || cell.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_to_the_right_and_text_to_the_left() {
        let mut table = Table::new(["image", "wall ms", "why"]);
        table.row(["busybox", "7", "ended"].map(str::to_owned));
        table.row(["ö", "12345", "timed out"].map(str::to_owned));
        table.row(["none", "–"].map(str::to_owned));
        assert_eq!(
            table.render(),
            "image    wall ms  why\n\
             busybox        7  ended\n\
             ö          12345  timed out\n\
             none           –\n"
        );
    }

    #[test]
    fn an_empty_table_is_its_heading() {
        assert_eq!(Table::new(["a", "b"]).render(), "a  b\n");
    }
}
