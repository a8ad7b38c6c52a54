//! Whether a guest's memory can be of huge pages.

use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";

pub(super) const CHECK: Check = Check {
    name: "huge-pages",
    why: "a guest of huge pages (--hugepages) misses the address caches less, and the same way in each \
          run",
    examine,
};

fn examine(host: &Host) -> Outcome {
    let count = |name: &str| host.files.parsed::<u64>(format!("{POOL}/{name}"));
    let (Some(all), Some(free)) = (count("nr_hugepages"), count("free_hugepages")) else {
        return Outcome::limited("this kernel has none of 2 MiB");
    };
    let free = free.saturating_sub(count("resv_hugepages").unwrap_or(0));
    if free > 0 {
        return Outcome::pass(format!("{free} of {all} pages of 2 MiB are free"));
    }
    // What a guest of the default size needs.
    Outcome::warn(
        format!("none of {all} pages of 2 MiB is free"),
        format!("sysctl vm.nr_hugepages={}", all + 256),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn reserved_pages_are_not_free() {
        let file = |name: &str| format!("{}/{name}", &POOL[1..]);
        let host = FakeHost::new(
            "0",
            &[
                (&file("nr_hugepages"), "10\n"),
                (&file("free_hugepages"), "8\n"),
                (&file("resv_hugepages"), "3\n"),
            ],
        );
        assert_eq!(
            examine(&host.host),
            Outcome::pass("5 of 10 pages of 2 MiB are free")
        );
        host.put(&file("resv_hugepages"), "8\n");
        assert_eq!(
            examine(&host.host).fix.as_deref(),
            Some("sysctl vm.nr_hugepages=266")
        );
    }
}
