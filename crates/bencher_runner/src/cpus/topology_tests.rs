use super::*;

fn set(text: &str) -> CpuSet {
    text.parse().unwrap()
}

/// A `sysfs` of `files`, each with its content.
fn sysfs(files: &[(&str, &str)]) -> tempfile::TempDir {
    let sys = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = sys.path().join("devices").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
    }
    sys
}

fn read(files: &[(&str, &str)], affinity: &str, cpuset: &str) -> Topology {
    let permitted = Permitted {
        affinity: set(affinity),
        cpuset: set(cpuset),
    };
    Topology::read(sysfs(files).path(), &permitted)
}

#[test]
fn a_core_with_two_threads_and_an_offline_one() {
    let topology = read(
        &[
            ("system/cpu/online", "0-2"),
            ("system/cpu/cpu0/topology/thread_siblings_list", "0,2"),
            ("system/cpu/cpu1/topology/thread_siblings_list", "1,3"),
            ("system/cpu/cpu2/topology/thread_siblings_list", "0,2"),
            ("system/cpu/cpu0/cache/index0/level", "1"),
            ("system/cpu/cpu0/cache/index0/shared_cpu_list", "0,2"),
            ("system/cpu/cpu0/cache/index3/level", "3"),
            ("system/cpu/cpu0/cache/index3/shared_cpu_list", "0-3"),
            ("system/node/node0/cpulist", "0-3"),
            ("system/cpu/isolated", ""),
            ("system/cpu/nohz_full", "(null)"),
        ],
        "0-2",
        "0-2",
    );
    assert_eq!(topology.online(), set("0-2"));
    assert_eq!(topology.permitted(), set("0-2"));
    assert_eq!(topology.quiet(), set(""));
    let first = topology.cpu(0).unwrap();
    assert_eq!((&first.core, &first.cache), (&set("0,2"), &set("0-2")));
    assert_eq!(first.kind, CoreKind::Performance);
    assert_eq!(topology.cpu(1).unwrap().core, set("1"), "3 is offline");
    assert!(topology.cpu(3).is_none());
    let single = topology.without_siblings();
    assert_eq!(single.online(), set("0-1"));
    assert_eq!(single.cpu(0).unwrap().core, set("0"));
}

#[test]
fn kinds_of_cores() {
    let intel = [
        ("system/cpu/online", "0-5"),
        ("cpu_core/cpus", "0-3"),
        ("cpu_atom/cpus", "4-5"),
    ];
    let arm = [
        ("system/cpu/online", "0-5"),
        ("system/cpu/cpu0/cpu_capacity", "1024"),
        ("system/cpu/cpu1/cpu_capacity", "1024"),
        ("system/cpu/cpu2/cpu_capacity", "1024"),
        ("system/cpu/cpu3/cpu_capacity", "1024"),
        ("system/cpu/cpu4/cpu_capacity", "446"),
        ("system/cpu/cpu5/cpu_capacity", "871"),
    ];
    for host in [&intel[..], &arm] {
        let topology = read(host, "0-5", "0-5");
        let slow = topology.having(|cpu| cpu.kind == CoreKind::Efficiency);
        assert_eq!(slow, set("4-5"), "{host:?}");
    }
}

#[test]
fn nodes_have_their_own_cpus() {
    let topology = read(
        &[
            ("system/cpu/online", "0-3"),
            ("system/node/node0/cpulist", "0-1"),
            ("system/node/node1/cpulist", "2-3"),
            ("system/node/node2/cpulist", ""),
            ("system/node/online", "0-2"),
        ],
        "0-3",
        "0-3",
    );
    let of = |id| topology.cpu(id).unwrap().node;
    assert_eq!([0, 1, 2, 3].map(of), [0, 0, 1, 1]);
    assert!(topology.has_several_nodes());
}

#[test]
fn isolated_cpus_are_permitted_unless_somebody_restricted_the_process() {
    let host = [
        ("system/cpu/online", "0-7"),
        ("system/cpu/isolated", "4-5"),
        ("system/cpu/nohz_full", "6"),
    ];
    for (affinity, cpuset, permitted) in [
        // As a process is born: everything but what is isolated.
        ("0-3,6-7", "0-7", "0-7"),
        ("0-3,7", "0-7", "0-7"),
        // By `taskset`.
        ("0-1", "0-7", "0-1"),
        ("4", "0-7", "4"),
        // By a cpuset.
        ("2-3", "2-5", "2-5"),
        ("2-3", "2-3", "2-3"),
    ] {
        let topology = read(&host, affinity, cpuset);
        assert_eq!(topology.permitted(), set(permitted), "{affinity} {cpuset}");
        assert_eq!(topology.quiet(), set("4-6"));
    }
}

#[test]
fn a_host_that_tells_nothing() {
    let topology = read(&[], "0-1", "0-1");
    assert_eq!(topology.online(), set("0-1"));
    let cpu = topology.cpu(1).unwrap();
    assert_eq!((&cpu.core, &cpu.cache), (&set("1"), &set("0-1")));
    assert!(!topology.has_several_nodes());
}
