//! Hostile layers on top of each other, against a second implementation of the rules.
//!
//! The bytes decide what the layers have in them: names that lead out, whiteouts of every
//! spelling, links to anything. Both implementations must refuse the same stacks, and make the
//! same files of the others.

mod model;

use std::collections::BTreeMap;

use bencher_rootfs::limits::Limits;
use bencher_rootfs::merge::merge;
use bencher_rootfs::tree::{Kind, NodeId, Tree};

use crate::archive::{Archive, Header};
use crate::choices::Choices;
use crate::{Outcome, is_one_harmless_line};

/// One entry of a layer.
#[derive(Clone, Debug)]
struct Change {
    path: Vec<u8>,
    what: What,
    permissions: u16,
    owner: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Directory,
    File(u8),
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    Device(u8),
    Fifo,
}

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let stack = stack(&mut Choices::new(input));
    let archives: Vec<_> = stack.iter().map(|layer| archive(layer)).collect();
    let archives: Vec<_> = archives.iter().map(Vec::as_slice).collect();
    let found = merge(&archives, &Limits::default());
    match (found, model::merge(&stack)) {
        (Ok(tree), Ok(files)) => {
            assert_eq!(lines(&tree), model::lines(&files), "{stack:#?}");
            Outcome::Accepted
        }
        (Err(error), Err(_)) => {
            is_one_harmless_line(&error.to_string());
            Outcome::Refused
        }
        (Ok(tree), Err(reason)) => panic!("{reason:?}, but: {:#?}\n{stack:#?}", lines(&tree)),
        (Err(error), Ok(_)) => panic!("refused without a reason: {error}\n{stack:#?}"),
    }
}

/// Short names often meet each other; the rest is what extractors have stumbled over.
const ORDINARY: [&str; 4] = ["a", "b", "c", "d"];
const STRANGE: [&str; 20] = [
    "..",
    ".",
    "",
    ".wh.a",
    ".wh.b",
    ".wh..wh..opq",
    ".wh..wh.plnk",
    ".wh..wh.",
    ".wh.",
    ".wh..",
    ".wh...",
    ".wh..wh..opq ",
    ".wh.a.wh.b",
    "...",
    "..a",
    "\u{202e}a",
    "a\\b",
    "\n",
    "nul\0nul",
    LONG,
];
/// A name as long as names can be, and one byte more.
const LONG: &str = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\
    nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\
    nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\
    nnnnnnnnnnnnnnnn";

fn stack(choices: &mut Choices<'_>) -> Vec<Vec<Change>> {
    let mut layers = vec![Vec::new()];
    while choices.are_left() {
        let what = choices.byte();
        if what >= 250 {
            layers.push(Vec::new());
            continue;
        }
        let path = path(choices);
        let what = match what % 16 {
            0..=3 => What::Directory,
            4..=8 => What::File(choices.byte()),
            9..=12 => What::Symlink(target(choices)),
            13 => What::HardLink(self::path(choices)),
            14 => What::Device(choices.byte() % 2),
            _ => What::Fifo,
        };
        let (permissions, owner) = (choices.byte(), choices.byte());
        let change = Change {
            path,
            what,
            permissions: u16::from(permissions),
            owner: owner.into(),
        };
        if let Some(layer) = layers.last_mut() {
            layer.push(change);
        }
    }
    layers
}

/// One byte says how many components there are, and each of the next what a component is.
fn path(choices: &mut Choices<'_>) -> Vec<u8> {
    let shape = choices.byte();
    let mut path = Vec::new();
    if shape & 0b100_0000 != 0 {
        path.push(b'/');
    }
    for number in 0..=(shape & 0b11) {
        if number > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(component(choices).as_bytes());
    }
    if shape & 0b1000_0000 != 0 {
        path.push(b'/');
    }
    path
}

fn component(choices: &mut Choices<'_>) -> &'static str {
    let byte = usize::from(choices.byte());
    match byte {
        0..200 => ORDINARY[byte % ORDINARY.len()],
        _ => STRANGE[byte % STRANGE.len()],
    }
}

/// Like a path, but more often one that leads somewhere.
fn target(choices: &mut Choices<'_>) -> Vec<u8> {
    let usual = [
        "a",
        "b",
        "/",
        "..",
        "../a",
        "/b/c",
        "../../../..",
        ".",
        "a/b",
        "./c/",
        "",
        "../.wh.a",
    ];
    match usize::from(choices.byte()) {
        byte @ 0..200 => usual[byte % usual.len()].as_bytes().to_vec(),
        _ => path(choices),
    }
}

fn archive(layer: &[Change]) -> Vec<u8> {
    layer
        .iter()
        .fold(Archive::new(), |archive, change| {
            let (entry_type, link) = match &change.what {
                What::Directory => (b'5', &[][..]),
                What::File(_) => (b'0', &[][..]),
                What::Symlink(target) => (b'2', &target[..]),
                What::HardLink(target) => (b'1', &target[..]),
                What::Device(_) => (b'3', &[][..]),
                What::Fifo => (b'6', &[][..]),
            };
            let header = Header::new(entry_type, "")
                .mode(change.permissions.into())
                .owner(change.owner.into(), 0);
            // An empty record would leave the name to the header, which is empty too.
            let records: Vec<_> = [("path", &change.path[..]), ("linkpath", link)]
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect();
            let archive = if records.is_empty() {
                archive
            } else {
                archive.pax(&records)
            };
            match change.what {
                What::File(size) => archive.add_with(&header, &vec![b'x'; size.into()]),
                What::Device(minor) => archive.add(&header.device(0, minor.into())),
                _ => archive.add(&header),
            }
        })
        .end()
}

/// The merged files, a line for each path.
fn lines(tree: &Tree) -> Vec<String> {
    let mut lines = vec![format!("/ {}", attributes(tree, tree.root()))];
    let mut first_names = BTreeMap::new();
    walk(tree, tree.root(), "", &mut first_names, &mut lines);
    lines
}

fn walk(
    tree: &Tree,
    directory: NodeId,
    prefix: &str,
    first_names: &mut BTreeMap<NodeId, String>,
    lines: &mut Vec<String>,
) {
    for (name, id) in tree.children(directory) {
        let path = format!("{prefix}/{}", name.escape_ascii());
        let what = match tree.node(id).kind {
            Kind::Directory => "directory".to_owned(),
            Kind::File { size } => format!("file of {size}"),
            Kind::Symlink => format!("link to {}", tree.symlink_target(id).escape_ascii()),
            Kind::CharacterDevice { major, minor } => format!("device {major}:{minor}"),
            Kind::BlockDevice { .. } => "block device".to_owned(),
            Kind::Fifo => "fifo".to_owned(),
        };
        let mut line = format!("{path} {what} {}", attributes(tree, id));
        if tree.links(id) > 1 {
            let first = first_names.entry(id).or_insert_with(|| path.clone());
            line = format!("{line} is {first}");
        }
        lines.push(line);
        walk(tree, id, &path, first_names, lines);
    }
}

fn attributes(tree: &Tree, id: NodeId) -> String {
    let node = tree.node(id);
    format!("{:o} {}", node.permissions, node.uid)
}
