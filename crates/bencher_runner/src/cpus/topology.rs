//! What the kernel tells of the host's processors, as far as it matters for noise.
//!
//! ```text
//! <sys>/devices/system/cpu/online                              which there are
//! <sys>/devices/system/cpu/cpuN/topology/thread_siblings_list  hardware threads of one core
//! <sys>/devices/system/cpu/cpuN/cache/index*/shared_cpu_list   who shares its last-level cache
//! <sys>/devices/system/node/nodeN/cpulist                      whose memory is near
//! <sys>/devices/cpu_core/cpus, cpu_atom/cpus                   kinds of cores, hybrid Intel
//! <sys>/devices/system/cpu/cpuN/cpu_capacity                   the same, arm64
//! <sys>/devices/system/cpu/isolated, nohz_full                 kept free at boot
//! ```
//!
//! Sources: the kernel's `Documentation/ABI/testing/sysfs-devices-system-cpu`,
//! `Documentation/admin-guide/cputopology.rst` and `Documentation/admin-guide/kernel-parameters.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::CpuSet;

/// The CPUs that are online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    cpus: BTreeMap<u32, Cpu>,
}

/// One CPU, which is a hardware thread of a core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// The online CPUs of its core, itself included.
    pub core: CpuSet,
    /// What kind of core that is.
    pub kind: CoreKind,
    /// The online CPUs that share its last-level cache, itself included.
    pub cache: CpuSet,
    /// The NUMA node that its memory is nearest to.
    pub node: u32,
    /// Whether it was kept free of other work when the host was booted (`isolcpus`, `nohz_full`).
    pub is_quiet: bool,
    /// Whether this process may use it.
    pub is_permitted: bool,
}

/// Kinds of cores. Where all are of one kind, that is [`CoreKind::Performance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoreKind {
    /// The fastest of the host.
    Performance,
    /// Slower ones.
    Efficiency,
}

/// What this process may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permitted {
    /// The CPUs that it is scheduled on (`sched_getaffinity(2)`).
    pub affinity: CpuSet,
    /// The CPUs that it could be: what its cpuset allows.
    pub cpuset: CpuSet,
}

impl Topology {
    /// Reads the topology from `sys`, where a `sysfs` is mounted. What is not told there is taken
    /// for the simplest: a core for each CPU, one cache, one node.
    pub fn read(sys: &Path, permitted: &Permitted) -> Self {
        let cpu_folder = sys.join("devices/system/cpu");
        let online = list(&cpu_folder.join("online")).unwrap_or_else(|| permitted.cpuset.clone());
        let kept_free = ["isolated", "nohz_full"].map(|name| list(&cpu_folder.join(name)));
        let quiet = union(kept_free.iter().flatten());
        let slow = slow_cores(sys, &online);
        let nodes = nodes(sys);
        let usable = usable(permitted, &online, &quiet);
        let cpus = online.iter().map(|id| {
            let folder = cpu_folder.join(format!("cpu{id}"));
            let alone = || CpuSet::from_iter([id]);
            let core = list(&folder.join("topology/thread_siblings_list"))
                .filter(|core| core.contains(id))
                .unwrap_or_else(alone);
            let node = nodes.iter().find(|(_, cpus)| cpus.contains(id));
            let cpu = Cpu {
                core: core.and(&online),
                kind: if slow.contains(id) {
                    CoreKind::Efficiency
                } else {
                    CoreKind::Performance
                },
                cache: last_level_cache(&folder.join("cache"))
                    .filter(|cache| cache.contains(id))
                    .map_or_else(|| online.clone(), |cache| cache.and(&online)),
                node: node.map_or(0, |(node, _)| *node),
                is_quiet: quiet.contains(id),
                is_permitted: usable.contains(id),
            };
            (id, cpu)
        });
        Self {
            cpus: cpus.collect(),
        }
    }

    /// The CPUs that are online.
    pub fn online(&self) -> CpuSet {
        self.cpus.keys().copied().collect()
    }

    /// Those of them that this process may use.
    pub fn permitted(&self) -> CpuSet {
        self.having(|cpu| cpu.is_permitted)
    }

    /// Those that were kept free when the host was booted.
    pub fn quiet(&self) -> CpuSet {
        self.having(|cpu| cpu.is_quiet)
    }

    /// The CPU `id`, if it is online.
    pub fn cpu(&self, id: u32) -> Option<&Cpu> {
        self.cpus.get(&id)
    }

    /// All CPUs, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Cpu)> {
        self.cpus.iter().map(|(&id, cpu)| (id, cpu))
    }

    /// Whether memory is nearer to some CPUs than to others.
    pub fn has_several_nodes(&self) -> bool {
        let mut nodes = self.cpus.values().map(|cpu| cpu.node);
        let first = nodes.next();
        nodes.any(|node| Some(node) != first)
    }

    /// This host once its simultaneous multithreading is off: the kernel keeps the lowest CPU of
    /// each core.
    #[must_use]
    pub fn without_siblings(&self) -> Self {
        let first: CpuSet = self
            .iter()
            .filter(|(id, cpu)| cpu.core.iter().next() == Some(*id))
            .map(|(id, _)| id)
            .collect();
        let kept = self.iter().filter(|(id, _)| first.contains(*id));
        let kept = kept.map(|(id, cpu)| {
            let cpu = Cpu {
                core: cpu.core.and(&first),
                cache: cpu.cache.and(&first),
                ..cpu.clone()
            };
            (id, cpu)
        });
        Self {
            cpus: kept.collect(),
        }
    }

    fn having(&self, is_so: impl Fn(&Cpu) -> bool) -> CpuSet {
        let having = self.iter().filter(|(_, cpu)| is_so(cpu));
        having.map(|(id, _)| id).collect()
    }
}

impl FromIterator<(u32, Cpu)> for Topology {
    fn from_iter<I: IntoIterator<Item = (u32, Cpu)>>(cpus: I) -> Self {
        Self {
            cpus: cpus.into_iter().collect(),
        }
    }
}

/// What this process may use. A process is not scheduled on isolated CPUs until it asks for them,
/// so they are missing from its affinity although nobody has restricted that.
fn usable(permitted: &Permitted, online: &CpuSet, quiet: &CpuSet) -> CpuSet {
    let possible = permitted.cpuset.and(online);
    if possible.without(quiet).is_subset(&permitted.affinity) {
        possible
    } else {
        permitted.affinity.and(online)
    }
}

fn list(path: &Path) -> Option<CpuSet> {
    // Without isolated CPUs some kernels say `(null)`.
    fs::read_to_string(path).ok()?.parse().ok()
}

fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn union<'a>(sets: impl Iterator<Item = &'a CpuSet>) -> CpuSet {
    sets.flat_map(CpuSet::iter).collect()
}

/// The CPUs of cores that are not the host's fastest.
fn slow_cores(sys: &Path, online: &CpuSet) -> CpuSet {
    let kind = |name: &str| list(&sys.join("devices").join(name).join("cpus"));
    if let (Some(_), Some(atoms)) = (kind("cpu_core"), kind("cpu_atom")) {
        return atoms;
    }
    let capacity = |id: u32| number(&sys.join(format!("devices/system/cpu/cpu{id}/cpu_capacity")));
    let capacities: BTreeMap<_, _> = online
        .iter()
        .filter_map(|id| Some((id, capacity(id)?)))
        .collect();
    let most = capacities.values().max();
    let slow = capacities.iter().filter(|(_, own)| Some(*own) != most);
    slow.map(|(&id, _)| id).collect()
}

fn last_level_cache(folder: &Path) -> Option<CpuSet> {
    let caches = fs::read_dir(folder).ok()?.flatten();
    let levels = caches.filter_map(|cache| {
        let folder = cache.path();
        Some((number(&folder.join("level"))?, folder))
    });
    let (_, last) = levels.max()?;
    list(&last.join("shared_cpu_list"))
}

fn nodes(sys: &Path) -> BTreeMap<u32, CpuSet> {
    let Ok(entries) = fs::read_dir(sys.join("devices/system/node")) else {
        return BTreeMap::new();
    };
    let nodes = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let id = name.to_str()?.strip_prefix("node")?.parse().ok()?;
        Some((id, list(&entry.path().join("cpulist"))?))
    });
    nodes.collect()
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
