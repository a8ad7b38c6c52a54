//! Hostile text made fit for an error message.

use std::fmt::{self, Write as _};

/// The longest part of a text that an error message shows, in characters.
const MAX_CHARS: usize = 120;

/// The beginning of a text that came from an image, kept for an error message.
///
/// Image documents are hostile: a media type can be megabytes long or hold terminal escape
/// sequences. An excerpt holds at most 120 characters and prints control characters escaped,
/// between backticks.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// Keeps the beginning of `text`.
    pub fn new(text: &str) -> Self {
        let mut chars = text.char_indices();
        match chars.nth(MAX_CHARS) {
            None => Self(text.into()),
            Some((end, _)) => Self(format!("{}…", &text[..end]).into()),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')?;
        self.0
            .chars()
            .flat_map(printable)
            .try_for_each(|character| f.write_char(character))?;
        f.write_char('`')
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The character itself, or its escape where a terminal would act on it or nobody could see it.
pub(crate) fn printable(character: char) -> impl Iterator<Item = char> {
    let mark = matches!(character, '"' | '\'' | '\\').then_some(character);
    mark.into_iter()
        .chain(character.escape_debug().filter(move |_| mark.is_none()))
}

/// The most items that an error message lists.
const MAX_ITEMS: usize = 10;

/// A list from an image, shortened for an error message: `a`, `b` and 3 more.
#[derive(Clone, PartialEq, Eq)]
pub struct Listing {
    shown: Box<[Excerpt]>,
    total: usize,
}

impl Listing {
    /// Keeps the first items of `items` and counts the others.
    pub fn new<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Self {
        let mut shown = Vec::new();
        let mut total = 0;
        for item in items {
            if total < MAX_ITEMS {
                shown.push(Excerpt::new(item.as_ref()));
            }
            total += 1;
        }
        Self {
            shown: shown.into(),
            total,
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.total == 0 {
            return f.write_str("none");
        }
        for (position, item) in self.shown.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        match self.total - self.shown.len() {
            0 => Ok(()),
            hidden => write!(f, " and {hidden} more"),
        }
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped_and_cut() {
        assert_eq!(
            Excerpt::new("a\x1b[31m\nb").to_string(),
            "`a\\u{1b}[31m\\nb`"
        );
        assert_eq!(
            Excerpt::new("it's \\ \u{202e}").to_string(),
            "`it's \\ \\u{202e}`"
        );
        let long = Excerpt::new(&"é".repeat(5_000)).to_string();
        assert_eq!(long, format!("`{}…`", "é".repeat(MAX_CHARS)));
        let fits = "x".repeat(MAX_CHARS);
        assert_eq!(Excerpt::new(&fits).to_string(), format!("`{fits}`"));
    }

    #[test]
    fn lists_are_cut_and_counted() {
        assert_eq!(Listing::new::<&str>([]).to_string(), "none");
        assert_eq!(Listing::new(["a", "b"]).to_string(), "`a`, `b`");
        let many = Listing::new((0..13).map(|n| n.to_string())).to_string();
        assert_eq!(
            many,
            "`0`, `1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`, `9` and 3 more"
        );
    }
}
