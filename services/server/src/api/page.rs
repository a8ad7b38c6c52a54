//! Lists in pages.

use bencher_server_api::Listed;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiError;
use crate::store::{MAX_PAGE, Page};

/// Which page is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// At most so many items, 200 at most.
    pub(crate) limit: Option<u32>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

impl PageQuery {
    pub(crate) fn page(self) -> Result<Page, ApiError> {
        let limit = self.limit.unwrap_or(Page::default().limit);
        if limit == 0 || limit > MAX_PAGE {
            let message = format!("`limit` is {limit}, and must be from 1 to {MAX_PAGE}");
            return Err(ApiError::invalid(message));
        }
        if let Some(after) = &self.after
            && uuid::Uuid::try_parse(after).is_err()
        {
            let message = "`after` is not the `next` of a page: begin without it";
            return Err(ApiError::invalid(message));
        }
        Ok(Page {
            limit,
            after: self.after,
        })
    }
}

/// The page that `rows` are, each with its identifier.
pub(crate) fn listed<R, T>(
    page: &Page,
    rows: Vec<R>,
    id: impl Fn(&R) -> String,
    item: impl FnMut(R) -> T,
) -> Listed<T> {
    let is_full = rows.len() >= page.limit as usize;
    Listed {
        next: rows.last().filter(|_| is_full).map(id),
        items: rows.into_iter().map(item).collect(),
    }
}
