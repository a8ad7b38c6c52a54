//! Text of a guest's choice, made fit to be shown.

use crate::printable::is_printable;

pub(crate) use crate::printable::one_line;

/// A path in one line; bytes that are not UTF-8 are replaced.
pub(crate) fn path(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|character| {
            if is_printable(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect()
}

/// An error with its causes, the outermost first. A cause that an error quotes itself is not said
/// twice.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_reaches_the_terminal_that_could_steer_it() {
        assert_eq!(super::one_line("a\x1b[2J\nb\u{9b}c "), "a [2J b c");
        assert_eq!(super::path(b"/a\x1b\xff"), "/a\u{fffd}\u{fffd}");
        assert_eq!(super::one_line(&"x".repeat(5000)).len(), 1000);
    }
}
