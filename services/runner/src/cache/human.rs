//! The cache as people read it.

use bencher_runner::cache::{
    CacheItem, CacheListing, DamageReport, DiskUsage, ItemKind, PruneReport, VerifyReport,
};
use bencher_runner::units::ByteSize;

use bencher_report::text::table;

/// How many characters of a digest or a key are shown: enough to tell them apart, and to name them.
const SHOWN: usize = 12;

/// A line for each thing. `now` is in seconds since 1970.
pub(super) fn listing(listing: &CacheListing, now: u64) -> String {
    let rows = listing.items.iter().map(|item| {
        [
            item.kind.name().to_owned(),
            short(item),
            size(item.bytes),
            ago(now.saturating_sub(item.last_used_at)),
            state(item).to_owned(),
            item.names.join(", "),
        ]
    });
    let titles = ["KIND", "ID", "SIZE", "LAST USED", "STATE", "NAME"];
    let things = count(listing.items.len(), "thing");
    let total = size(listing.total_bytes);
    table(titles, &["SIZE"], rows) + &format!("\n{things}, {total}\n")
}

/// What went, and what is left.
pub(super) fn pruned(report: &PruneReport) -> String {
    let rows = report.removed.iter().map(|item| {
        [
            item.kind.name().to_owned(),
            short(item),
            size(item.bytes),
            item.names.join(", "),
        ]
    });
    let removed = if report.removed.is_empty() {
        String::new()
    } else {
        table(["REMOVED", "ID", "SIZE", "NAME"], &["SIZE"], rows) + "\n"
    };
    let things = count(report.removed.len(), "thing");
    let (freed, left) = (size(report.freed_bytes), size(report.total_bytes));
    removed + &format!("{things} removed, {freed} freed, {left} left\n")
}

/// What is damaged, and what to do about it.
pub(super) fn verification(report: &VerifyReport) -> String {
    let lines = report.damages.iter().map(|damage| {
        let removed = if damage.removed {
            "\n    removed: it is got or made again when it is needed"
        } else {
            ""
        };
        format!("{}{}{removed}\n", place(damage), damage.reason)
    });
    let mut text: String = lines.collect();
    let checked = count(report.checked, "thing");
    let hashed = size(report.hashed_bytes);
    let damages = match report.damages.len() {
        0 => "no damage".to_owned(),
        found => count(found, "damage"),
    };
    text.extend([
        checked.as_str(),
        " checked, ",
        &hashed,
        " read: ",
        &damages,
        "\n",
    ]);
    if report.damages.iter().any(|damage| !damage.removed) {
        text += "remove what is damaged with `runner cache verify --repair`, or once no runner \
                 uses it with `runner cache rm`\n";
    }
    text
}

/// A line for each kind, and the sums.
pub(super) fn usage(usage: &DiskUsage) -> String {
    let kinds = usage.kinds.iter().map(|of_kind| {
        [
            of_kind.kind.name().to_owned(),
            of_kind.count.to_string(),
            size(of_kind.bytes),
            size(of_kind.reclaimable_bytes),
        ]
    });
    let sum = |name: &str, bytes| [name.to_owned(), String::new(), size(bytes), String::new()];
    let mut rows: Vec<_> = kinds.collect();
    rows.push(sum("other", usage.other_bytes));
    rows.push(sum("total", usage.total_bytes));
    if let Some(free) = usage.available_bytes {
        rows.push(sum("free", free));
    }
    let titles = ["KIND", "COUNT", "SIZE", "RECLAIMABLE"];
    table(titles, &["COUNT", "SIZE", "RECLAIMABLE"], rows) + &format!("\n{}\n", usage.folder)
}

fn place(damage: &DamageReport) -> String {
    match (damage.kind, &damage.id) {
        (Some(kind @ (ItemKind::Kernel | ItemKind::Rootfs)), Some(id)) => {
            format!("{} {id}: ", kind.name())
        }
        // The reason names blobs and images.
        _ => String::new(),
    }
}

fn state(item: &CacheItem) -> &'static str {
    match (item.in_use, item.unneeded) {
        (true, _) => "in use",
        (_, true) => "not needed",
        _ => "",
    }
}

fn short(item: &CacheItem) -> String {
    let id = item.id.strip_prefix("sha256:").unwrap_or(&item.id);
    match item.kind {
        // The folder of a kernel has a name that says something.
        ItemKind::Kernel => id.to_owned(),
        _ => id.chars().take(SHOWN).collect(),
    }
}

fn size(bytes: u64) -> String {
    ByteSize::from_bytes(bytes).to_string()
}

fn count(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// So many seconds as people say it.
fn ago(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{ending} ago")
}

#[cfg(test)]
mod tests {
    use super::ago;

    #[test]
    fn times_are_said_in_their_largest_unit() {
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (172_799, "1 day ago"),
            (86_400 * 40, "40 days ago"),
        ] {
            assert_eq!(ago(seconds), text);
        }
    }
}
