//! What can be wrong with a harness's output.

use crate::adapter::Adapter;

/// Why an output has no metrics. Names and numbers of the output are quoted, so a message is one line
/// that does not control the terminal.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AdapterError {
    /// More than an output may have.
    #[error("the output has {bytes} bytes, more than the {most} that are read; write less of it")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many are read.
        most: usize,
    },
    /// More than is kept.
    #[error("the output has more than {most} {what}; split it")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is kept.
        most: usize,
    },
    /// Not UTF-8.
    #[error("the output is no text: byte {at} is not UTF-8; give the harness's own output")]
    NotText {
        /// The place of the first wrong byte, from 0.
        at: usize,
    },
    /// Not a document of the format.
    #[error(
        "the output is no {adapter} document: {reason}; NaN and infinities are no JSON numbers, and \
         nothing but the document may be in it"
    )]
    Json {
        /// The format.
        adapter: Adapter,
        /// What was expected, and where.
        reason: String,
    },
    /// Not a document of the format.
    #[error("the output is no {adapter} document: {reason}")]
    Xml {
        /// The format.
        adapter: Adapter,
        /// What was expected.
        reason: String,
    },
    /// A line that says something else.
    #[error(
        "line {line} is no `name value unit`: {text:?}; leave it out or choose another adapter"
    )]
    Line {
        /// From 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// No benchmark at all.
    #[error(
        "there is no {adapter} result in the output; choose the adapter of the harness, or let it print \
         its results"
    )]
    Nothing {
        /// The format.
        adapter: Adapter,
    },
    /// No format is recognised.
    #[error(
        "the output is of no known format; choose one with its adapter: {}",
        Adapter::names()
    )]
    Unknown,
    /// Not a finite number.
    #[error("{measure:?} of {benchmark:?} is {text:?}, which is no finite number; run it again")]
    Number {
        /// The benchmark.
        benchmark: String,
        /// The measure.
        measure: String,
        /// What is there instead.
        text: String,
    },
    /// A value or a unit that may be read in several ways.
    #[error("{text:?} of {benchmark:?} may be {meanings}")]
    Ambiguous {
        /// The benchmark.
        benchmark: String,
        /// What is there.
        text: String,
        /// What it may be, and what to write instead.
        meanings: &'static str,
    },
    /// Not a unit of the format.
    #[error("{measure:?} of {benchmark:?} is in {unit:?}, which is no unit of {adapter}")]
    Unit {
        /// The format.
        adapter: Adapter,
        /// The benchmark.
        benchmark: String,
        /// The measure.
        measure: String,
        /// The unit.
        unit: String,
    },
    /// Values that can not be compared with each other.
    #[error(
        "{measure:?} of {benchmark:?} is in {first:?} and in {second:?}; give each unit a measure or a \
         name of its own"
    )]
    MixedUnits {
        /// The benchmark.
        benchmark: String,
        /// The measure.
        measure: String,
        /// The unit of the first value.
        first: String,
        /// The unit of another one.
        second: String,
    },
    /// The harness says that a benchmark failed.
    #[error("the benchmark {benchmark:?} failed: {reason:?}; its numbers would mean nothing")]
    Failed {
        /// The benchmark.
        benchmark: String,
        /// The reason that the harness gives.
        reason: String,
    },
    /// A file without the name of its benchmark.
    #[error(
        "a {adapter} file does not say which benchmark it is of; give its path, which ends with \
         `NAME/new/{file}`"
    )]
    NoName {
        /// The format.
        adapter: Adapter,
        /// The file's own name.
        file: &'static str,
    },
}
