//! The document of the API is the code's.

use std::path::Path;
use std::process::Command;

#[test]
fn the_document_in_the_repository_is_the_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let output = Command::new(env!("CARGO_BIN_EXE_bencher-server"))
        .arg("openapi")
        .output()
        .unwrap();
    let document = String::from_utf8(output.stdout).unwrap();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == document,
        "docs/openapi.json is not what the code says: \
         run `UPDATE_SCHEMA=1 cargo test -p bencher_server openapi`"
    );
}
