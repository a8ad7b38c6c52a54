//! What all pictures have in common.

use crate::text::escape;

/// A picture of this size with a caption. `says` tells those who do not see it what it shows.
pub(super) fn figure(
    (width, height): (f64, f64),
    caption: &str,
    says: &str,
    content: &str,
) -> String {
    format!(
        "<figure>\n<figcaption>{}</figcaption>\n<svg role=\"img\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         preserveAspectRatio=\"xMinYMin meet\">\n<title>{}</title>\n{content}</svg>\n</figure>\n",
        escape(caption),
        escape(says)
    )
}

/// A straight line.
pub(super) fn line(class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> String {
    format!(
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"
    )
}

/// A word at a place; `anchor` is `start`, `middle` or `end`.
pub(super) fn word(anchor: &str, (x, y): (f64, f64), text: &str) -> String {
    format!(
        "<text text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n",
        escape(text)
    )
}
