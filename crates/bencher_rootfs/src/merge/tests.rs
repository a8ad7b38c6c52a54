mod cases;
mod model;

use std::collections::BTreeMap;

use super::*;
use crate::archive::Archive;
use crate::tree::{Kind, NodeId};

/// A filesystem in a form that is easy to compare: a line per path. Nodes with several names show
/// the first of them.
fn lines(tree: &Tree) -> Vec<String> {
    fn walk(
        tree: &Tree,
        directory: NodeId,
        prefix: &str,
        first: &mut BTreeMap<NodeId, String>,
        lines: &mut Vec<String>,
    ) {
        for (name, id) in tree.children(directory) {
            let path = format!("{prefix}/{}", name.escape_ascii());
            let node = tree.node(id);
            let mut line = match node.kind {
                Kind::Directory => format!("{path}/"),
                Kind::File { size } => format!("{path} {size}"),
                Kind::Symlink => format!("{path} -> {}", tree.symlink_target(id).escape_ascii()),
                other => format!("{path} {other:?}"),
            };
            if tree.links(id) > 1 {
                let first = first.entry(id).or_insert_with(|| path.clone());
                line = format!("{line} = {first}");
            }
            lines.push(line);
            walk(tree, id, &path, first, lines);
        }
    }
    let mut lines = Vec::new();
    walk(tree, tree.root(), "", &mut BTreeMap::new(), &mut lines);
    lines
}

fn merged(layers: Vec<Archive>) -> Result<Tree, LayersError> {
    let layers: Vec<_> = layers.into_iter().map(Archive::end).collect();
    let layers: Vec<_> = layers.iter().map(Vec::as_slice).collect();
    merge(&layers, &Limits::default())
}
