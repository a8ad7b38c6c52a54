//! Giving the nodes of a finished tree their numbers, without a second copy of anything.

use super::store::{Dentry, Inode, Names, NodeClass};

/// Numbers the inodes in the order of a depth-first walk with sorted names, drops those that no
/// name leads to, and sorts the dentries.
pub(super) fn number(inodes: &mut Vec<Inode>, dentries: &mut [Dentry], names: &Names) {
    sort_dentries(inodes, dentries, names);
    let ranks = depth_first_ranks(inodes, dentries);
    renumber(inodes, dentries, ranks);
    sort_dentries(inodes, dentries, names);
}

/// Sorts by directory and name, and tells every directory its range.
fn sort_dentries(inodes: &mut [Inode], dentries: &mut [Dentry], names: &Names) {
    dentries.sort_unstable_by(|a, b| {
        a.parent
            .cmp(&b.parent)
            .then_with(|| names.name(a.name).cmp(names.name(b.name)))
    });
    for inode in inodes.iter_mut() {
        if inode.class() == NodeClass::Directory {
            inode.set_payload_range(0, 0);
        }
    }
    let mut start = 0u32;
    for run in dentries.chunk_by(|a, b| a.parent == b.parent) {
        // The builder's indices are `u32`.
        let count = u32::try_from(run.len()).unwrap_or(u32::MAX);
        inodes[run[0].parent as usize].set_payload_range(start, count);
        start += count;
    }
}

/// The place of each inode in a depth-first walk; [`Dentry::DEAD`] where none leads to it.
fn depth_first_ranks(inodes: &[Inode], dentries: &[Dentry]) -> Vec<u32> {
    let mut ranks = vec![Dentry::DEAD; inodes.len()];
    ranks[0] = 0;
    let mut next_rank = 1;
    let mut walk = vec![inodes[0].payload_range()];
    while let Some(range) = walk.last_mut() {
        let Some(dentry) = range.next() else {
            walk.pop();
            continue;
        };
        let node = dentries[dentry].node as usize;
        if ranks[node] != Dentry::DEAD {
            continue;
        }
        ranks[node] = next_rank;
        next_rank += 1;
        if inodes[node].class() == NodeClass::Directory {
            walk.push(inodes[node].payload_range());
        }
    }
    ranks
}

/// Moves every inode to its rank, drops those without, and rewrites all references.
fn renumber(inodes: &mut Vec<Inode>, dentries: &mut [Dentry], mut ranks: Vec<u32>) {
    for dentry in dentries.iter_mut() {
        dentry.parent = ranks[dentry.parent as usize];
        dentry.node = ranks[dentry.node as usize];
    }
    let mut reachable = 0;
    for (inode, &rank) in inodes.iter_mut().zip(&ranks) {
        if rank == Dentry::DEAD {
            continue;
        }
        reachable += 1;
        if inode.class() == NodeClass::Directory {
            inode.links_or_parent = ranks[inode.links_or_parent as usize];
        }
    }
    // The unreachable go behind, so that the ranks are a permutation.
    let mut next_rank = reachable;
    for rank in &mut ranks {
        if *rank == Dentry::DEAD {
            *rank = next_rank;
            next_rank += 1;
        }
    }
    for slot in 0..inodes.len() {
        while ranks[slot] as usize != slot {
            let to = ranks[slot] as usize;
            inodes.swap(slot, to);
            ranks.swap(slot, to);
        }
    }
    inodes.truncate(reachable as usize);
    inodes.shrink_to_fit();
}
