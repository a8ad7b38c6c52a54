//! Medians, spreads and ratios, and how they are written.

use std::fmt::Write as _;

/// Measurements of one contestant in one unit; never empty.
pub(crate) use bencher_statistics::Sorted as Samples;

/// A Markdown table of contestants with each one's time in relation to the first one's.
pub(crate) fn table(unit: &str, decimals: usize, contestants: &[(String, Samples)]) -> String {
    let mut text =
        format!("| | median ({unit}) | least – greatest | ratio |\n|---|---:|---:|---:|\n");
    let Some((_, first)) = contestants.first() else {
        return text;
    };
    for (name, samples) in contestants {
        let _ = writeln!(
            text,
            "| {name} | {:.decimals$} | {:.decimals$} – {:.decimals$} | {} |",
            samples.median(),
            samples.least(),
            samples.greatest(),
            ratio(samples, first),
        );
    }
    text
}

/// How many times as large the median of `one` is as that of `other`.
pub(crate) fn ratio(one: &Samples, other: &Samples) -> String {
    let ratio = one.median() / other.median();
    if ratio >= 10.0 {
        format!("{ratio:.0}×")
    } else {
        format!("{ratio:.2}×")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Samples {
        Samples::new(values.to_vec()).expect("there are some")
    }

    #[test]
    fn ratios_are_to_the_first() {
        let contestants = [
            ("ours".to_owned(), of(&[2.0, 1.0, 4.0])),
            ("theirs".to_owned(), of(&[90.0])),
            ("bound".to_owned(), of(&[1.5])),
        ];
        insta::assert_snapshot!(table("s", 2, &contestants), @r"
        | | median (s) | least – greatest | ratio |
        |---|---:|---:|---:|
        | ours | 2.00 | 1.00 – 4.00 | 1.00× |
        | theirs | 90.00 | 90.00 – 90.00 | 45× |
        | bound | 1.50 | 1.50 – 1.50 | 0.75× |
        ");
    }
}
