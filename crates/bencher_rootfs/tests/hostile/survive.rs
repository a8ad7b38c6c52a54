//! All the ways that layers can go, with something to lose around them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use bencher_rootfs::limits::Limits;
use bencher_rootfs::merge::merge;
use bencher_rootfs::tree::{Kind, NodeId, Tree};
use bencher_rootfs::{BuildOptions, NoProgress, build, extract};

use crate::archive::Archive;
use crate::layers::{MemoryLayer, sources};
use crate::snapshot;

const MIB: u64 = 1 << 20;

/// What layers amount to: a line for each path, or the error with its causes.
pub(crate) type Outcome = Result<Vec<String>, String>;

/// Takes layers all the ways they can go. The ways must agree, and nothing else may change.
#[track_caller]
pub(crate) fn survive(layers: Vec<Archive>) -> Outcome {
    survive_within(layers, &Limits::default())
}

/// The same with limits of one's own.
#[track_caller]
pub(crate) fn survive_within(layers: Vec<Archive>, limits: &Limits) -> Outcome {
    let layers = layers.into_iter().map(Archive::end).collect();
    survive_bytes(layers, limits)
}

/// The same of layers that need not be whole archives.
#[track_caller]
pub(crate) fn survive_bytes(layers: Vec<Vec<u8>>, limits: &Limits) -> Outcome {
    let layers: Vec<_> = layers
        .into_iter()
        .map(|bytes| MemoryLayer::new("layer", bytes))
        .collect();
    let bytes: Vec<_> = layers.iter().map(|layer| &layer.bytes[..]).collect();
    let merged = match merge(&bytes, limits) {
        Ok(tree) => Ok(lines(&tree)),
        Err(error) => Err(chain(&error)),
    };
    // What the ways add to the reason is where it was noticed.
    let same = |other: &Result<(), String>| match (&merged, other) {
        (Ok(_), Ok(())) => true,
        (Err(merged), Err(other)) => other.ends_with(merged.as_str()),
        _ => false,
    };
    let image = image(&layers, limits);
    assert!(same(&image), "{merged:?}, but as an image {image:?}");
    let files = files(&layers, limits, merged.as_deref().unwrap_or_default());
    assert!(same(&files), "{merged:?}, but as files {files:?}");
    merged
}

/// Layers that are refused by every way, with this in the reason.
#[track_caller]
pub(crate) fn refused(layers: Vec<Archive>, reason: &str) {
    let outcome = survive(layers);
    let message = outcome.expect_err("it is refused");
    assert!(message.contains(reason), "{message}");
    assert!(!message.contains(char::is_control), "{message:?}");
}

/// Layers that are taken by every way and amount to this.
#[track_caller]
pub(crate) fn amounts_to(layers: Vec<Archive>, expected: &[&str]) {
    assert_eq!(survive(layers).unwrap(), expected);
}

fn options(limits: &Limits) -> BuildOptions {
    BuildOptions {
        limits: *limits,
        ..BuildOptions::new(64 * MIB)
    }
}

fn image(layers: &[MemoryLayer], limits: &Limits) -> Result<(), String> {
    let image = tempfile::NamedTempFile::new().unwrap();
    build(
        &sources(layers),
        image.as_file(),
        &options(limits),
        &NoProgress,
    )
    .map_err(|error| chain(&error))?;
    check(image.path());
    Ok(())
}

/// `e2fsck` finds no flaw.
pub(crate) fn check(image: &Path) {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new("e2fsck")
        .args(["-f", "-n"])
        .arg(image)
        .env("PATH", path)
        .output()
        .expect("e2fsck runs (Debian: e2fsprogs)");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !text.contains("? no"), "{text}");
}

/// Extracts into a folder beside others, which must not change.
fn files(layers: &[MemoryLayer], limits: &Limits, expected: &[String]) -> Result<(), String> {
    let surroundings = surroundings();
    let before = snapshot::take(surroundings.path());
    let target = surroundings.path().join("run/target");
    let extracted = extract(&sources(layers), &target, &options(limits), &NoProgress);
    // Beyond what a system call takes nothing can be listed by its path.
    let is_listed = expected.iter().all(|line| line.len() < 3000);
    let found = match &extracted {
        Ok(report) if is_listed => Ok(Some(found(&report.rootfs))),
        Ok(_) => Ok(None),
        Err(error) => Err(chain(error)),
    };
    let _ = bencher_rootfs::remove_extracted(&target);
    let mut after = snapshot::take(surroundings.path());
    // Something was made in there and removed again.
    let time = before[&b"run"[..]].modified;
    after.get_mut(&b"run"[..]).unwrap().modified = time;
    snapshot::assert_same(&after, &before);
    let Some(found) = found? else {
        return Ok(());
    };
    let is_root = rustix::process::geteuid().is_root();
    let kept: Vec<_> = expected
        .iter()
        // Only root can make devices.
        .filter(|line| is_root || !line.contains(" device "))
        .collect();
    let found: Vec<_> = found.iter().collect();
    assert_eq!(found, kept, "the files are not what the layers amount to");
    Ok(())
}

/// What a layer that gets out would find: a system's folders, and the runner's own.
fn surroundings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["etc", "run/other/rootfs", "tmp", "a", "d"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    for name in [
        "etc/passwd",
        "run/other/rootfs/file",
        "run/x",
        "a/x",
        "x",
        "d/victim",
    ] {
        fs::write(path(name), name).unwrap();
    }
    symlink("etc", path("link")).unwrap();
    folder
}

/// The error with its causes, as it is shown.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn lines(tree: &Tree) -> Vec<String> {
    let mut first_names: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut lines = Vec::new();
    // Not by recursion: trees may be deep.
    let mut walk = vec![(String::new(), tree.children(tree.root()))];
    while let Some((prefix, children)) = walk.last_mut() {
        let Some((name, id)) = children.next() else {
            walk.pop();
            continue;
        };
        let path = format!("{prefix}/{}", name.escape_ascii());
        let line = match tree.node(id).kind {
            Kind::Directory => format!("{path}/"),
            Kind::File { size } => format!("{path} {size}"),
            Kind::Symlink => format!("{path} -> {}", tree.symlink_target(id).escape_ascii()),
            Kind::Fifo => format!("{path} fifo"),
            Kind::CharacterDevice { major, minor } => {
                format!("{path} character device {major}:{minor}")
            }
            Kind::BlockDevice { major, minor } => format!("{path} block device {major}:{minor}"),
        };
        let first = first_names.entry(id).or_insert_with(|| path.clone());
        lines.push(with_first_name(line, tree.links(id).into(), first));
        walk.push((path, tree.children(id)));
    }
    lines
}

fn with_first_name(line: String, names: u64, first: &str) -> String {
    match names {
        1 => line,
        _ => format!("{line} = {first}"),
    }
}

/// The same lines of files on disk.
fn found(root: &Path) -> Vec<String> {
    let mut lines: Vec<_> = snapshot::take(root)
        .into_iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, fields)| {
            let name = format!("/{}", path.escape_ascii());
            let device = || {
                let (major, minor) = (
                    rustix::fs::major(fields.device),
                    rustix::fs::minor(fields.device),
                );
                format!("{name} {} {major}:{minor}", fields.kind)
            };
            let line = match fields.kind {
                "directory" => format!("{name}/"),
                "file" => format!("{name} {}", fields.size),
                "symlink" => format!("{name} -> {}", fields.target.escape_ascii()),
                "fifo" => format!("{name} fifo"),
                _ => device(),
            };
            let first = format!("/{}", fields.links.1.escape_ascii());
            (path, with_first_name(line, fields.links.0, &first))
        })
        .collect();
    // By components, as a walk goes.
    lines.sort_by(|(one, _), (other, _)| {
        let parts = |path: &[u8]| -> Vec<Vec<u8>> {
            path.split(|&byte| byte == b'/')
                .map(<[u8]>::to_vec)
                .collect()
        };
        parts(one).cmp(&parts(other))
    });
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Whether this user may change what root owns: tests of devices need it.
pub(crate) fn is_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("{test}: skipped in part, as only root can make devices");
    }
    is_root
}

/// The mode of a file, for those who look at one of their own.
pub(crate) fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode()
}
