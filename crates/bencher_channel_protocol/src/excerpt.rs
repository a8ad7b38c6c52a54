//! Hostile text made fit for an error message.

use std::fmt::{self, Write as _};

/// The longest part of a text that an error message shows, in characters.
const MAX_CHARS: usize = 120;

/// The beginning of a text that came from the other side, kept for an error message: at most 120
/// characters, control characters escaped, between backticks.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// Keeps the beginning of `text`.
    pub fn new(text: &str) -> Self {
        match text.char_indices().nth(MAX_CHARS) {
            None => Self(text.into()),
            Some((end, _)) => Self(format!("{}…", &text[..end]).into()),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\'' | '\\') {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_debug())?;
            }
        }
        f.write_char('`')
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
