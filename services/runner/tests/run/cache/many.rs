//! Many at once.

use std::process::Stdio;

use super::image;
use crate::support::Cache;

/// How many look at once; `RUNNER_TEST_MANY` says otherwise.
const MANY: usize = 100;

#[test]
fn many_that_look_at_once_see_the_same_and_leave_the_store_whole() {
    let many = std::env::var("RUNNER_TEST_MANY").map_or(MANY, |many| many.parse().unwrap());
    let cache = Cache::new();
    cache.add(image(&[b"shared", b"it"]).path(), "it").exits(0);
    let expected = cache.run(&["inspect", "--json", "it"]).exits(0).stdout;
    let looking: Vec<_> = (0..many)
        .map(|_| {
            let mut command = cache.command(&["inspect", "--json", "it"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    // Meanwhile others come and go.
    for number in 0..5 {
        let other = image(&[b"shared", &[number]]);
        cache.add(other.path(), "other").exits(0);
        cache.run(&["cache", "prune"]).exits(0);
        cache.run(&["cache", "rm", "other"]).exits(0);
    }
    for child in looking {
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert!(output.stdout == expected, "{errors}");
    }
    cache.run(&["cache", "verify"]).exits(0);
    cache.run(&["cache", "prune", "--max-size", "0"]).exits(0);
    let blobs = std::fs::read_dir(cache.path().join("store/blobs/sha256")).unwrap();
    assert_eq!(blobs.count(), 0, "nobody uses it any more");
}
