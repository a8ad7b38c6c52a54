//! Columns as types.

use std::str::FromStr;

use bencher_jobs::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::StoreError;

/// The name of something that is sought. One with a NUL is nothing's: PostgreSQL's texts have none.
pub(super) fn sought<'a>(what: &'static str, name: &'a str) -> Result<&'a str, StoreError> {
    if name.contains('\0') {
        return Err(StoreError::not_found(what, name));
    }
    Ok(name)
}

/// `$from, …`: so many parameters.
pub(super) fn places(from: usize, count: usize) -> String {
    let places: Vec<String> = (from..from + count)
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

/// `($from, …), …`: a table of so many rows of parameters, whose columns both databases call
/// `column1` and so on.
pub(super) fn table(from: usize, rows: usize, columns: usize) -> String {
    let rows: Vec<String> = (0..rows)
        .map(|row| format!("({})", places(from + row * columns, columns)))
        .collect();
    format!("(VALUES {})", rows.join(", "))
}

/// A text that is an identifier or a name.
pub(super) fn parsed<T>(row: &AnyRow, column: &'static str) -> Result<T, StoreError>
where
    T: FromStr,
    StoreError: From<T::Err>,
{
    Ok(row.try_get::<String, _>(column)?.parse()?)
}

pub(super) fn maybe_parsed<T>(row: &AnyRow, column: &'static str) -> Result<Option<T>, StoreError>
where
    T: FromStr,
    StoreError: From<T::Err>,
{
    let text: Option<String> = row.try_get(column)?;
    Ok(text.map(|text| text.parse()).transpose()?)
}

pub(super) fn text(row: &AnyRow, column: &'static str) -> Result<String, StoreError> {
    Ok(row.try_get(column)?)
}

pub(super) fn maybe_text(row: &AnyRow, column: &'static str) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(column)?)
}

pub(super) fn number<T: TryFrom<i64>>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|_| StoreError::Number { column, value })
}

pub(super) fn maybe_number<T: TryFrom<i64>>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let value: Option<i64> = row.try_get(column)?;
    value
        .map(|value| T::try_from(value).map_err(|_| StoreError::Number { column, value }))
        .transpose()
}

pub(super) fn truth(row: &AnyRow, column: &'static str) -> Result<bool, StoreError> {
    Ok(number::<i64>(row, column)? != 0)
}

pub(super) fn time(row: &AnyRow, column: &'static str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_milliseconds(number(row, column)?))
}

pub(super) fn maybe_time(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<Timestamp>, StoreError> {
    Ok(maybe_number(row, column)?.map(Timestamp::from_milliseconds))
}

/// Collects rows.
pub(super) fn all<T>(
    rows: &[AnyRow],
    read: impl Fn(&AnyRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted() {
        assert_eq!(places(1, 3), "$1, $2, $3");
        assert_eq!(table(2, 2, 2), "(VALUES ($2, $3), ($4, $5))");
    }
}
