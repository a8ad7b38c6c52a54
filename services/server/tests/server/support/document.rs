//! The commands of the documentation, as they are written there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::LazyLock;

use crate::client::RUNNER;

/// A block of a document: what is typed, and what is shown then.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub(crate) commands: Vec<String>,
    pub(crate) shown: String,
}

/// The blocks of the section `heading`.
pub(crate) fn typed(document: &str, heading: &str) -> Vec<Typed> {
    let (_, section) = document.split_once(heading).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let blocks = section.split("```console\n").skip(1);
    blocks
        .map(|block| {
            let (block, _) = block.split_once("```").expect("its end");
            let mut typed = Typed::default();
            for line in block.replace("\\\n", "").lines() {
                let command = line.strip_prefix("# ").or_else(|| line.strip_prefix("$ "));
                match command {
                    Some(command) => typed.commands.push(command.to_owned()),
                    None => typed.shown.extend([line, "\n"]),
                }
            }
            typed
        })
        .collect()
}

/// `text` with what is of this machine in the place of the document's.
#[track_caller]
pub(crate) fn instead(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in: {text}");
        text.replace(from, to)
    })
}

/// A shell in `folder` that finds `runner`, `bencher-server`, and what is in `programs`.
pub(crate) fn shell(folder: &Path, programs: Option<&Path>, commands: &str) -> Command {
    LazyLock::force(&RUNNER);
    let own = [Path::new(env!("CARGO_BIN_EXE_bencher-server")), &RUNNER];
    let own = own.map(|program| program.parent().expect("a folder").to_owned());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = own
        .into_iter()
        .chain(programs.map(Path::to_owned))
        .chain(std::env::split_paths(&path))
        .collect();
    let path: OsString = std::env::join_paths(path).unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c", commands])
        .current_dir(folder)
        .env("PATH", path);
    shell
}

/// What was typed, and has not ended by itself. It is killed with this value.
#[derive(Debug)]
pub(crate) struct Typing(pub(crate) Child);

impl Drop for Typing {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}
