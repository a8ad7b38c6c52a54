//! What a server says, as text for a terminal.

/// The longest text that is shown, in characters.
const LONGEST: usize = 1000;

/// Whether there is more of the text than [`printable`] shows.
pub(crate) fn is_long(text: &str) -> bool {
    text.chars().nth(LONGEST).is_some()
}

/// The text in one line, with everything escaped that a terminal would act on. Of a long one the beginning and
/// the end: what came last before something went wrong counts as much as what went wrong.
pub(crate) fn printable(text: &str) -> String {
    if !is_long(text) {
        return escaped(text.chars());
    }
    let missing = text.chars().count() - LONGEST;
    let half = LONGEST / 2;
    let (head, tail) = (text.chars().take(half), text.chars().skip(half + missing));
    format!(
        "{} […{missing} characters are left out here…] {}",
        escaped(head),
        escaped(tail)
    )
}

fn escaped(characters: impl Iterator<Item = char>) -> String {
    let mut shown = String::new();
    for character in characters {
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
    }

    #[test]
    fn of_a_long_text_the_beginning_and_the_end_are_shown() {
        let long = format!("it failed: {}last words\u{1b}", "ü".repeat(5000));
        let shown = printable(&long);
        assert!(shown.starts_with("it failed: ü"), "{shown}");
        assert!(shown.ends_with("ülast words\\u{1b}"), "{shown}");
        assert!(
            shown.contains("ü […4022 characters are left out here…] ü"),
            "{shown}"
        );
        assert_eq!(shown.matches('ü').count(), LONGEST - 11 - 11);
        for (length, is_cut) in [(LONGEST, false), (LONGEST + 1, true)] {
            let text = "x".repeat(length);
            assert_eq!((is_long(&text), printable(&text) != text), (is_cut, is_cut));
        }
    }
}
