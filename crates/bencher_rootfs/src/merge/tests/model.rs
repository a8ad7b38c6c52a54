//! The merge against a simple model of it, on random stacks of layers.
//!
//! The model keeps a map from paths to nodes, and does everything by going through all of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Path = Vec<&'static str>;

/// What a random layer has in it.
#[derive(Clone, Debug)]
enum Operation {
    File(Path, usize),
    Directory(Path),
    Symlink(Path, &'static str),
    HardLink(Path, Path),
    Whiteout(Path),
    Opaque(Path),
}

#[derive(Clone, PartialEq, Debug)]
enum ModelKind {
    Directory,
    File(usize),
    Symlink(&'static str),
}

/// Several paths may have the same number: hard links.
#[derive(Default)]
struct Model {
    nodes: BTreeMap<Path, (u64, ModelKind)>,
    next: u64,
}

#[derive(PartialEq, Debug)]
enum Refusal {
    Loop,
    Target,
    LinkToDirectory,
}

impl Model {
    fn set(&mut self, path: Path, kind: ModelKind) {
        self.remove(&path);
        self.next += 1;
        self.nodes.insert(path, (self.next, kind));
    }

    fn remove(&mut self, path: &[&str]) {
        self.nodes.retain(|other, _| !other.starts_with(path));
    }

    fn empty(&mut self, path: &[&str]) {
        self.nodes
            .retain(|other, _| !other.starts_with(path) || other.len() == path.len());
    }

    /// The real path of a directory; `None` if it is not there and must not be made.
    fn resolve(
        &mut self,
        start: Path,
        path: &[&'static str],
        create: bool,
        links: &mut u32,
    ) -> Result<Option<Path>, Refusal> {
        let Some((&first, rest)) = path.split_first() else {
            return Ok(Some(start));
        };
        let mut next = start.clone();
        match first {
            "" | "." => return self.resolve(start, rest, create, links),
            ".." => {
                next.pop();
                return self.resolve(next, rest, create, links);
            }
            _ => next.push(first),
        }
        match self.nodes.get(&next).map(|(_, kind)| kind.clone()) {
            Some(ModelKind::Directory) => self.resolve(next, rest, create, links),
            Some(ModelKind::Symlink(target)) => {
                *links += 1;
                if *links > 40 {
                    return Err(Refusal::Loop);
                }
                let from = if target.starts_with('/') {
                    vec![]
                } else {
                    start
                };
                let mut path: Path = target.split('/').collect();
                path.extend_from_slice(rest);
                self.resolve(from, &path, create, links)
            }
            _ if !create => Ok(None),
            _ => {
                self.set(next.clone(), ModelKind::Directory);
                self.resolve(next, rest, create, links)
            }
        }
    }

    fn parent(&mut self, path: &[&'static str], create: bool) -> Result<Option<Path>, Refusal> {
        let (_, parents) = path.split_last().unwrap();
        let mut parent = self.resolve(vec![], parents, create, &mut 0)?;
        if let Some(parent) = &mut parent {
            parent.push(path[path.len() - 1]);
        }
        Ok(parent)
    }

    fn apply(&mut self, layer: &[Operation]) -> Result<(), Refusal> {
        for operation in layer {
            match operation {
                Operation::Whiteout(path) => {
                    if let Some(path) = self.parent(path, false)? {
                        self.remove(&path);
                    }
                }
                Operation::Opaque(path) => {
                    if let Some(path) = self.resolve(vec![], path, false, &mut 0)? {
                        self.empty(&path);
                    }
                }
                _ => {}
            }
        }
        for operation in layer {
            match operation {
                Operation::File(path, size) => {
                    let path = self.parent(path, true)?.unwrap();
                    self.set(path, ModelKind::File(*size));
                }
                Operation::Symlink(path, target) => {
                    let path = self.parent(path, true)?.unwrap();
                    self.set(path, ModelKind::Symlink(target));
                }
                Operation::Directory(path) => {
                    let path = self.parent(path, true)?.unwrap();
                    if !matches!(self.nodes.get(&path), Some((_, ModelKind::Directory))) {
                        self.set(path, ModelKind::Directory);
                    }
                }
                Operation::HardLink(path, target) => {
                    let path = self.parent(path, true)?.unwrap();
                    let target = self.parent(target, false)?.ok_or(Refusal::Target)?;
                    let node = self.nodes.get(&target).cloned().ok_or(Refusal::Target)?;
                    if node.1 == ModelKind::Directory {
                        return Err(Refusal::LinkToDirectory);
                    }
                    self.remove(&path);
                    self.nodes.insert(path, node);
                }
                Operation::Whiteout(_) | Operation::Opaque(_) => {}
            }
        }
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        // By components, not by whole paths: the order of a walk.
        self.nodes
            .iter()
            .map(|(path, (number, kind))| {
                let name = |path: &[&str]| format!("/{}", path.join("/"));
                let mut line = match kind {
                    ModelKind::Directory => format!("{}/", name(path)),
                    ModelKind::File(size) => format!("{} {size}", name(path)),
                    ModelKind::Symlink(target) => format!("{} -> {target}", name(path)),
                };
                let same: Vec<_> = self
                    .nodes
                    .iter()
                    .filter(|(_, (other, _))| other == number)
                    .collect();
                if same.len() > 1 {
                    line = format!("{line} = {}", name(same[0].0));
                }
                line
            })
            .collect()
    }
}

fn archive(layer: &[Operation]) -> Archive {
    let join = |path: &Path| path.join("/");
    layer
        .iter()
        .fold(Archive::new(), |archive, operation| match operation {
            Operation::File(path, size) => archive.file(join(path), vec![b'x'; *size]),
            Operation::Directory(path) => archive.directory(join(path)),
            Operation::Symlink(path, target) => archive.symlink(join(path), target),
            Operation::HardLink(path, target) => archive.hard_link(join(path), join(target)),
            Operation::Whiteout(path) => {
                let (last, parents) = path.split_last().unwrap();
                let mut path = parents.to_vec();
                let name = format!(".wh.{last}");
                path.push(&name);
                archive.file(path.join("/"), "")
            }
            Operation::Opaque(path) => archive.file(format!("{}/.wh..wh..opq", join(path)), ""),
        })
}

fn path() -> impl Strategy<Value = Path> {
    proptest::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
}

fn operation() -> impl Strategy<Value = Operation> {
    let target = prop::sample::select(vec![
        "a", "b", "c", "/a", "/b/c", "..", "../a", "../../b", ".", "a/b", "./c/", "/",
    ]);
    prop_oneof![
        3 => (path(), 0..9usize).prop_map(|(path, size)| Operation::File(path, size)),
        3 => path().prop_map(Operation::Directory),
        2 => (path(), target).prop_map(|(path, target)| Operation::Symlink(path, target)),
        1 => (path(), path()).prop_map(|(path, target)| Operation::HardLink(path, target)),
        1 => path().prop_map(Operation::Whiteout),
        1 => path().prop_map(Operation::Opaque),
    ]
}

fn stack() -> impl Strategy<Value = Vec<Vec<Operation>>> {
    proptest::collection::vec(proptest::collection::vec(operation(), 0..8), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn random_stacks_of_layers_merge_as_the_model_says(stack in stack()) {
        let mut model = Model::default();
        let expected = stack.iter().try_for_each(|layer| model.apply(layer));
        let found = merged(stack.iter().map(|layer| archive(layer)).collect());
        match (expected, found) {
            (Ok(()), Ok(tree)) => prop_assert_eq!(lines(&tree), model.lines()),
            (Err(expected), Err(LayersError::Merge(found))) => {
                let found = match found {
                    MergeError::SymlinkLoop(_) => Refusal::Loop,
                    MergeError::LinkTarget(..) => Refusal::Target,
                    MergeError::LinkToDirectory(..) => Refusal::LinkToDirectory,
                    other => panic!("{other}"),
                };
                prop_assert_eq!(found, expected);
            }
            (expected, found) => panic!("{expected:?} {:?}", found.map(|tree| lines(&tree))),
        }
    }
}
