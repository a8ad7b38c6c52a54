//! A comparison as one HTML file: no script, no network, works from disk and on paper.

mod figures;
mod forest;
mod frame;
mod manifest;
mod scale;

use crate::comparison::{Comparison, MetricComparison, Verdict};
use crate::text::{Row, capitalized, escape, gate, method, side};

/// The style of the page.
const STYLE: &str = include_str!("style.css");

/// The comparison as a page. Everything that came from an image, a file or a user is escaped.
pub fn html(comparison: &Comparison) -> String {
    let title = format!(
        "{} compared with {}",
        comparison.candidate.label, comparison.baseline.label
    );
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&title)
    );
    page += &head(comparison);
    page += &answers(comparison);
    page += &forest::section(comparison);
    page += "<section>\n<h2>What was measured</h2>\n";
    page += LEGEND;
    for metric in &comparison.metrics {
        page += &figures::article(metric);
    }
    page += "</section>\n";
    page += &manifest::machines(comparison);
    page += &manifest::reproduce(comparison);
    page += &format!(
        "</main>\n<footer>{} {}, layout {} of the comparison document</footer>\n</body>\n</html>\n",
        escape(&comparison.runner.name),
        escape(&comparison.runner.version),
        comparison.version
    );
    page
}

/// What the marks of the figures mean, in the marks themselves.
const LEGEND: &str = "<p class=\"legend\">\
<svg width=\"14\" height=\"14\" aria-hidden=\"true\"><circle class=\"a\" cx=\"7\" cy=\"7\" r=\"4\"/></svg> A \
<svg width=\"14\" height=\"14\" aria-hidden=\"true\"><rect class=\"b\" x=\"3\" y=\"3\" width=\"8\" height=\"8\"/></svg> B \
<svg width=\"16\" height=\"16\" aria-hidden=\"true\"><circle class=\"suspect\" cx=\"8\" cy=\"8\" r=\"7\"/></svg> suspect: \
the host was not quiet \
<svg width=\"14\" height=\"14\" aria-hidden=\"true\"><path class=\"outlier\" d=\"M3 3L11 11M11 3L3 11\"/></svg> far \
from the others. Boxes hold the middle half, the line in them is the median, the dashed line the \
mean.</p>\n";

fn head(comparison: &Comparison) -> String {
    let mut text = String::from("<header>\n<h1>B compared with A</h1>\n<dl class=\"sides\">\n");
    for (letter, side_) in [("A", &comparison.baseline), ("B", &comparison.candidate)] {
        text += &format!("<dt>{letter}</dt><dd>{}</dd>\n", escape(&side(side_)));
    }
    text += "</dl>\n";
    if let Some(first) = comparison.metrics.first() {
        let row = Row::of(first);
        let shown = if first.answer.is_some() {
            format!(
                "{}: {} <small>{} {}</small>",
                escape(&row.metric),
                escape(&row.change),
                escape(&row.interval),
                escape(&row.verdict)
            )
        } else {
            format!("{}: {}", escape(&row.metric), escape(&row.verdict))
        };
        text += &format!("<p class=\"answer {}\">{shown}</p>\n", class(first));
    }
    if let Some(found) = &comparison.gate {
        let class = match (found.passed(), found.blind.is_empty()) {
            (false, _) => "worse",
            (true, true) => "better",
            (true, false) => "unsure",
        };
        text += &format!("<p class=\"{class}\">{}</p>\n", escape(&gate(found)));
    }
    if !comparison.warnings.is_empty() {
        text += "<ul class=\"warnings\">\n";
        for warning in &comparison.warnings {
            text += &format!("<li>{}</li>\n", escape(warning));
        }
        text += "</ul>\n";
    }
    text += "</header>\n";
    text
}

fn answers(comparison: &Comparison) -> String {
    const TITLES: [&str; 5] = ["A", "B", "Change", "p", "Verdict"];
    let mut text = String::from(
        "<section>\n<h2>Answers</h2>\n<div class=\"wide\">\n<table class=\"answers\">\n<thead><tr><th \
         scope=\"col\">Metric</th>",
    );
    for title in TITLES {
        text += &format!("<th scope=\"col\">{title}</th>");
    }
    text += "</tr></thead>\n<tbody>\n";
    for metric in &comparison.metrics {
        let row = Row::of(metric);
        let cells = [
            ("number", row.baseline.clone()),
            ("number", row.candidate.clone()),
            (
                "number",
                format!("{} {}", row.change, row.interval).trim().to_owned(),
            ),
            ("number", row.p_value.clone()),
            (class(metric), row.whole_verdict()),
        ];
        text += &format!("<tr><th scope=\"row\">{}</th>", escape(&row.metric));
        for (title, (class, cell)) in TITLES.into_iter().zip(cells) {
            text += &format!(
                "<td class=\"{class}\" data-title=\"{title}\"><span>{}</span></td>",
                escape(&cell)
            );
        }
        text += "</tr>\n";
    }
    text += &format!(
        "</tbody>\n</table>\n</div>\n<p class=\"note\">{}.</p>\n</section>\n",
        escape(&capitalized(&method(comparison)))
    );
    text
}

/// The class of a verdict, which gives it its colour. The word is there too.
fn class(metric: &MetricComparison) -> &'static str {
    match metric.answer.map(|answer| answer.verdict) {
        Some(Verdict::Faster) => "better",
        Some(Verdict::Slower) => "worse",
        Some(Verdict::NoDifferenceSeen) => "same",
        Some(Verdict::TooNoisy) | None => "unsure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::tests::{input, options};
    use crate::text::tests::everything;

    #[test]
    fn nothing_of_a_label_becomes_markup() {
        let mut comparison = everything();
        comparison.candidate.label = "<script>alert(1)</script>\"'&".to_owned();
        comparison
            .candidate
            .setup
            .as_mut()
            .expect("it ran")
            .image
            .reference = "<img src=x>".to_owned();
        comparison.warnings.push("</style><b>".to_owned());
        let page = html(&comparison);
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
    }

    #[test]
    fn it_is_one_file_that_asks_for_nothing() {
        let page = html(&everything());
        for word in [
            "http://", "https://", "src=", "href=", "url(", "@import", "<script",
        ] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    /// Elements are closed in the order in which they were opened: what stands between the page's head
    /// and its end is XML.
    #[test]
    fn it_is_well_formed() {
        let page = html(&everything());
        let (_, body) = page.split_once("<body>").expect("there is one");
        let body = format!("<body>{}", body.trim_end().trim_end_matches("</html>"));
        let document = roxmltree::Document::parse(&body).expect("it is well-formed");
        let figures = document
            .descendants()
            .filter(|node| node.has_tag_name("figure"));
        assert_eq!(
            figures.count(),
            1 + 2 * 3,
            "a forest, and two of each metric with values"
        );
        for figure in document
            .descendants()
            .filter(|node| node.has_tag_name("figure"))
        {
            let svg = figure.children().find(|node| node.has_tag_name("svg"));
            let svg = svg.expect("it is a picture");
            assert_eq!(svg.attribute("role"), Some("img"));
            let has_title = svg.children().any(|node| node.has_tag_name("title"));
            assert!(
                has_title,
                "what it shows is told to those who do not see it"
            );
        }
    }

    #[test]
    fn suspect_and_outlying_iterations_are_marked() {
        let mut comparison = everything();
        let count = |page: &str, class: &str| page.matches(&format!("class=\"{class}\"")).count();
        let before = html(&comparison);
        comparison.metrics[0].baseline.points[0].suspect = Some("a neighbour".to_owned());
        comparison.metrics[0].baseline.points[1].outlier = true;
        let after = html(&comparison);
        // In the distribution and in the timeline.
        assert_eq!(count(&after, "suspect") - count(&before, "suspect"), 2);
        assert_eq!(count(&after, "outlier") - count(&before, "outlier"), 2);
        assert!(after.contains("a neighbour"));
    }

    #[test]
    fn dependence_on_time_is_told_below_the_course() {
        let rising: Vec<u64> = (0..9).map(|place| 1000 + 10 * place).collect();
        let noisy = [1003, 1010, 1021, 1029, 1044, 1050, 1057, 1074, 1078];
        let sides = [input("old", &rising), input("new", &noisy)];
        let page =
            |options| html(&crate::compare(&sides[0], &sides[1], options).expect("it is one"));
        let apart = crate::comparison::Options {
            interleaved: None,
            ..options(0)
        };
        let rises = "Depends on time: A rises (rank correlation +1.00, p &lt; 0.0001); B rises";
        let (apart, in_turns) = (page(&apart), page(&options(9)));
        assert!(apart.contains(rises) && apart.contains("The interval does not hold that."));
        assert!(in_turns.contains(rises) && in_turns.contains("took turns and share it"));
        assert!(!html(&everything()).contains("Depends on time"));
    }

    #[test]
    fn numbers_without_a_meaning_are_in_no_picture() {
        let exact = [input("old", &[5; 3]), input("new", &[5; 3])];
        let found = crate::compare(&exact[0], &exact[1], &options(3)).expect("it is one");
        let page = html(&found);
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{page}");
        let page = html(&everything());
        assert!(!page.contains("NaN") && !page.contains("inf\""));
    }
}
