//! A comparison as text: for people, for other programs, for reviews and for CI systems.

mod csv;
mod github;
mod human;
mod junit;
mod markdown;
mod sparkline;
mod table;
mod words;

pub use csv::csv;
pub use github::{Annotations, github};
pub use human::{Look, human};
pub(crate) use junit::escape;
pub use junit::junit;
pub use markdown::markdown;
pub(crate) use sparkline::sparkline;
pub use table::table;
pub(crate) use words::{Row, capitalized, gate, method, side};
pub use words::{one_line, shell_line};

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::comparison::{Comparison, Options, Threshold, compare};
    use crate::samples::tests::{harness_metric, input, of_harness, options};
    use bencher_runner::result::{Better, Metric, MetricName};

    /// A comparison in which everything occurs, with labels that mean mischief.
    pub(crate) fn everything() -> Comparison {
        let baseline = input(
            "app:1",
            &[10_000_000, 10_100_000, 9_900_000, 10_050_000, 9_950_000],
        );
        let mut candidate = input(
            "<b>|`x`\u{202e}\n::error::@all,\"=1+1",
            &[11_000_000, 11_090_000, 10_930_000, 11_020_000, 10_970_000],
        );
        candidate.result.trust.reasons.push("emulated".to_owned());
        candidate.result.host.kernel_release = Some("6.2".to_owned());
        for (index, iteration) in (0..).zip(&mut candidate.result.iterations.0) {
            let resources = iteration.resources.as_mut().expect("there are some");
            resources.minor_faults = [50, 3000, 7, 900, 40][index];
        }
        let mut baseline = baseline;
        for (index, iteration) in (0..).zip(&mut baseline.result.iterations.0) {
            let resources = iteration.resources.as_mut().expect("there are some");
            resources.minor_faults = [2000, 33, 100, 5, 800][index];
        }
        let asked = Options {
            metrics: [
                Metric::Wall,
                Metric::Rss,
                Metric::MinorFaults,
                Metric::Cycles,
            ]
            .map(MetricName::from)
            .to_vec(),
            ..options(5)
        };
        let mut found = compare(&baseline, &candidate, &asked).expect("it is one");
        let by_wall = Options {
            metrics: Vec::new(),
            threshold: Some(Threshold(0.03)),
            ..asked
        };
        found.gate = compare(&baseline, &candidate, &by_wall)
            .expect("it is one")
            .gate;
        found
    }

    /// Names of benchmarks that mean mischief, as results have them, in every format.
    #[test]
    fn metrics_of_harnesses_are_in_every_format_and_do_no_harm() {
        let name = r#"<b>|`x`,"=1\u{1b}::error::@all"#;
        let kind = ("throughput", "MB/s", Better::Higher);
        let side = |label: &str, factor: f64| {
            let means = [100.0, 101.0, 99.5, 100.5, 99.0];
            let metrics =
                means.map(|mean| vec![harness_metric(name, kind, &[(mean * factor).round()])]);
            of_harness(label, &metrics)
        };
        let sides = [side("old", 1.0), side("new", 0.8)];
        let found = compare(&sides[0], &sides[1], &options(5)).expect("it is one");
        let look = Look {
            bars: true,
            ..plain(100)
        };
        for text in [
            human(&found, look),
            markdown(&found),
            junit(&found),
            csv(&found),
        ] {
            assert!(text.contains("slower") && text.contains("MB/s"), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
        }
        assert!(!markdown(&found).contains("<b>"));
        let xml = junit(&found);
        let document = roxmltree::Document::parse(&xml).expect("it is well-formed");
        let whole = format!("{name}/throughput");
        let mut cases = document.descendants();
        assert!(cases.any(|node| node.attribute("name") == Some(&whole)));
        let line = csv(&found);
        let line = line.lines().last().expect("there is one");
        let expected = format!("\"{}\",MB/s,old,new,5,5,", whole.replace('"', "\"\""));
        assert!(line.starts_with(&expected), "{line}");
        for line in github(&found).commands.lines() {
            assert!(line.starts_with("::"), "{line}");
            let title = line.split("::").nth(1).expect("it is a command");
            assert!(
                !title.contains("error::") && !title.contains("@all,"),
                "{line}"
            );
        }
        let page = crate::html(&found);
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;"));
    }

    fn plain(width: usize) -> Look {
        Look {
            width,
            bars: false,
            colours: false,
        }
    }

    #[test]
    fn people_see_a_table() {
        insta::assert_snapshot!(human(&everything(), plain(110)));
    }

    #[test]
    fn people_see_a_list_where_a_table_is_too_wide_with_bars_on_a_terminal() {
        let look = Look {
            bars: true,
            ..plain(48)
        };
        let text = human(&everything(), look);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(48), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn verdicts_have_colours_on_a_terminal() {
        let look = Look {
            colours: true,
            ..plain(110)
        };
        let text = human(&everything(), look);
        assert!(text.contains("\x1b[31mslower\x1b[0m"), "{text}");
        assert!(text.contains("\x1b[33mno answer\x1b[0m"), "{text}");
    }

    #[test]
    fn reviews_get_markdown() {
        insta::assert_snapshot!(markdown(&everything()));
    }

    #[test]
    fn spreadsheets_get_csv() {
        let text = csv(&everything());
        let lines: Vec<_> = text.split("\r\n").collect();
        assert_eq!(lines.len(), 6, "titles, four metrics, and nothing: {text}");
        insta::assert_snapshot!(text.replace("\r\n", "\n"));
    }

    #[test]
    fn ci_systems_get_xml_that_is_well_formed() {
        let text = junit(&everything());
        let document = roxmltree::Document::parse(&text).expect("it is well-formed");
        let count = |name: &str| {
            let nodes = document.descendants();
            nodes.filter(|node| node.has_tag_name(name)).count()
        };
        assert_eq!(
            [count("testcase"), count("failure"), count("skipped")],
            [4, 1, 1]
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn github_gets_one_command_a_line() {
        let annotations = github(&everything());
        for line in annotations.commands.lines() {
            let is_command = ["::error title=", "::warning title=", "::notice title="]
                .iter()
                .any(|head| line.starts_with(head));
            assert!(is_command, "{line}");
        }
        assert!(
            annotations
                .summary
                .ends_with(&(markdown(&everything()) + "\n"))
        );
        insta::assert_snapshot!(annotations.commands);
    }
}
