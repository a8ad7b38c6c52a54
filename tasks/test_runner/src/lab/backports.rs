//! Newer packages than the machine's release has, unpacked into a private folder.
//!
//! Where they come from follows from the machine's own sources: the same addresses, the suite
//! `CODENAME-backports`. apt works in folders of its own, so nothing of the machine changes, and no
//! root is needed. Only what the machine's installed packages lack is downloaded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::console;
use crate::images::{Distribution, Source, remove_if_there};
use crate::process::{capture, command};

/// Unpacks `package` of the backports of `distribution`, and what it needs beyond the installed
/// packages, into the new folder `target`.
///
/// # Errors
///
/// When the sources have no backports or something can not be fetched.
pub(crate) fn unpack(
    distribution: &Distribution,
    package: &str,
    target: &Path,
) -> anyhow::Result<()> {
    let suite = format!("{}-backports", distribution.codename);
    let backports: Vec<Source> = distribution
        .sources
        .iter()
        .filter_map(|source| derived(source, &distribution.codename, &suite))
        .collect();
    if backports.is_empty() {
        bail!(
            "no apt source of {} can have backports",
            distribution.codename
        );
    }
    console::note(&format!(
        "unpacking {package} of {suite} into a private folder"
    ));
    let work = target.with_extension("work");
    remove_if_there(&work)?;
    let apt = Apt::new(&work, distribution.sources.iter().chain(&backports))?;
    // Otherwise apt would only warn of what it can not reach, and know no backports later.
    capture(
        apt.get()
            .args(["-o", "APT::Update::Error-Mode=any", "update"]),
    )
    .with_context(|| format!("cannot fetch the lists of {suite}"))?;
    capture(apt.get().args([
        "install",
        "--download-only",
        "--yes",
        "--no-install-recommends",
        "--target-release",
        &suite,
        package,
    ]))
    .with_context(|| format!("cannot fetch {package} of {suite}"))?;
    let unpacked = work.join("root");
    for archive in apt.archives()? {
        capture(
            command("dpkg-deb")
                .arg("--extract")
                .arg(&archive)
                .arg(&unpacked),
        )?;
    }
    fs::rename(&unpacked, target).with_context(|| format!("cannot make {}", target.display()))?;
    remove_if_there(&work)
}

/// apt with sources, lists and archives of its own.
#[derive(Debug)]
struct Apt {
    work: PathBuf,
}

impl Apt {
    fn new<'a>(work: &Path, sources: impl Iterator<Item = &'a Source>) -> anyhow::Result<Self> {
        for folder in ["sources", "lists/partial", "cache/archives/partial"] {
            let path = work.join(folder);
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        for (number, source) in sources.enumerate() {
            let path = work
                .join("sources")
                .join(format!("{number}.{}", source.extension()));
            fs::write(&path, source.text())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self {
            work: work.to_owned(),
        })
    }

    fn get(&self) -> Command {
        let mut apt = command("apt-get");
        apt.env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        for (option, value) in [
            ("Dir::Etc::SourceList", Path::new("/dev/null").to_owned()),
            ("Dir::Etc::SourceParts", self.work.join("sources")),
            ("Dir::State::lists", self.work.join("lists")),
            ("Dir::Cache", self.work.join("cache")),
        ] {
            apt.arg("-o").arg(format!("{option}={}", value.display()));
        }
        // As root apt would switch to a user who may not write here; and the machine's own lock
        // does not guard these folders.
        apt.args(["-o", "APT::Sandbox::User=root"])
            .args(["-o", "Debug::NoLocking=1", "--quiet"]);
        apt
    }

    fn archives(&self) -> anyhow::Result<Vec<PathBuf>> {
        let folder = self.work.join("cache/archives");
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let mut archives = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                archives.push(path);
            }
        }
        archives.sort();
        Ok(archives)
    }
}

/// The entries of `source` that lead to the release itself, leading to `suite` instead.
fn derived(source: &Source, codename: &str, suite: &str) -> Option<Source> {
    match source {
        Source::Lines(text) => {
            let lines: String = text
                .lines()
                .filter_map(|line| derived_line(line, codename, suite))
                .collect();
            (!lines.is_empty()).then_some(Source::Lines(lines))
        }
        Source::Stanzas(text) => {
            let stanzas: String = text
                .split("\n\n")
                .filter_map(|stanza| derived_stanza(stanza, codename, suite))
                .collect();
            (!stanzas.is_empty()).then_some(Source::Stanzas(stanzas))
        }
    }
}

/// `deb [OPTIONS] URI SUITE COMPONENT…` (sources.list(5)).
fn derived_line(line: &str, codename: &str, suite: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("deb ")?.trim_start();
    let options = match rest.strip_prefix('[') {
        Some(inside) => &rest[..=inside.find(']')? + 1],
        None => "",
    };
    let mut words = rest[options.len()..].split_ascii_whitespace();
    let (uri, found) = (words.next()?, words.next()?);
    if found != codename {
        return None;
    }
    let mut line = String::from("deb ");
    if !options.is_empty() {
        line.push_str(options);
        line.push(' ');
    }
    line.push_str(uri);
    line.push(' ');
    line.push_str(suite);
    for component in words {
        line.push(' ');
        line.push_str(component);
    }
    line.push('\n');
    Some(line)
}

/// A stanza with a field `Suites` (sources.list(5), deb822-style).
fn derived_stanza(stanza: &str, codename: &str, suite: &str) -> Option<String> {
    let mut leads_there = false;
    let mut text = String::new();
    for line in stanza.lines().filter(|line| !line.trim().is_empty()) {
        match line.strip_prefix("Suites:") {
            Some(suites) => {
                leads_there = suites.split_ascii_whitespace().any(|word| word == codename);
                text.push_str("Suites: ");
                text.push_str(suite);
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text.push('\n');
    leads_there.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_of_the_release_lead_to_its_backports() {
        let source = Source::Stanzas(
            "Types: deb\nURIs: http://a/debian\nSuites: bookworm bookworm-updates\n\
             Components: main\nSigned-By: /k\n\n\
             Types: deb\nURIs: http://a/security\nSuites: bookworm-security\nComponents: main\n"
                .to_owned(),
        );
        assert_eq!(
            derived(&source, "bookworm", "bookworm-backports"),
            Some(Source::Stanzas(
                "Types: deb\nURIs: http://a/debian\nSuites: bookworm-backports\n\
                 Components: main\nSigned-By: /k\n\n"
                    .to_owned()
            ))
        );
        assert_eq!(derived(&source, "trixie", "trixie-backports"), None);
    }

    #[test]
    fn lines_of_the_release_lead_to_its_backports() {
        let source = Source::Lines(
            "deb [signed-by=/k arch=amd64] http://a/debian bookworm main contrib\n\
             deb http://a/debian bookworm-updates main\n\
             deb-src http://a/debian bookworm main\n\
             deb http://b/debian   bookworm main\n"
                .to_owned(),
        );
        assert_eq!(
            derived(&source, "bookworm", "bookworm-backports"),
            Some(Source::Lines(
                "deb [signed-by=/k arch=amd64] http://a/debian bookworm-backports main contrib\n\
                 deb http://b/debian bookworm-backports main\n"
                    .to_owned()
            ))
        );
    }
}
