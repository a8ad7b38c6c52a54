//! Names that people give.

use super::ApiError;

/// The longest slug, in characters.
const MAX_SLUG: usize = 64;
/// The longest name, in bytes.
const MAX_NAME: usize = 255;

/// Whether this is a slug.
///
/// # Errors
///
/// When it is not.
pub(crate) fn slug(text: &str) -> Result<(), ApiError> {
    let is_group = |group: &str| {
        !group.is_empty()
            && group
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    // What looks like an identifier would hide the thing that has it.
    let is_uuid = uuid::Uuid::try_parse(text).is_ok();
    if text.len() <= MAX_SLUG && text.split('-').all(is_group) && !is_uuid {
        return Ok(());
    }
    Err(ApiError::invalid(
        "a slug is lower-case letters and digits in groups joined by single hyphens, 64 \
         characters at most, and no UUID",
    ))
}

/// Whether this is a name for people.
///
/// # Errors
///
/// When it is empty, too long, or holds control characters.
pub(crate) fn name(text: &str) -> Result<(), ApiError> {
    let is_fine =
        !text.trim().is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control);
    if is_fine {
        return Ok(());
    }
    Err(ApiError::invalid(
        "a name has 1 to 255 bytes, and no control characters",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for fine in ["a", "a-b", "0", "intel-i9-2"] {
            assert!(slug(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "",
            "-",
            "a-",
            "a--b",
            "A",
            "a b",
            "ä",
            "../a",
            "'; DROP TABLE jobs; --",
            "<b>",
            "0190aaaa-0000-7000-8000-000000000000",
            "0190aaaa000070008000000000000000",
            &"a".repeat(65),
        ] {
            assert!(slug(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names() {
        for fine in ["a", "<b>Ä</b> '; --", &"a".repeat(255)] {
            assert!(name(fine).is_ok(), "{fine}");
        }
        for wrong in ["", " ", "a\0", "a\nb", "\u{1b}[1m", &"a".repeat(256)] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
