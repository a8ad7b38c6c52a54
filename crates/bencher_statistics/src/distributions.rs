//! Distribution functions of the normal and of Student's distribution.
//!
//! All elementary functions are those of the crate `libm`, not of the host's C library: the same
//! bits on any host.

/// Where continued fractions and searches end, relative to their value.
const PRECISION: f64 = 1e-15;

/// The probability that a standard normal value is at most `value`.
pub fn normal_below(value: f64) -> f64 {
    0.5 * libm::erfc(-value / std::f64::consts::SQRT_2)
}

/// The probability that a value of Student's distribution is further from 0 than `value`, in either
/// direction; `degrees` of freedom are above 0, and infinitely many give the normal distribution.
///
/// It is the regularised incomplete beta function `I(ν / (ν + t²); ν/2, 1/2)`, see Abramowitz and
/// Stegun, Handbook of Mathematical Functions (1964), 26.7.1.
pub fn student_beyond(value: f64, degrees: f64) -> f64 {
    if value.is_infinite() {
        return 0.0;
    }
    if degrees.is_infinite() {
        return 2.0 * normal_below(-value.abs());
    }
    incomplete_beta(degrees / (degrees + value * value), degrees / 2.0, 0.5)
}

/// The value that Student's distribution is beyond, in either direction, with this probability from 0
/// to 1: with 0.05, half the width of a 95 % interval in standard errors.
pub fn student_quantile(beyond: f64, degrees: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_beyond(high, degrees) > beyond && high < 1e18 {
        low = high;
        high *= 2.0;
    }
    while high - low > PRECISION * high {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if student_beyond(middle, degrees) > beyond {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function by its continued fraction, NIST Digital Library of
/// Mathematical Functions, 8.17.22, evaluated by the modified algorithm of Lentz (Thompson and Barnett,
/// "Coulomb and Bessel functions of complex arguments and order", 1986).
fn incomplete_beta(at: f64, first: f64, second: f64) -> f64 {
    if at <= 0.0 {
        return 0.0;
    }
    if at >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast on this side only; the other one is its complement (8.17.4).
    if at > (first + 1.0) / (first + second + 2.0) {
        return 1.0 - incomplete_beta(1.0 - at, second, first);
    }
    let front = libm::exp(
        first * libm::log(at) + second * libm::log1p(-at) + libm::lgamma(first + second)
            - libm::lgamma(first)
            - libm::lgamma(second),
    ) / first;
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut value, mut numerator, mut denominator) = (1.0, 1.0, 0.0);
    // It takes about the root of the larger parameter: with a million degrees of freedom a thousand.
    for step in 1..10_000_u32 {
        let m = f64::from(step / 2);
        let even = first + 2.0 * m;
        let term = if step % 2 == 0 {
            m * (second - m) * at / ((even - 1.0) * even)
        } else {
            -(first + m) * (first + second + m) * at / (even * (even + 1.0))
        };
        denominator = 1.0 / away_from_zero(1.0 + term * denominator);
        numerator = away_from_zero(1.0 + term / numerator);
        let change = numerator * denominator;
        value *= change;
        if (change - 1.0).abs() < PRECISION {
            break;
        }
    }
    (front / value).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_two_degrees_of_freedom_have_closed_forms() {
        for value in [0.0, 0.1, 1.0, 3.0, 12.7, 1e6] {
            let one = 1.0 - 2.0 * f64::atan(value) / std::f64::consts::PI;
            let two = 1.0 - value / f64::sqrt(2.0 + value * value);
            assert!((student_beyond(value, 1.0) - one).abs() < 1e-12, "{value}");
            assert!((student_beyond(-value, 2.0) - two).abs() < 1e-12, "{value}");
        }
    }

    #[test]
    fn many_degrees_of_freedom_are_the_normal_distribution() {
        for value in [0.5, 1.959_963_984_540_054, 4.0] {
            let normal = student_beyond(value, f64::INFINITY);
            assert!(
                (student_beyond(value, 1e8) - normal).abs() < 1e-7,
                "{value}"
            );
        }
        assert!((student_quantile(0.05, f64::INFINITY) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!(student_beyond(f64::INFINITY, 3.0).abs() < 1e-300);
    }

    #[test]
    fn quantiles_invert_the_distribution() {
        for degrees in [0.5, 1.0, 2.5, 9.0, 100.0, 1e5] {
            for beyond in [1e-9, 0.001, 0.05, 0.5, 0.99] {
                let value = student_quantile(beyond, degrees);
                let found = student_beyond(value, degrees);
                assert!(
                    (found / beyond - 1.0).abs() < 1e-6,
                    "{degrees} {beyond}: {found}"
                );
            }
        }
    }
}
