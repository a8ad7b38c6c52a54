use std::ops::RangeInclusive;

use super::Compromise::{
    BusySiblings, MixedCores, NoHousekeeping, SeveralNodes, SharedCores, SlowCores, VcpusTakeTurns,
};
use super::*;
use crate::cpus::topology::Cpu;

fn set(text: &str) -> CpuSet {
    text.parse().unwrap()
}

/// A host as its parts are listed.
#[derive(Default)]
struct Host {
    /// Each one's CPUs.
    cores: Vec<String>,
    caches: Vec<&'static str>,
    nodes: Vec<&'static str>,
    slow: &'static str,
    quiet: &'static str,
    forbidden: &'static str,
}

impl Host {
    /// Cores of one thread.
    fn of(cpus: RangeInclusive<u32>) -> Self {
        Self {
            cores: cpus.map(|cpu| cpu.to_string()).collect(),
            ..Self::default()
        }
    }

    /// Cores of two threads, which are `apart` from each other.
    fn smt(cpus: RangeInclusive<u32>, apart: u32) -> Self {
        let core = |cpu| format!("{cpu},{}", cpu + apart);
        Self {
            cores: cpus.map(core).collect(),
            ..Self::default()
        }
    }

    fn topology(&self) -> Topology {
        let cores: Vec<_> = self.cores.iter().map(|core| set(core)).collect();
        let all: CpuSet = cores.iter().flat_map(CpuSet::iter).collect();
        let group = |groups: &[&str], id: u32| {
            let mut groups = groups.iter().map(|group| set(group));
            groups.position(|group| group.contains(id))
        };
        let cpu = |core: &CpuSet, id: u32| Cpu {
            core: core.clone(),
            kind: if set(self.slow).contains(id) {
                CoreKind::Efficiency
            } else {
                CoreKind::Performance
            },
            cache: group(&self.caches, id).map_or(all.clone(), |cache| set(self.caches[cache])),
            node: group(&self.nodes, id).map_or(0, |node| u32::try_from(node).unwrap()),
            is_quiet: set(self.quiet).contains(id),
            is_permitted: !set(self.forbidden).contains(id),
        };
        let cpus = cores
            .iter()
            .flat_map(|core| core.iter().map(move |id| (id, cpu(core, id))));
        cpus.collect()
    }
}

struct Case {
    host: &'static str,
    vcpus: u8,
    benchmark: &'static str,
    housekeeping: &'static str,
    idle: &'static str,
    compromises: &'static [Compromise],
}

const fn case(
    host: &'static str,
    vcpus: u8,
    [benchmark, housekeeping, idle]: [&'static str; 3],
    compromises: &'static [Compromise],
) -> Case {
    Case {
        host,
        vcpus,
        benchmark,
        housekeeping,
        idle,
        compromises,
    }
}

fn host(name: &str) -> Host {
    match name {
        "1 CPU" => Host::of(0..=0),
        "2 CPUs" => Host::of(0..=1),
        "one core of two threads" => Host::smt(0..=0, 1),
        "two cores of two threads" => Host::smt(0..=1, 2),
        "4 CPUs" => Host::of(0..=3),
        "holes" => Host {
            cores: ["1", "4", "7", "9"].map(str::to_owned).to_vec(),
            ..Host::default()
        },
        "isolcpus" => Host {
            quiet: "2-3",
            ..Host::of(0..=7)
        },
        "restricted" => Host {
            forbidden: "0-3,6",
            ..Host::smt(0..=3, 4)
        },
        // 4 performance cores of two threads, 8 efficient ones.
        "hybrid" => {
            let mut host = Host::smt(0..=3, 4);
            host.cores.extend((8..=15).map(|cpu| cpu.to_string()));
            host.slow = "8-15";
            host
        }
        // 2 core complexes of 4 cores of two threads, each with its cache.
        "ccx" => Host {
            caches: vec!["0-3,8-11", "4-7,12-15"],
            ..Host::smt(0..=7, 8)
        },
        // 2 sockets of 16 cores of two threads.
        "64 CPUs" => Host {
            caches: vec!["0-15,32-47", "16-31,48-63"],
            nodes: vec!["0-15,32-47", "16-31,48-63"],
            ..Host::smt(0..=31, 32)
        },
        name => panic!("there is no host {name}"),
    }
}

const CASES: &[Case] = &[
    case("1 CPU", 1, ["0", "0", ""], &[NoHousekeeping]),
    case(
        "1 CPU",
        2,
        ["0", "0", ""],
        &[VcpusTakeTurns, NoHousekeeping],
    ),
    case("2 CPUs", 1, ["1", "0", ""], &[]),
    case("2 CPUs", 2, ["0-1", "0-1", ""], &[NoHousekeeping]),
    case(
        "2 CPUs",
        5,
        ["0-1", "0-1", ""],
        &[VcpusTakeTurns, NoHousekeeping],
    ),
    case(
        "one core of two threads",
        1,
        ["0", "1", ""],
        &[BusySiblings],
    ),
    case(
        "one core of two threads",
        2,
        ["0-1", "0-1", ""],
        &[NoHousekeeping, SharedCores],
    ),
    case("two cores of two threads", 1, ["1", "0,2", "3"], &[]),
    case(
        "two cores of two threads",
        2,
        ["0-1", "2-3", ""],
        &[BusySiblings],
    ),
    case(
        "two cores of two threads",
        3,
        ["0-1,3", "2", ""],
        &[SharedCores, BusySiblings],
    ),
    case("4 CPUs", 2, ["2-3", "0-1", ""], &[]),
    case("4 CPUs", 3, ["1-3", "0", ""], &[]),
    case("holes", 2, ["7,9", "1,4", ""], &[]),
    case("isolcpus", 1, ["3", "0-1,4-7", ""], &[]),
    case("isolcpus", 2, ["2-3", "0-1,4-7", ""], &[]),
    case("isolcpus", 3, ["2-3,7", "0-1,4-6", ""], &[]),
    // Siblings that are somebody else's can not be left idle.
    case("restricted", 1, ["7", "4-5", ""], &[BusySiblings]),
    case("hybrid", 1, ["3", "0-2,4-6,8-15", "7"], &[]),
    case("hybrid", 3, ["1-3", "0,4,8-15", "5-7"], &[]),
    case("hybrid", 4, ["0-3", "8-15", "4-7"], &[]),
    case("hybrid", 6, ["10-15", "0-9", ""], &[SlowCores]),
    case("hybrid", 8, ["8-15", "0-7", ""], &[SlowCores]),
    case("hybrid", 10, ["2-3,8-15", "0-1,4-5", "6-7"], &[MixedCores]),
    case("ccx", 1, ["7", "0-6,8-14", "15"], &[]),
    case("ccx", 4, ["4-7", "0-3,8-11", "12-15"], &[]),
    case("ccx", 6, ["2-7", "0-1,8-9", "10-15"], &[]),
    case("64 CPUs", 4, ["28-31", "0-27,32-59", "60-63"], &[]),
    case("64 CPUs", 16, ["16-31", "0-15,32-47", "48-63"], &[]),
    case(
        "64 CPUs",
        20,
        ["12-31", "0-11,32-43", "44-63"],
        &[SeveralNodes],
    ),
];

#[test]
fn hosts_and_vcpus() {
    for case in CASES {
        let demand = Demand::Vcpus(case.vcpus.try_into().unwrap());
        let layout = decide(&host(case.host).topology(), demand, None).unwrap();
        let found = (
            layout.benchmark.to_string(),
            layout.housekeeping.to_string(),
            layout.idle.to_string(),
            layout.compromises.iter().copied().collect::<Vec<_>>(),
        );
        let expected = (
            case.benchmark.to_owned(),
            case.housekeeping.to_owned(),
            case.idle.to_owned(),
            case.compromises.to_vec(),
        );
        assert_eq!(found, expected, "{} vCPUs on {}", case.vcpus, case.host);
        assert_eq!(layout.vcpus.len(), usize::from(case.vcpus));
    }
}

#[test]
fn as_many_as_there_are_but_for_the_host() {
    for (name, benchmark, housekeeping) in [
        ("1 CPU", "0", "0"),
        ("2 CPUs", "1", "0"),
        ("one core of two threads", "0", "1"),
        ("two cores of two threads", "1", "0,2"),
        ("4 CPUs", "1-3", "0"),
        ("isolcpus", "2-3", "0-1,4-7"),
        ("hybrid", "0-3", "8-15"),
        ("64 CPUs", "16-31", "0-15,32-47"),
    ] {
        let layout = decide(&host(name).topology(), Demand::AsMany, None).unwrap();
        assert_eq!(layout.benchmark, set(benchmark), "{name}");
        assert_eq!(layout.housekeeping, set(housekeeping), "{name}");
        assert!(layout.vcpus.is_empty());
    }
}

#[test]
fn the_vmms_other_threads_are_given_a_cpu_near_the_benchmark() {
    for (name, emulator) in [
        ("1 CPU", None),
        ("2 CPUs", None),
        ("4 CPUs", Some(2)),
        ("64 CPUs", Some(62)),
    ] {
        let demand = Demand::Vcpus(NonZeroU8::MIN);
        let layout = decide(&host(name).topology(), demand, None).unwrap();
        assert_eq!(layout.emulator, emulator, "{name}");
    }
}

#[test]
fn vcpus_and_nodes_are_mapped() {
    let demand = |count: u8| Demand::Vcpus(count.try_into().unwrap());
    let layout = decide(&host("2 CPUs").topology(), demand(5), None).unwrap();
    assert_eq!(layout.vcpus, [0, 1, 0, 1, 0]);
    let layout = decide(&host("64 CPUs").topology(), demand(2), None).unwrap();
    assert_eq!((layout.vcpus, layout.node), (vec![30, 31], Some(1)));
    let layout = decide(&host("64 CPUs").topology(), demand(20), None).unwrap();
    assert_eq!(layout.node, None);
}

#[test]
fn what_is_named_is_used() {
    let demand = Demand::Vcpus(2.try_into().unwrap());
    let named = |name, text| decide(&host(name).topology(), demand, Some(&set(text)));
    let layout = named("ccx", "0,5").unwrap();
    assert_eq!(layout.vcpus, [0, 5]);
    assert_eq!(layout.idle, set("8,13"));
    let layout = named("ccx", "1").unwrap();
    assert_eq!(layout.vcpus, [1, 1]);
    assert!(layout.compromises.contains(&VcpusTakeTurns));
    let layout = named("hybrid", "0,8,9").unwrap();
    assert_eq!(layout.vcpus, [0, 8]);
    assert!(layout.compromises.contains(&MixedCores));
    assert_eq!(named("2 CPUs", "").unwrap_err(), LayoutError::Empty);
    let error = named("2 CPUs", "1-2,9").unwrap_err().to_string();
    assert!(
        error.contains("not online: CPU 2,9 of --cpus; online are 0-1"),
        "{error}"
    );
    let error = named("restricted", "3-4").unwrap_err().to_string();
    assert!(error.contains("not permitted: CPU 3 of --cpus"), "{error}");
    assert!(error.contains("allows 4-5,7"), "{error}");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn topologies()(
            count in 1_usize..24,
            threads in 1_u32..=2,
            quiet in 0_u32..8,
            nodes in 1_u32..=3,
            forbidden in prop::collection::btree_set(0_u32..48, 0..12),
        ) -> Topology {
            let count = u32::try_from(count).unwrap();
            (0..count).flat_map(|core| {
                let cpus: CpuSet = (0..threads).map(|thread| core + thread * count).collect();
                let forbidden = forbidden.clone();
                let cpu = move |id| Cpu {
                    core: cpus.clone(),
                    kind: if core % 5 == 4 { CoreKind::Efficiency } else { CoreKind::Performance },
                    cache: cpus.clone(),
                    node: core % nodes,
                    is_quiet: core < quiet,
                    // The last one is always there.
                    is_permitted: id + 1 == count || !forbidden.contains(&id),
                };
                (0..threads).map(move |thread| core + thread * count).map(move |id| (id, cpu(id)))
            }).collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_layout_is_sound(topology in topologies(), vcpus in 1_u8..40) {
            let vcpus = vcpus.try_into().unwrap();
            for demand in [Demand::Vcpus(vcpus), Demand::AsMany] {
                let layout = decide(&topology, demand, None).unwrap();
                let permitted = topology.permitted();
                for part in [&layout.benchmark, &layout.housekeeping, &layout.idle] {
                    prop_assert!(part.is_subset(&permitted));
                }
                prop_assert!(!layout.benchmark.is_empty() && !layout.housekeeping.is_empty());
                prop_assert!(layout.idle.and(&layout.housekeeping.or(&layout.benchmark)).is_empty());
                let is_shared = layout.compromises.contains(&NoHousekeeping);
                prop_assert_eq!(!layout.benchmark.and(&layout.housekeeping).is_empty(), is_shared);
                prop_assert!(layout.vcpus.iter().all(|&cpu| layout.benchmark.contains(cpu)));
                let distinct: CpuSet = layout.vcpus.iter().copied().collect();
                let take_turns = layout.compromises.contains(&VcpusTakeTurns);
                prop_assert_eq!(distinct.len() < layout.vcpus.len(), take_turns);
            }
        }
    }
}
