//! From values to places in a picture.

/// A range of values on a range of pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    least: f64,
    greatest: f64,
    start: f64,
    end: f64,
}

/// Where an axis has labels.
#[derive(Debug, Clone)]
pub(super) struct Ticks {
    pub(super) values: Vec<f64>,
    /// How far they are apart.
    pub(super) step: f64,
}

impl Axis {
    /// `least` to `greatest`, with a little room on either side, on the pixels `start` to `end`.
    pub(super) fn new((least, greatest): (f64, f64), (start, end): (f64, f64)) -> Self {
        let room = if greatest > least {
            (greatest - least) * 0.06
        } else if greatest == 0.0 {
            1.0
        } else {
            // All the same: it stands in the middle.
            greatest.abs() * 0.01
        };
        Self {
            least: least - room,
            greatest: greatest + room,
            start,
            end,
        }
    }

    /// Where `value` is; what is outside is at the edge.
    pub(super) fn place(&self, value: f64) -> f64 {
        let part = (value - self.least) / (self.greatest - self.least);
        self.start + part.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// About `count` values in the range that are round as multiples of `unit`.
    pub(super) fn ticks(&self, count: f64, unit: f64) -> Ticks {
        let (least, greatest) = (self.least / unit, self.greatest / unit);
        let span = greatest - least;
        let raw = span / count;
        let magnitude = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * magnitude)
            .into_iter()
            .find(|step| span / step <= count)
            .unwrap_or(10.0 * magnitude);
        let first = (least / step).ceil();
        let mut values = Vec::new();
        let mut index = first;
        while index * step <= greatest && values.len() < 50 {
            values.push(index * step * unit);
            index += 1.0;
        }
        Ticks {
            values,
            step: step * unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        let axis = Axis::new((9.9, 11.1), (0.0, 100.0));
        let ticks = axis.ticks(5.0, 1.0);
        let shown: Vec<_> = ticks
            .values
            .iter()
            .map(|tick| format!("{tick:.1}"))
            .collect();
        assert_eq!(shown, ["10.0", "10.5", "11.0"]);
        let sizes = Axis::new((1000.0, 3000.0), (0.0, 100.0));
        let kibibytes: Vec<_> = sizes
            .ticks(5.0, 1024.0)
            .values
            .iter()
            .map(|tick| tick / 1024.0)
            .collect();
        assert_eq!(kibibytes, [1.0, 1.5, 2.0, 2.5, 3.0]);
    }

    proptest! {
        #[test]
        fn places_are_inside_and_in_order(
            one in -1e9_f64..1e9, other in -1e9_f64..1e9, inside in 0.0_f64..1.0,
        ) {
            let (least, greatest) = (one.min(other), one.max(other));
            let axis = Axis::new((least, greatest), (10.0, 90.0));
            let value = least + inside * (greatest - least);
            let places = [least, value, greatest].map(|value| axis.place(value));
            prop_assert!(places.iter().all(|place| (10.0..=90.0).contains(place)));
            prop_assert!(places[0] <= places[1] + 1e-6 && places[1] <= places[2] + 1e-6);
            prop_assert!(axis.ticks(5.0, 1.0).values.len() <= 12);
        }
    }
}
