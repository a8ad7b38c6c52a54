//! `StopSignal`: the signal that asks a command to end.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use crate::Excerpt;

/// A Linux signal number, 1 to 64. The default is `SIGTERM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StopSignal(NonZeroU8);

/// A text is not a [`StopSignal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a signal: expected a name such as SIGTERM or RTMIN+1, or a number from 1 to 64"
)]
pub struct StopSignalError(Excerpt);

/// The numbers of `x86` and `arm`, `signal(7)`; other architectures are not supported.
const NAMES: [(&str, u8); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The first and the last real-time signal as programs see them: the C library keeps 32 and 33.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

impl StopSignal {
    /// The signal's number.
    pub fn number(self) -> u8 {
        self.0.get()
    }
}

impl Default for StopSignal {
    fn default() -> Self {
        const TERM: NonZeroU8 = NonZeroU8::new(15).expect("15 is not zero");
        Self(TERM)
    }
}

impl FromStr for StopSignal {
    type Err = StopSignalError;

    /// A number, or a name in any case, with or without `SIG`: `9`, `SIGINT`, `term`, `RTMIN+3`,
    /// `SIGRTMAX-1`.
    fn from_str(text: &str) -> Result<Self, StopSignalError> {
        parse(text)
            .map(Self)
            .ok_or_else(|| StopSignalError(Excerpt::new(text)))
    }
}

fn parse(text: &str) -> Option<NonZeroU8> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .filter(|number: &NonZeroU8| number.get() <= RTMAX);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        RTMIN.checked_add(offset(rest, '+')?)?
    } else if let Some(rest) = name.strip_prefix("RTMAX") {
        RTMAX.checked_sub(offset(rest, '-')?)?
    } else {
        NAMES.iter().find(|(known, _)| *known == name)?.1
    };
    let is_real_time = (RTMIN..=RTMAX).contains(&number);
    NonZeroU8::new(number).filter(|_| is_real_time || !name.starts_with("RT"))
}

/// The number behind `RTMIN` or `RTMAX`: nothing, or the sign and digits.
fn offset(rest: &str, sign: char) -> Option<u8> {
    if rest.is_empty() {
        return Some(0);
    }
    let digits = rest.strip_prefix(sign)?;
    // The integer parser would take a second sign.
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

impl fmt::Display for StopSignal {
    /// The name where the signal has one, else the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        match NAMES.iter().find(|(_, known)| *known == number) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None if number < RTMIN => write!(f, "{number}"),
            None => write!(f, "SIGRTMIN+{}", number - RTMIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signals() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("term", 15),
            ("sigInt", 2),
            ("9", 9),
            ("64", 64),
            ("033", 33),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmin+30", 64),
            ("RTMAX", 64),
            ("SIGRTMAX-30", 34),
            ("CLD", 17),
        ] {
            assert_eq!(
                text.parse::<StopSignal>().unwrap().number(),
                number,
                "{text}"
            );
        }
        assert_eq!(StopSignal::default().to_string(), "SIGTERM");
    }

    #[test]
    fn bad_signals() {
        for text in [
            "",
            "0",
            "65",
            "999",
            "-9",
            "+9",
            "9x",
            "SIG",
            "SIGFOO",
            "RTMIN+31",
            "RTMIN-1",
            "RTMIN++1",
            "RTMAX-31",
            "RTMAX+1",
            "RTMIN+",
            "SIGSIGTERM",
            " TERM",
        ] {
            assert_eq!(
                text.parse::<StopSignal>().unwrap_err().to_string(),
                format!(
                    "`{text}` is not a signal: expected a name such as SIGTERM or RTMIN+1, or a \
                     number from 1 to 64"
                ),
            );
        }
    }

    #[test]
    fn every_signal_prints_what_parses_back() {
        for number in 1..=64 {
            let signal: StopSignal = number.to_string().parse().unwrap();
            assert_eq!(signal.to_string().parse::<StopSignal>().unwrap(), signal);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(?i:(sig)?(rtmin|rtmax|hup)[+-]?[0-9]{0,4})|.*") {
            if let Ok(signal) = text.parse::<StopSignal>() {
                prop_assert!((1..=64).contains(&signal.number()));
            }
        }
    }
}
