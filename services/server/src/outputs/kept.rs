//! Where one job's results are, and its evidence.

/// The longest result that the database itself keeps, in bytes: it is then written with the change
/// of its job's state, at no cost of its own.
const MAX_INLINE: usize = 16 * 1024;

/// Where one job's results are, or its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Here: JSON.
    Inline(String),
    /// In the object of this name.
    Object(String),
}

impl Kept {
    /// Results that are short enough for the database.
    ///
    /// # Errors
    ///
    /// Gives them back when they are too long.
    pub(super) fn inline(results: String) -> Result<Self, String> {
        if results.len() <= MAX_INLINE {
            Ok(Self::Inline(results))
        } else {
            Err(results)
        }
    }

    /// As a column of the database.
    pub fn column(&self) -> &str {
        match self {
            Self::Inline(text) | Self::Object(text) => text,
        }
    }

    /// Out of a column of the database: results are a JSON list, evidence is a JSON object.
    pub fn from_column(text: String) -> Self {
        if text.starts_with(['[', '{']) {
            Self::Inline(text)
        } else {
            Self::Object(text)
        }
    }
}
