//! Tests that need a process of their own: its memory and its children's are theirs alone.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// Names the test that a process was started for.
const ALONE: &str = "BENCHER_TEST_ALONE";

/// Does `body` in a process that runs nothing but the test `name`, as in `module::test`: this test
/// is started again, and calls this again there.
///
/// # Errors
/// When that process can not be started, or the test fails in it: then with what it printed.
pub fn alone(name: &str, body: impl FnOnce()) -> anyhow::Result<()> {
    if std::env::var_os(ALONE).is_some_and(|given| *given == *name) {
        body();
        return Ok(());
    }
    let program = std::env::current_exe().context("this test has no program")?;
    let output = Command::new(program)
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(ALONE, name)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Without a test of that name nothing fails.
    let is_passed = output.status.success() && text.contains("1 passed");
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(is_passed, "{name}: {text}{errors}");
    print!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_alone_is_another_process() {
        let given = std::env::var_os(ALONE);
        alone("alone::tests::what_runs_alone_is_another_process", || {
            assert!(given.is_some());
        })
        .expect("it passes there");
    }

    #[test]
    fn what_fails_there_fails_here() {
        let ended = alone("alone::tests::what_fails_there_fails_here", || {
            panic!("as it should");
        });
        let error = ended.expect_err("it fails there").to_string();
        assert!(error.contains("as it should"), "{error}");
        let unknown = alone("alone::tests::there_is_no_such_test", || {});
        unknown.expect_err("nothing has run");
    }
}
