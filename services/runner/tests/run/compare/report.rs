//! The page.

use std::fs;

use super::{FAST, Results, SLOW, compare};

#[test]
fn a_report_is_a_page_that_a_browser_shows() {
    let results = Results::new();
    let (fast, slow) = (results.of("fast", &FAST), results.of("slow", &SLOW));
    let page = results.0.path().join("report.html");
    let arguments = ["--report", page.to_str().unwrap()];
    compare(&fast, &slow, &arguments).exits(0);
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("<!doctype html>"));
    let Some(chromium) = bencher_runner::paths::find_program("chromium") else {
        println!("skipped: no chromium on this machine");
        return;
    };
    let picture = results.0.path().join("page.png");
    let mut command = std::process::Command::new(chromium);
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=900,1200",
        ])
        .arg(format!(
            "--user-data-dir={}",
            results.0.path().join("profile").display()
        ))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let png = fs::read(&picture).unwrap();
    assert!(png.starts_with(b"\x89PNG"), "it is a picture");
    // An empty page is a few kilobytes at most.
    assert!(png.len() > 20_000, "{} bytes", png.len());
}
