//! Values as a row of small bars.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `values` from left to right in at most `width` bars, between `least` and `greatest`; of several
/// values that share a bar, their mean.
pub(crate) fn sparkline(values: &[f64], width: usize, (least, greatest): (f64, f64)) -> String {
    if values.is_empty() || width == 0 {
        return String::new();
    }
    let bars = width.min(values.len());
    (0..bars)
        .map(|bar| {
            let (start, end) = (bar * values.len() / bars, (bar + 1) * values.len() / bars);
            let part = &values[start..end];
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            let place = if greatest > least {
                (mean - least) / (greatest - least)
            } else {
                0.0
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is from 0 to 7"
            )]
            let index = (place.clamp(0.0, 1.0) * 7.0).round() as usize;
            BARS[index]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_a_bar_unless_there_are_too_many() {
        for (values, width, expected) in [
            (&[][..], 5, ""),
            (&[1.0, 2.0, 8.0], 5, "▁▂█"),
            (&[1.0, 1.0, 8.0, 8.0], 2, "▁█"),
            (&[3.0, 3.0], 5, "▃▃"),
            (&[3.0], 0, ""),
        ] {
            assert_eq!(sparkline(values, width, (1.0, 8.0)), expected);
        }
        assert_eq!(sparkline(&[5.0, 5.0], 5, (5.0, 5.0)), "▁▁");
    }
}
