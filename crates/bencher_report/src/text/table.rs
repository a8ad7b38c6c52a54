//! Tables of text.

/// Rows below a row of titles, in columns as wide as what is in them. Columns whose title is given
/// in `right` are aligned to the right.
pub fn table<const N: usize>(
    titles: [&str; N],
    right: &[&str],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(rows);
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for ((cell, title), width) in line.iter().zip(titles).zip(widths) {
            let padded = if right.contains(&title) {
                format!("{cell:>width$}  ")
            } else {
                format!("{cell:<width$}  ")
            };
            row += &padded;
        }
        text += row.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["a", "1 B"], ["longer", "10 MiB"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table(["NAME", "SIZE"], &["SIZE"], rows),
            "NAME      SIZE\na          1 B\nlonger  10 MiB\n"
        );
    }
}
