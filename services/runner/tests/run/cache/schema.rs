//! The published schemas of what the commands print are those of the code.

use bencher_runner::cache::{CacheListing, DiskUsage, PruneReport, VerifyReport};
use bencher_runner::images::ImageReport;
use serde_json::Value;

use super::image;
use crate::support::Cache;

/// What `runner cache ls`, `prune`, `verify` and `df` print with `--json`.
#[expect(dead_code, reason = "only its schema is of interest")]
#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
enum CacheDocument {
    Listing(CacheListing),
    Pruned(PruneReport),
    Verified(VerifyReport),
    Usage(DiskUsage),
}

fn published(name: &str) -> String {
    format!(
        "{}/../../docs/{name}.schema.json",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn check(name: &str, schema: &schemars::Schema) {
    let current = serde_json::to_string_pretty(schema).unwrap() + "\n";
    let path = published(name);
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == current,
        "docs/{name}.schema.json is out of date: run UPDATE_SCHEMA=1 cargo test -p \
         bencher_runner_cli schema"
    );
}

#[test]
fn the_published_schemas_are_current() {
    check("cache", &schemars::schema_for!(CacheDocument));
    check("inspect", &schemars::schema_for!(ImageReport));
}

#[test]
fn what_is_printed_is_as_published() {
    let cache = Cache::new();
    let image = image(&[b"one"]);
    cache.add(image.path(), "a").exits(0);
    let validator = |name: &str| {
        let schema = std::fs::read(published(name)).unwrap();
        let schema: Value = serde_json::from_slice(&schema).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    };
    let of_cache = validator("cache");
    for arguments in [
        &["cache", "ls", "--json"][..],
        &["cache", "df", "--json"],
        &["cache", "verify", "--json"],
        &["cache", "prune", "--max-size", "0", "--json"],
    ] {
        let document = cache.run(arguments).exits(0).json();
        assert!(of_cache.is_valid(&document), "{arguments:?} {document:#}");
        assert!(!validator("inspect").is_valid(&document));
    }
    let inspect = ["inspect", image.path().to_str().unwrap(), "--json"];
    let document = cache.run(&inspect).exits(0).json();
    assert!(validator("inspect").is_valid(&document), "{document:#}");
}
