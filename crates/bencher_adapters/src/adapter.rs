//! The formats, and which one an output is of.

use std::fmt;
use std::str::FromStr;

use crate::error::AdapterError;
use crate::formats;
use crate::report::Report;

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Adapter {
    /// Bencher Metric Format, JSON.
    Bencher,
    /// What Criterion.rs prints, and its files `estimates.json` and `sample.json`.
    Criterion,
    /// What `cargo bench` prints with the benchmarks of the compiler's own library.
    Libtest,
    /// What Divan prints.
    Divan,
    /// What Gungraun prints, which was called iai-callgrind before.
    Gungraun,
    /// What `go test -bench` prints.
    Go,
    /// Google Benchmark's JSON.
    GoogleBenchmark,
    /// pytest-benchmark's JSON.
    PytestBenchmark,
    /// hyperfine's JSON.
    Hyperfine,
    /// JMH's JSON.
    Jmh,
    /// Catch2's XML.
    Catch2,
    /// Lines of a name, a value and a unit.
    Lines,
}

/// A name that is no adapter's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no adapter; there are {}", Adapter::names())]
pub struct UnknownAdapter {
    /// Its beginning.
    pub name: String,
}

/// The most of an output that is read, in bytes.
pub const LARGEST_INPUT: usize = 64 << 20;

impl Adapter {
    /// All formats.
    pub const ALL: [Self; 12] = [
        Self::Bencher,
        Self::Criterion,
        Self::Libtest,
        Self::Divan,
        Self::Gungraun,
        Self::Go,
        Self::GoogleBenchmark,
        Self::PytestBenchmark,
        Self::Hyperfine,
        Self::Jmh,
        Self::Catch2,
        Self::Lines,
    ];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bencher => "bencher",
            Self::Criterion => "criterion",
            Self::Libtest => "libtest",
            Self::Divan => "divan",
            Self::Gungraun => "gungraun",
            Self::Go => "go",
            Self::GoogleBenchmark => "google-benchmark",
            Self::PytestBenchmark => "pytest-benchmark",
            Self::Hyperfine => "hyperfine",
            Self::Jmh => "jmh",
            Self::Catch2 => "catch2",
            Self::Lines => "lines",
        }
    }

    /// All names, as a list to read.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Reads an output of this format. `path` is where it is from, if it is a file: Criterion's files
    /// say with it which benchmark they are of.
    ///
    /// # Errors
    ///
    /// When the output is too large, not of the format or has no result, when a number is not finite or
    /// a measure has several units, and when the harness says that a benchmark failed.
    pub fn parse(self, output: &[u8], path: Option<&str>) -> Result<Report, AdapterError> {
        let text = text(output)?;
        let report = match self {
            Self::Bencher => formats::bencher::parse(text),
            Self::Criterion => formats::criterion::parse(text, path),
            Self::Libtest => formats::libtest::parse(text),
            Self::Divan => formats::divan::parse(text),
            Self::Gungraun => formats::gungraun::parse(text),
            Self::Go => formats::go::parse(text),
            Self::GoogleBenchmark => formats::google_benchmark::parse(text),
            Self::PytestBenchmark => formats::pytest_benchmark::parse(text),
            Self::Hyperfine => formats::hyperfine::parse(text),
            Self::Jmh => formats::jmh::parse(text),
            Self::Catch2 => formats::catch2::parse(text),
            Self::Lines => formats::lines::parse(text),
        }?;
        if report.is_empty() {
            return Err(AdapterError::Nothing { adapter: self });
        }
        Ok(report)
    }

    /// The format of an output, by marks that no other one has.
    ///
    /// # Errors
    ///
    /// When the output is too large, no text or of no known format.
    pub fn detect(output: &[u8]) -> Result<Self, AdapterError> {
        let text = text(output)?;
        formats::detect(text).ok_or(AdapterError::Unknown)
    }
}

/// Reads an output of the format that it is found to be of.
///
/// # Errors
///
/// Those of [`Adapter::detect`] and of [`Adapter::parse`].
pub fn parse_any(output: &[u8], path: Option<&str>) -> Result<(Adapter, Report), AdapterError> {
    let adapter = Adapter::detect(output)?;
    Ok((adapter, adapter.parse(output, path)?))
}

fn text(output: &[u8]) -> Result<&str, AdapterError> {
    if output.len() > LARGEST_INPUT {
        return Err(AdapterError::TooLarge {
            bytes: output.len(),
            most: LARGEST_INPUT,
        });
    }
    str::from_utf8(output).map_err(|error| AdapterError::NotText {
        at: error.valid_up_to(),
    })
}

impl fmt::Display for Adapter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Adapter {
    type Err = UnknownAdapter;

    fn from_str(name: &str) -> Result<Self, UnknownAdapter> {
        let found = Self::ALL.into_iter().find(|adapter| adapter.name() == name);
        found.ok_or_else(|| UnknownAdapter {
            name: crate::report::short(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own() {
        for adapter in Adapter::ALL {
            assert_eq!(adapter.name().parse(), Ok(adapter));
        }
        let error = "crit\x1bterion".parse::<Adapter>().expect_err("no adapter");
        assert!(
            error
                .to_string()
                .starts_with("\"crit\\u{1b}terion\" is no adapter; there are bencher,")
        );
    }

    #[test]
    fn what_is_no_text_or_too_large_is_refused() {
        let error = Adapter::Lines
            .parse(b"a 1 ns\n\xff", None)
            .expect_err("no text");
        assert_eq!(error, AdapterError::NotText { at: 7 });
        let large = vec![b'\n'; LARGEST_INPUT + 1];
        assert!(matches!(
            Adapter::detect(&large),
            Err(AdapterError::TooLarge { .. })
        ));
    }

    #[test]
    fn an_output_without_results_is_told_as_such() {
        for adapter in Adapter::ALL {
            let error = adapter.parse(b"\n", None).expect_err("nothing");
            let message = error.to_string();
            assert!(message.contains(adapter.name()), "{message}");
        }
        assert_eq!(
            Adapter::detect(b"hello\nworld\n"),
            Err(AdapterError::Unknown)
        );
    }
}
