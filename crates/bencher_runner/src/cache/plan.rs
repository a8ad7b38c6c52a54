//! What goes next when the cache is pruned: a pure decision.

use std::collections::BTreeMap;

use super::CacheItem;

/// The files of an item, each with its bytes. Files of the same name are the same file.
pub(super) type Parts = BTreeMap<String, u64>;

/// The position of the item to remove next out of `items`, which are sorted by their last use; or
/// `None` when nothing has to go, or nothing can.
///
/// What nobody needs goes in any case. After that the item that was used the longest time ago
/// goes, for as long as all of them together take more than `limit` bytes.
pub(super) fn next(items: &[CacheItem], limit: Option<u64>) -> Option<usize> {
    let unused = || items.iter().enumerate().filter(|(_, item)| !item.in_use);
    if let Some((position, _)) = unused().find(|(_, item)| item.unneeded) {
        return Some(position);
    }
    if total(items) <= limit? {
        return None;
    }
    unused().map(|(position, _)| position).next()
}

/// What the items take together.
pub(super) fn total(items: &[CacheItem]) -> u64 {
    let all: BTreeMap<_, _> = items.iter().flat_map(|item| &item.parts).collect();
    all.into_values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::ItemKind;

    /// An item with an id, parts as `name=bytes`, and marks: `u` in use, `-` unneeded.
    fn item((id, parts, marks): (&str, &str, &str)) -> CacheItem {
        let parts: Parts = parts
            .split_whitespace()
            .map(|part| part.split_once('=').unwrap())
            .map(|(name, bytes)| (name.to_owned(), bytes.parse().unwrap()))
            .collect();
        CacheItem {
            kind: ItemKind::Image,
            id: id.to_owned(),
            names: Vec::new(),
            bytes: parts.values().sum(),
            last_used_at: 0,
            in_use: marks.contains('u'),
            unneeded: marks.contains('-'),
            parts,
        }
    }

    /// What goes, in order, if everything can be removed.
    fn plan(items: &[(&str, &str, &str)], limit: Option<u64>) -> String {
        let mut items: Vec<_> = items.iter().copied().map(item).collect();
        let mut gone = String::new();
        while let Some(position) = next(&items, limit) {
            gone += &items.remove(position).id;
        }
        gone
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let three = [("a", "1=10", ""), ("b", "2=10", ""), ("c", "3=10", "")];
        for (limit, expected) in [
            (None, ""),
            (Some(30), ""),
            (Some(29), "a"),
            (Some(20), "a"),
            (Some(11), "ab"),
            (Some(0), "abc"),
        ] {
            assert_eq!(plan(&three, limit), expected, "{limit:?}");
        }
    }

    #[test]
    fn what_is_in_use_stays_and_what_nobody_needs_goes() {
        let items = [("a", "1=10", "u"), ("b", "2=10", ""), ("c", "3=10", "-")];
        assert_eq!(plan(&items, None), "c");
        assert_eq!(plan(&items, Some(15)), "cb");
        assert_eq!(plan(&items, Some(0)), "cb");
        let used = [("a", "1=10", "u-"), ("b", "2=10", "u")];
        assert_eq!(plan(&used, Some(0)), "");
    }

    #[test]
    fn what_is_shared_counts_once_and_goes_with_the_last() {
        let shared = [("a", "base=100 1=1", ""), ("b", "base=100 2=1", "")];
        assert_eq!(plan(&shared, Some(102)), "");
        assert_eq!(plan(&shared, Some(101)), "a");
        assert_eq!(plan(&shared, Some(100)), "ab");
    }
}
