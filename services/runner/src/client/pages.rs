//! Lists that come in pages.

use bencher_server_api::Listed;
use serde::de::DeserializeOwned;

use super::{ClientError, Connection, encoded};

/// The most that the server gives at once.
const PAGE: u32 = 200;

/// As many items of the list at `path` as are asked for, page by page: those that fit each part of `filter`
/// that has a value.
pub(crate) fn listed<T: DeserializeOwned>(
    connection: &Connection,
    path: &str,
    filter: &[(&str, &Option<String>)],
    most: u32,
) -> Result<Vec<T>, ClientError> {
    let filter: String = filter
        .iter()
        .filter_map(|(name, value)| Some(format!("&{name}={}", encoded(value.as_deref()?))))
        .collect();
    let mut items: Vec<T> = Vec::new();
    let mut after = String::new();
    loop {
        let left = most as usize - items.len();
        if left == 0 {
            return Ok(items);
        }
        let limit = left.min(PAGE as usize);
        let page: Listed<T> = connection.get(&format!("{path}?limit={limit}{filter}{after}"))?;
        let is_empty = page.items.is_empty();
        items.extend(page.items.into_iter().take(limit));
        match page.next {
            // A server that says that there is more after nothing would say so for ever.
            Some(next) if !is_empty => after = format!("&after={}", encoded(&next)),
            _ => return Ok(items),
        }
    }
}
