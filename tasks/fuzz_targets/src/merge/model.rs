//! The rules of layers once more, as simply as they can be written.
//!
//! Nodes own their children; every step walks from the root. Sources: OCI image specification,
//! "Image Layer Filesystem Changeset", and what `bencher_rootfs::merge` documents where that is
//! silent.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::{Change, What};

/// Why a stack of layers is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    EmptyPath,
    Nul,
    LeadsOut,
    NameTooLong,
    BadWhiteout,
    BadTarget,
    RootIsADirectory,
    Loop,
    NoLinkTarget,
    LinkToDirectory,
}

/// Permissions and owner.
type Attributes = (u16, u32);

type Name = Vec<u8>;

#[derive(Debug)]
pub(super) enum Node {
    Directory(Attributes, BTreeMap<Name, Node>),
    /// Names of one file share it.
    Other(Rc<(What, Attributes)>),
}

/// What an entry's path means.
enum Meaning {
    Entry(Vec<Name>),
    Whiteout(Vec<Name>),
    Opaque(Vec<Name>),
    Nothing,
}

pub(super) fn merge(stack: &[Vec<Change>]) -> Result<Node, Refusal> {
    let mut root = Node::Directory((0o755, 0), BTreeMap::new());
    for layer in stack {
        let mut entries = Vec::new();
        let mut whiteouts = Vec::new();
        for change in layer {
            match meaning(&change.path)? {
                Meaning::Entry(path) => entries.push((path, change, link_target(change)?)),
                Meaning::Nothing => {}
                whiteout => whiteouts.push(whiteout),
            }
        }
        for whiteout in whiteouts {
            root.hide(whiteout)?;
        }
        for (path, change, target) in entries {
            root.put(&path, change, target.as_deref())?;
        }
    }
    Ok(root)
}

fn normal(path: &[u8]) -> Result<Vec<Name>, Refusal> {
    if path.is_empty() {
        return Err(Refusal::EmptyPath);
    }
    if path.contains(&0) {
        return Err(Refusal::Nul);
    }
    let mut names = Vec::new();
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => _ = names.pop().ok_or(Refusal::LeadsOut)?,
            name if name.len() > 255 => return Err(Refusal::NameTooLong),
            name => names.push(name.to_vec()),
        }
    }
    Ok(names)
}

fn meaning(path: &[u8]) -> Result<Meaning, Refusal> {
    let mut names = normal(path)?;
    let Some(last) = names.pop() else {
        return Ok(Meaning::Entry(names));
    };
    if last == b".wh..wh..opq" {
        return Ok(Meaning::Opaque(names));
    }
    let starts_with = |start: &[u8]| names.iter().any(|name| name.starts_with(start));
    if starts_with(b".wh..wh.") || last.starts_with(b".wh..wh.") {
        return Ok(Meaning::Nothing);
    }
    if starts_with(b".wh.") {
        return Err(Refusal::BadWhiteout);
    }
    match last.strip_prefix(b".wh.") {
        Some(b"" | b"." | b"..") => Err(Refusal::BadWhiteout),
        Some(hidden) => {
            names.push(hidden.to_vec());
            Ok(Meaning::Whiteout(names))
        }
        None => {
            names.push(last);
            Ok(Meaning::Entry(names))
        }
    }
}

/// The path that a hard link shares the file of, after a look at symbolic links' targets.
fn link_target(change: &Change) -> Result<Option<Vec<Name>>, Refusal> {
    match &change.what {
        What::Symlink(target) if target.is_empty() || target.contains(&0) => {
            Err(Refusal::BadTarget)
        }
        What::HardLink(target) => normal(target).map(Some),
        _ => Ok(None),
    }
}

impl Node {
    fn find(&mut self, path: &[Name]) -> Option<&mut Node> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        match self {
            Self::Directory(_, children) => children.get_mut(first)?.find(rest),
            Self::Other(_) => None,
        }
    }

    fn children(&mut self, path: &[Name]) -> Option<&mut BTreeMap<Name, Node>> {
        match self.find(path)? {
            Self::Directory(_, children) => Some(children),
            Self::Other(_) => None,
        }
    }

    /// The path without symbolic links of the directory that `path` leads to, which is made if
    /// need be or else is not there.
    fn resolve(&mut self, path: &[Name], make: bool) -> Result<Option<Vec<Name>>, Refusal> {
        let mut here: Vec<Name> = Vec::new();
        let mut todo: VecDeque<Name> = path.iter().cloned().collect();
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    here.pop();
                    continue;
                }
                _ => {}
            }
            here.push(name);
            let target = match self.find(&here) {
                Some(Self::Directory(..)) => continue,
                Some(Self::Other(other)) => match &other.0 {
                    What::Symlink(target) => Some(target.clone()),
                    _ => None,
                },
                None => None,
            };
            if let Some(target) = target {
                links += 1;
                if links > 40 {
                    return Err(Refusal::Loop);
                }
                here.pop();
                if target.starts_with(b"/") {
                    here.clear();
                }
                for name in target.split(|&byte| byte == b'/').rev() {
                    todo.push_front(name.to_vec());
                }
            } else if make {
                self.insert(&here, Self::Directory((0o755, 0), BTreeMap::new()))?;
            } else {
                return Ok(None);
            }
        }
        Ok(Some(here))
    }

    /// Puts a node at a path whose directory is there.
    fn insert(&mut self, path: &[Name], node: Node) -> Result<(), Refusal> {
        let Some((name, directory)) = path.split_last() else {
            return Err(Refusal::RootIsADirectory);
        };
        if name.len() > 255 {
            return Err(Refusal::NameTooLong);
        }
        if let Some(children) = self.children(directory) {
            children.insert(name.clone(), node);
        }
        Ok(())
    }

    fn hide(&mut self, whiteout: Meaning) -> Result<(), Refusal> {
        match whiteout {
            Meaning::Opaque(directory) => {
                if let Some(directory) = self.resolve(&directory, false)?
                    && let Some(children) = self.children(&directory)
                {
                    children.clear();
                }
            }
            Meaning::Whiteout(path) => {
                if let Some((name, directory)) = path.split_last()
                    && let Some(directory) = self.resolve(directory, false)?
                    && let Some(children) = self.children(&directory)
                {
                    children.remove(name);
                }
            }
            Meaning::Entry(_) | Meaning::Nothing => {}
        }
        Ok(())
    }

    fn put(
        &mut self,
        path: &[Name],
        change: &Change,
        target: Option<&[Name]>,
    ) -> Result<(), Refusal> {
        let attributes = (change.permissions, change.owner);
        // A file whose name ends with a slash is what old archives have for a directory.
        let old_directory = matches!(change.what, What::File(_)) && change.path.ends_with(b"/");
        let is_directory = change.what == What::Directory || old_directory;
        let Some((name, directory)) = path.split_last() else {
            return match self {
                Self::Directory(known, _) if is_directory => {
                    *known = attributes;
                    Ok(())
                }
                _ => Err(Refusal::RootIsADirectory),
            };
        };
        let mut place = self.resolve(directory, true)?.unwrap_or_default();
        place.push(name.clone());
        if let Some(target) = target {
            let file = self.file_at(target)?;
            return self.insert(&place, Self::Other(file));
        }
        if is_directory {
            if let Some(Self::Directory(known, _)) = self.find(&place) {
                *known = attributes;
                return Ok(());
            }
            return self.insert(&place, Self::Directory(attributes, BTreeMap::new()));
        }
        let attributes = match change.what {
            What::Symlink(_) => (0o777, change.owner),
            _ => attributes,
        };
        let other = Rc::new((change.what.clone(), attributes));
        self.insert(&place, Self::Other(other))
    }

    fn file_at(&mut self, path: &[Name]) -> Result<Rc<(What, Attributes)>, Refusal> {
        let Some((name, directory)) = path.split_last() else {
            return Err(Refusal::LinkToDirectory);
        };
        let directory = self.resolve(directory, false)?;
        let mut path = directory.ok_or(Refusal::NoLinkTarget)?;
        path.push(name.clone());
        match self.find(&path) {
            Some(Self::Other(file)) => Ok(Rc::clone(file)),
            Some(Self::Directory(..)) => Err(Refusal::LinkToDirectory),
            None => Err(Refusal::NoLinkTarget),
        }
    }
}

/// The files, a line for each path.
pub(super) fn lines(root: &Node) -> Vec<String> {
    let mut lines = Vec::new();
    let mut first_names = Vec::new();
    describe(root, "", &mut first_names, &mut lines);
    lines
}

type FirstName = (Rc<(What, Attributes)>, String);

fn describe(node: &Node, path: &str, first_names: &mut Vec<FirstName>, lines: &mut Vec<String>) {
    match node {
        Node::Directory((permissions, owner), children) => {
            lines.push(match path {
                "" => format!("/ {permissions:o} {owner}"),
                path => format!("{path} directory {permissions:o} {owner}"),
            });
            for (name, child) in children {
                let path = format!("{path}/{}", name.escape_ascii());
                describe(child, &path, first_names, lines);
            }
        }
        Node::Other(file) => {
            let (what, (permissions, owner)) = &**file;
            let what = match what {
                What::File(size) => format!("file of {size}"),
                What::Symlink(target) => format!("link to {}", target.escape_ascii()),
                What::Device(minor) => format!("device 0:{minor}"),
                What::Fifo => "fifo".to_owned(),
                What::Directory | What::HardLink(_) => "never a node of its own".to_owned(),
            };
            let mut line = format!("{path} {what} {permissions:o} {owner}");
            let first = first_names
                .iter()
                .find(|(known, _)| Rc::ptr_eq(known, file));
            let first = first.map(|(_, name)| name.clone());
            if first.is_none() {
                first_names.push((Rc::clone(file), path.to_owned()));
            }
            // One is the list's own.
            if Rc::strong_count(file) > 2 {
                line = format!("{line} is {}", first.as_deref().unwrap_or(path));
            }
            lines.push(line);
        }
    }
}
