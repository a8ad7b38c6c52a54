//! Text that goes into messages: bounded, whatever it is made of.

/// The most bytes of one text in a message. Names in an image may be as long as paths get.
pub(crate) const TEXT_LIMIT: usize = 4096;

/// Cuts `text` to `limit` bytes, at a character's boundary, and marks the cut.
pub(crate) fn clip(mut text: String, limit: usize) -> String {
    const MARK: &str = "...";
    if text.len() > limit {
        let mut end = limit.saturating_sub(MARK.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

/// `bytes` for people: what is no valid UTF-8 or no printable character is escaped.
pub(crate) fn display(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.extend(std::ascii::escape_default(*byte).map(char::from));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_become_one_printable_line() {
        assert_eq!(display(b"/bin/caf\xc3\xa9"), "/bin/café");
        assert_eq!(display(b"a\nb\x1b[2J\xff"), r"a\nb\u{1b}[2J\xff");
    }

    proptest! {
        #[test]
        fn a_clipped_text_fits_and_is_a_prefix(text in ".{0,80}", limit in 3_usize..60) {
            let clipped = clip(text.clone(), limit);
            prop_assert!(clipped.len() <= limit.max(text.len().min(limit)));
            if clipped == text {
                prop_assert!(text.len() <= limit);
            } else {
                prop_assert!(text.starts_with(clipped.trim_end_matches("...").trim_end_matches('.')));
            }
        }
    }
}
