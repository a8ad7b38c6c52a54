//! Outcomes in the XML that continuous integration systems read: a suite for each backend, as
//! `JUnit` and its descendants have it (<https://llg.cubic.org/docs/junit/>).

use std::fmt::Write as _;

use super::backend::Backend;
use super::outcome::{Finished, Outcome};
use super::report;

/// The document.
pub(crate) fn render(finished: &[Finished]) -> String {
    let mut backends: Vec<Backend> = finished.iter().map(|one| one.backend).collect();
    backends.sort_unstable();
    backends.dedup();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for backend in backends {
        let group = || finished.iter().filter(move |one| one.backend == backend);
        let counts = report::counts(group());
        let seconds: f64 = group().map(|one| one.took.as_secs_f64()).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" \
             time=\"{seconds:.3}\">",
            backend.name(),
            group().count(),
            counts.failed,
            counts.skipped
        );
        for one in group() {
            case(&mut xml, one);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, one: &Finished) {
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
        one.backend.name(),
        one.name,
        one.took.as_secs_f64()
    );
    match &one.outcome {
        Outcome::Passed => xml.push_str("/>\n"),
        Outcome::Skipped(reason) => {
            let _ = writeln!(
                xml,
                ">\n      <skipped message=\"{}\"/>\n    </testcase>",
                escaped(reason)
            );
        }
        Outcome::Failed(reason) => {
            let _ = writeln!(
                xml,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escaped(reason.lines().next().unwrap_or_default()),
                escaped(&one.details().join("\n"))
            );
        }
    }
}

/// `text` inside of XML. What XML 1.0 can not hold at all becomes a replacement character.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_xml_reader_finds_every_outcome() {
        let xml = render(&report::tests::samples());
        let document = roxmltree::Document::parse(&xml).expect("it is XML");
        let named = |name: &'static str| {
            document
                .descendants()
                .filter(move |node| node.has_tag_name(name))
        };
        let suites: Vec<_> = named("testsuite")
            .map(|suite| (suite.attribute("name"), suite.attribute("tests")))
            .collect();
        assert_eq!(
            suites,
            [(Some("qemu-tcg"), Some("3")), (Some("host"), Some("1"))]
        );
        assert_eq!(named("testcase").count(), 4);
        assert_eq!(named("skipped").count(), 2);
        let failure = named("failure").next().expect("one failed");
        let text = failure.text().expect("it says why");
        assert!(
            text.starts_with("stdout: expected \"<\\n\", got \"\u{fffd}\""),
            "{text}"
        );
        assert!(text.ends_with("$ runner run"), "{text}");
    }
}
