//! Catch2's XML (`--reporter xml`), <https://github.com/catchorg/Catch2/blob/devel/docs/benchmarks.md>.
//!
//! A result is the mean with the ends of its interval, in nanoseconds. The name of a benchmark has those
//! of its test case and sections in front.

use roxmltree::{Document, Node, ParsingOptions};

use super::harmless;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::{Bounds, LATENCY, Report, short};
use crate::units::{NANOSECONDS, number};

/// Nodes of a document: far more than a run has, far fewer than memory.
const MOST_NODES: u32 = 2_000_000;

pub(crate) fn is(text: &str) -> bool {
    text.contains("<BenchmarkResults")
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let options = ParsingOptions {
        // Entities could expand without a bound.
        allow_dtd: false,
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let document =
        Document::parse_with_options(text, options).map_err(|error| AdapterError::Xml {
            adapter: Adapter::Catch2,
            reason: harmless(&error.to_string()),
        })?;
    let mut report = Report::default();
    let results = document
        .descendants()
        .filter(|node| node.has_tag_name("BenchmarkResults"));
    for result in results {
        let name = name(result);
        if let Some(failed) = result.children().find(|node| node.has_tag_name("failed")) {
            return Err(AdapterError::Failed {
                benchmark: short(&name),
                reason: short(failed.attribute("message").unwrap_or("")),
            });
        }
        let mean = result.children().find(|node| node.has_tag_name("mean"));
        let attribute = |name| mean.and_then(|mean| mean.attribute(name)).unwrap_or("");
        let numbers = ["value", "lowerBound", "upperBound"]
            .map(|key| (attribute(key), number(attribute(key))));
        let wrong = numbers.iter().find(|(_, number)| number.is_none());
        let [(_, Some(value)), (_, Some(low)), (_, Some(high))] = numbers else {
            return Err(AdapterError::Number {
                benchmark: short(&name),
                measure: LATENCY.to_owned(),
                text: short(wrong.map_or("", |(text, _)| text)),
            });
        };
        let bounds = Some(Bounds { low, high });
        report.add_bounded(&name, LATENCY, NANOSECONDS, value, bounds)?;
    }
    Ok(report)
}

fn name(result: Node<'_, '_>) -> String {
    let mut names: Vec<&str> = result
        .ancestors()
        .filter(|node| {
            node.has_tag_name("BenchmarkResults")
                || node.has_tag_name("Section")
                || node.has_tag_name("TestCase")
        })
        .filter_map(|node| node.attribute("name"))
        .collect();
    names.reverse();
    names.join("/")
}
