//! Images with a layer that no builder would write, so it is written entry by entry.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use tar::{EntryType, Header};

use crate::images::{self, LayerWriter, Recipe, static_busybox};
use crate::workspace::Workspace;

/// An entry: its path, and where it leads or what it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    Link(&'static str, &'static str),
    File(&'static str, &'static str),
}

/// A path that climbs above the root.
pub(crate) const ESCAPING_PATHS: &[Entry] = &[
    Entry::File("harmless", "inside\n"),
    Entry::File(
        "../../../../../../../../tmp/scenario-escaped-by-path",
        "escaped\n",
    ),
];

/// Links that lead out of the root, as a folder of later entries.
pub(crate) const ESCAPING_LINKS: &[Entry] = &[
    Entry::Link("absolute", "/tmp"),
    Entry::File("absolute/scenario-escaped-by-absolute-link", "escaped\n"),
    Entry::Link("relative", "../../../../../../../../tmp"),
    Entry::File("relative/scenario-escaped-by-relative-link", "escaped\n"),
    Entry::File("/rooted", "from an absolute path\n"),
];

/// A layer made entry by entry, above one with BusyBox.
#[derive(Debug)]
pub(crate) struct HandMade {
    busybox: Vec<u8>,
    entries: &'static [Entry],
}

impl HandMade {
    /// The recipe, with this machine's BusyBox.
    pub(crate) fn new(workspace: &Workspace, entries: &'static [Entry]) -> anyhow::Result<Self> {
        let path = static_busybox(workspace)?;
        let busybox = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { busybox, entries })
    }
}

impl Recipe for HandMade {
    fn ingredients(&self) -> Vec<Vec<u8>> {
        vec![
            self.busybox.clone(),
            format!("{:?}", self.entries).into_bytes(),
        ]
    }

    fn summary(&self) -> String {
        "writing a layer entry by entry".to_owned()
    }

    fn build(&self, layout: &Path) -> anyhow::Result<()> {
        let mut lower = LayerWriter::create(layout, "busybox")?;
        lower.folder("bin", 0o755)?;
        lower.file("bin/busybox", 0o755, &self.busybox)?;
        let mut upper = LayerWriter::create(layout, "hostile")?;
        for entry in self.entries {
            let (header, contents) = entry.raw();
            upper.raw(header.as_bytes(), contents)?;
        }
        let layers = [lower.finish()?, upper.finish()?];
        images::write_layout(layout, &layers, &json!({}))
    }
}

/// Where a tar header has the target of a link (ustar, POSIX.1-1988).
const LINK_NAME: usize = 157;

impl Entry {
    /// The header, with the names as they are: the methods for names refuse what this is about.
    fn raw(&self) -> (Header, &'static [u8]) {
        let (path, kind, target, contents) = match *self {
            Self::Link(path, target) => (path, EntryType::Symlink, target, ""),
            Self::File(path, contents) => (path, EntryType::Regular, "", contents),
        };
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(images::TIMESTAMP);
        header.set_size(contents.len() as u64);
        let bytes = header.as_mut_bytes();
        bytes[..path.len()].copy_from_slice(path.as_bytes());
        bytes[LINK_NAME..LINK_NAME + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        (header, contents.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_are() {
        for entry in ESCAPING_PATHS.iter().chain(ESCAPING_LINKS) {
            let (header, contents) = entry.raw();
            let name = header.path_bytes().into_owned();
            let target = header.link_name_bytes().map(std::borrow::Cow::into_owned);
            match *entry {
                Entry::Link(path, to) => {
                    assert_eq!(name, path.as_bytes());
                    assert_eq!(target.as_deref(), Some(to.as_bytes()));
                }
                Entry::File(path, text) => {
                    assert_eq!(name, path.as_bytes());
                    assert_eq!(contents, text.as_bytes());
                }
            }
        }
    }

    #[test]
    fn the_layout_is_complete() {
        let layout = tempfile::tempdir().expect("a folder");
        let recipe = HandMade {
            busybox: b"not really".to_vec(),
            entries: ESCAPING_PATHS,
        };
        recipe.build(layout.path()).expect("it can be written");
        assert!(layout.path().join("index.json").exists());
    }
}
