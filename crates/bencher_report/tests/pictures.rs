//! The report that docs/reports.md shows: a page made of a comparison of real runs, and pictures of it.
//!
//! `UPDATE_PICTURES=1 cargo test -p bencher_report --test pictures` makes both anew; the pictures take a
//! Chromium.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bencher_report::{Comparison, html};

/// Pictures are part of the repository, so they are small.
const MOST_BYTES: usize = 150_000;

/// A part of the page as a browser shows it.
struct Picture {
    file: &'static str,
    /// In pixels; Chromium's windows are 500 wide at least.
    size: (u32, u32),
    /// How much of the page is above it, in pixels.
    above: u32,
    dark: bool,
}

const PICTURES: [Picture; 3] = [
    Picture {
        file: "report.png",
        size: (900, 920),
        above: 0,
        dark: false,
    },
    Picture {
        file: "report-dark.png",
        size: (900, 600),
        above: 935,
        dark: true,
    },
    Picture {
        file: "report-narrow.png",
        size: (500, 930),
        above: 0,
        dark: false,
    },
];

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn is_updating() -> bool {
    std::env::var_os("UPDATE_PICTURES").is_some()
}

fn page() -> String {
    let path = docs().join("pictures/comparison.json");
    let document = fs::read(&path).expect("the comparison is there");
    let comparison: Comparison = serde_json::from_slice(&document).expect("it is one");
    html(&comparison)
}

#[test]
fn the_page_is_the_one_that_is_made_now() {
    let path = docs().join("pictures/report.html");
    let now = page();
    if is_updating() {
        fs::write(&path, &now).expect("it can be written");
        for picture in PICTURES {
            picture.take(&path);
        }
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        now == published,
        "{} is not what is made of comparison.json now; UPDATE_PICTURES=1 makes it and its pictures anew",
        path.display()
    );
}

#[test]
fn the_pictures_are_small_and_shown() {
    if is_updating() {
        return;
    }
    let text = fs::read_to_string(docs().join("reports.md")).expect("it is there");
    for Picture { file, size, .. } in PICTURES {
        let picture = fs::read(docs().join("pictures").join(file)).expect("it is there");
        assert!(
            picture.len() <= MOST_BYTES,
            "{file}: {} bytes",
            picture.len()
        );
        // The signature, then the first chunk with the size.
        assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "{file}");
        let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().expect("four"));
        assert_eq!((number(16), number(20)), size, "{file}");
        assert!(
            text.contains(&format!("](pictures/{file})")),
            "{file} is not shown"
        );
    }
}

impl Picture {
    /// Has Chromium take it of the page.
    fn take(&self, page: &Path) {
        let page = page.canonicalize().expect("it is there");
        let folder = tempfile::tempdir().expect("a folder");
        let (width, height) = self.size;
        // A frame that is moved up shows what is further below.
        let frame = folder.path().join("frame.html");
        let shown = format!(
            "<!doctype html><body style=\"margin:0;overflow:hidden\"><iframe style=\"border:0;width:{width}px;\
             height:8000px;margin-top:-{}px\" src=\"file://{}\"></iframe>",
            self.above,
            page.display()
        );
        fs::write(&frame, shown).expect("it can be written");
        let output = Command::new("chromium")
            .args([
                "--headless=new",
                // It shows nothing but this page; as root it has no sandbox.
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .arg(format!(
                "--blink-settings=preferredColorScheme={}",
                u8::from(!self.dark)
            ))
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .arg(format!("--window-size={width},{height}"))
            .arg(format!(
                "--screenshot={}",
                page.with_file_name(self.file).display()
            ))
            .arg(format!("file://{}", frame.display()))
            .output()
            .expect("there is a chromium");
        assert!(output.status.success(), "{output:?}");
    }
}
