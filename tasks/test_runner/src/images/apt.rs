//! Packages and their sources, as this machine's apt knows them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::remove_if_there;
use crate::console;
use crate::prerequisites;
use crate::process::{capture, command};
use crate::workspace::Workspace;

/// The distribution of this machine and the sources that its packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// The release, e.g. `bookworm`.
    pub(crate) codename: String,
    /// The stanzas and lines of the machine's own configuration that lead to that release.
    pub(crate) sources: Vec<Source>,
}

/// Entries of one kind for a file `sources.list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// One-line entries.
    Lines(String),
    /// Stanzas (deb822).
    Stanzas(String),
}

impl Source {
    /// The text of the entries.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Lines(text) | Self::Stanzas(text) => text,
        }
    }

    /// The extension of a file that holds them.
    pub(crate) fn extension(&self) -> &'static str {
        match self {
            Self::Lines(_) => "list",
            Self::Stanzas(_) => "sources",
        }
    }
}

impl Distribution {
    /// Reads the machine's configuration.
    ///
    /// # Errors
    ///
    /// When this is no Debian-like system or apt knows no source of its release.
    pub(crate) fn here() -> anyhow::Result<Self> {
        let release = fs::read_to_string("/etc/os-release")
            .context("cannot read /etc/os-release, which names the distribution")?;
        let id = field(&release, "ID").unwrap_or_default();
        let codename = field(&release, "VERSION_CODENAME").with_context(|| {
            format!("this system ({id}) names no release codename: Debian packages are needed")
        })?;
        let mut addresses = addresses(&id, &codename)?;
        if addresses.is_empty() {
            refresh()?;
            addresses = self::addresses(&id, &codename)?;
        }
        let sources = configured("/etc/apt", &addresses)?;
        if sources.is_empty() {
            bail!("apt knows no source of {id} {codename}: add one below /etc/apt/sources.list.d");
        }
        Ok(Self { codename, sources })
    }
}

/// Downloads `package` and unpacks it, without installing it.
///
/// # Errors
///
/// When apt does not know the package or can not fetch it.
pub(crate) fn unpack(workspace: &Workspace, package: &str) -> anyhow::Result<PathBuf> {
    let folder = workspace.folder("packages")?;
    let root = folder.join(package);
    if root.exists() {
        return Ok(root);
    }
    console::note(&format!("downloading the package {package}"));
    let download = folder.join(format!("{package}.download"));
    remove_if_there(&download)?;
    fs::create_dir_all(&download)?;
    let fetch = || {
        capture(
            command("apt-get")
                .args(["download", package])
                .current_dir(&download),
        )
    };
    if fetch().is_err() {
        refresh()?;
        fetch()?;
    }
    let archive = fs::read_dir(&download)?
        .next()
        .with_context(|| format!("apt-get downloaded nothing for {package}"))??
        .path();
    let unpacked = download.join("root");
    capture(
        command("dpkg-deb")
            .arg("--extract")
            .arg(&archive)
            .arg(&unpacked),
    )?;
    fs::rename(&unpacked, &root).with_context(|| format!("cannot make {}", root.display()))?;
    remove_if_there(&download)?;
    Ok(root)
}

/// Fetches the package lists, which a fresh machine does not have.
///
/// # Errors
///
/// When this user may not, or apt-get fails.
pub(crate) fn refresh() -> anyhow::Result<()> {
    if !prerequisites::is_root() {
        bail!("apt has no package lists yet: fetch them with\n  sudo apt-get update");
    }
    console::note("fetching the package lists (apt-get update)");
    prerequisites::update_package_lists()
}

/// A value of a file like `/etc/os-release`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    })
}

/// The addresses from which apt has lists of `codename` and of its updates.
fn addresses(id: &str, codename: &str) -> anyhow::Result<Vec<String>> {
    let targets = capture(command("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN)|$(RELEASE)|$(SITE)",
        "Created-By: Packages",
    ]))?;
    Ok(matching(&String::from_utf8_lossy(&targets), id, codename))
}

fn matching(targets: &str, id: &str, codename: &str) -> Vec<String> {
    let mut addresses: Vec<String> = targets
        .lines()
        .filter_map(|line| {
            let mut parts = line.split('|');
            let (origin, release, site) = (parts.next()?, parts.next()?, parts.next()?);
            let ours = origin.eq_ignore_ascii_case(id)
                && release
                    .strip_prefix(codename)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/']));
            ours.then(|| site.trim_end_matches('/').to_owned())
        })
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// The entries below `folder` that lead to one of `addresses`.
fn configured(folder: &str, addresses: &[String]) -> anyhow::Result<Vec<Source>> {
    let mut files = vec![Path::new(folder).join("sources.list")];
    if let Ok(entries) = fs::read_dir(Path::new(folder).join("sources.list.d")) {
        for entry in entries {
            files.push(entry?.path());
        }
    }
    files.sort();
    let (mut lines, mut stanzas) = (String::new(), String::new());
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => lines.push_str(&chosen(&text, "\n", addresses)),
            Some("sources") => stanzas.push_str(&chosen(&text, "\n\n", addresses)),
            _ => {}
        }
    }
    let mut sources = Vec::new();
    if !lines.is_empty() {
        sources.push(Source::Lines(lines));
    }
    if !stanzas.is_empty() {
        sources.push(Source::Stanzas(stanzas));
    }
    Ok(sources)
}

/// The parts of `text` that mention one of `addresses` outside comments.
fn chosen(text: &str, separator: &str, addresses: &[String]) -> String {
    let mut kept = String::new();
    for part in text.split(separator) {
        let effective: Vec<&str> = part
            .lines()
            .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
            .collect();
        let effective = effective.join("\n");
        if addresses.iter().any(|address| effective.contains(address)) {
            kept.push_str(&effective);
            kept.push_str(separator);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lose_their_quotes() {
        let text = "ID=debian\nVERSION_CODENAME=\"bookworm\"\nID_LIKE=x\n";
        assert_eq!(field(text, "ID").as_deref(), Some("debian"));
        assert_eq!(field(text, "VERSION_CODENAME").as_deref(), Some("bookworm"));
        assert_eq!(field(text, "VERSION"), None);
    }

    #[test]
    fn only_the_release_itself_and_its_updates_match() {
        let targets = "Debian|bookworm|http://a/debian\n\
                       Debian|bookworm-security|http://b/debian-security/\n\
                       Debian|bookworm-updates|http://a/debian\n\
                       Debian|bookworms|http://c\n\
                       Debian|trixie|http://d\n\
                       Example|bookworm|http://e\n\
                       $(ORIGIN)|bookworm|http://f\n";
        assert_eq!(
            matching(targets, "debian", "bookworm"),
            ["http://a/debian", "http://b/debian-security"]
        );
    }

    #[test]
    fn stanzas_are_kept_whole_and_comments_dropped() {
        let text = "Types: deb\n# http://old\nURIs: http://a/debian\nSigned-By: /k\n\n\
                    Types: deb\nURIs: http://other\n";
        assert_eq!(
            chosen(text, "\n\n", &["http://a/debian".to_owned()]),
            "Types: deb\nURIs: http://a/debian\nSigned-By: /k\n\n"
        );
        assert_eq!(chosen(text, "\n\n", &["http://old".to_owned()]), "");
    }

    #[test]
    fn lines_are_kept_one_by_one() {
        let text = "deb http://a x main\n#deb http://a y main\ndeb http://b x main\n";
        assert_eq!(
            chosen(text, "\n", &["http://a".to_owned()]),
            "deb http://a x main\n"
        );
    }
}
