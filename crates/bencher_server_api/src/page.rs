//! Lists in pages.

use serde::{Deserialize, Serialize};

/// A page of a list; what is newest comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// `after` of the next page; absent: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
