//! Which characters of a guest's or a stranger's choice may reach a terminal.

/// Neither a control character, which could steer a terminal, nor one that is invisible or
/// reorders what is around it (Unicode's line separators, zero-width and bidirectional
/// formatting characters), which could forge what a line says.
pub fn is_printable(character: char) -> bool {
    let deceives = matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    );
    !character.is_control() && !deceives
}

/// The most characters of a guest's text that are shown.
const LONGEST: usize = 1000;

/// `text` in one line without control characters.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| {
            if is_printable(character) {
                character
            } else {
                ' '
            }
        })
        .take(LONGEST)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::is_printable;

    #[test]
    fn text_is_printable_and_tricks_are_not() {
        assert!("héllo → 世界 🦀".chars().all(is_printable));
        for trick in [
            '\x1b', '\n', '\u{9b}', '\u{202e}', '\u{2066}', '\u{2028}', '\u{200b}',
        ] {
            assert!(!is_printable(trick), "{trick:?}");
        }
    }
}
