//! Lists in pages.

/// The most items of a page.
pub const MAX_PAGE: u32 = 200;
/// The greatest identifier, which is nothing's. It is one itself, since databases have orders of their
/// own for other characters.
const BEFORE_ALL: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// Which part of a list is asked for. Lists begin with what is newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most so many items.
    pub limit: u32,
    /// What comes after this item.
    pub after: Option<String>,
}

impl Page {
    pub(super) fn limit(&self) -> i64 {
        self.limit.clamp(1, MAX_PAGE).into()
    }

    /// The identifier that those of the page are less than.
    pub(super) fn below(&self) -> &str {
        self.after.as_deref().unwrap_or(BEFORE_ALL)
    }
}

impl Default for Page {
    fn default() -> Self {
        Self {
            limit: 50,
            after: None,
        }
    }
}
