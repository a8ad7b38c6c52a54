//! The published schema of the result document is that of the code.

use bencher_runner::result::{Iteration, ResultDocument};

/// Where the schema is published.
pub(crate) const PUBLISHED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/result.schema.json");

#[test]
fn the_published_schema_is_current() {
    let schema = schemars::schema_for!(ResultDocument<Vec<Iteration>>);
    let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(PUBLISHED, &current).unwrap();
    }
    let published = std::fs::read_to_string(PUBLISHED).unwrap();
    assert!(
        published == current,
        "docs/result.schema.json is out of date: run UPDATE_SCHEMA=1 cargo test -p \
         bencher_runner_cli schema"
    );
}
