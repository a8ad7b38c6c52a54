//! What a server says, as text for a terminal.

/// The longest text that is shown, in characters.
const LONGEST: usize = 1000;

/// The text in one line, with everything escaped that a terminal would act on.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(LONGEST) {
        if matches!(character, '"' | '\'' | '\\') {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(printable("it's \"a\" \\ b\n"), "it's \"a\" \\ b\\n");
        assert_eq!(printable("\u{1b}[2J\u{202e}"), "\\u{1b}[2J\\u{202e}");
        assert_eq!(printable(&"x".repeat(5000)).len(), LONGEST);
    }
}
