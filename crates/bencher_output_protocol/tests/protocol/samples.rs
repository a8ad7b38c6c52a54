//! Messages to test with.

use std::net::Ipv4Addr;

use bencher_output_protocol::{
    ExitReport, ExitStatus, FileBegin, GuestMessage, HostMessage, Layouts, Limits, LogLevel,
    MAX_DATA, Network, Orders, Resources, Root, Stop,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A guest's message that owns what it says.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    Hello(u64, String),
    Started(u64),
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Exited(ExitReport),
    FileBegin(Vec<u8>, u16, u64, u64),
    FileData(Vec<u8>),
    FileEnd,
    FileMissing(Vec<u8>, String),
    Log(LogLevel, String),
    Failed(String, String),
    Done,
}

impl Said {
    pub(crate) fn message(&self) -> GuestMessage<'_> {
        match self {
            Self::Hello(boot_nanoseconds, kernel_release) => GuestMessage::Hello {
                boot_nanoseconds: *boot_nanoseconds,
                kernel_release,
            },
            Self::Started(boot_nanoseconds) => GuestMessage::Started {
                boot_nanoseconds: *boot_nanoseconds,
            },
            Self::Stdout(bytes) => GuestMessage::Stdout(bytes),
            Self::Stderr(bytes) => GuestMessage::Stderr(bytes),
            Self::Exited(report) => GuestMessage::Exited(report.clone()),
            Self::FileBegin(path, mode, size, sent) => GuestMessage::FileBegin(FileBegin {
                path,
                mode: *mode,
                size: *size,
                sent: *sent,
            }),
            Self::FileData(bytes) => GuestMessage::FileData(bytes),
            Self::FileEnd => GuestMessage::FileEnd,
            Self::FileMissing(path, reason) => GuestMessage::FileMissing { path, reason },
            Self::Log(level, text) => GuestMessage::Log {
                level: *level,
                text,
            },
            Self::Failed(stage, reason) => GuestMessage::Failed { stage, reason },
            Self::Done => GuestMessage::Done,
        }
    }
}

/// Any bytes, mostly few of them.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        99 => vec(any::<u8>(), 0..40),
        1 => vec(any::<u8>(), MAX_DATA - 2..=MAX_DATA),
    ]
}

fn level() -> impl Strategy<Value = LogLevel> {
    prop_oneof![
        Just(LogLevel::Debug),
        Just(LogLevel::Info),
        Just(LogLevel::Warning)
    ]
}

fn report() -> impl Strategy<Value = ExitReport> {
    let status = prop_oneof![
        any::<u8>().prop_map(ExitStatus::Exited),
        any::<u8>().prop_map(ExitStatus::Signaled),
        ".{0,20}".prop_map(ExitStatus::NotFound),
        ".{0,20}".prop_map(ExitStatus::NotExecutable),
    ];
    let numbers = any::<[u64; 12]>();
    let optional = any::<[Option<u64>; 4]>();
    (status, numbers, optional).prop_map(|(status, number, optional)| ExitReport {
        status,
        resources: Resources {
            wall_nanoseconds: number[0],
            user_microseconds: optional[0],
            system_microseconds: optional[1],
            cpu_microseconds: optional[2],
            memory_peak_bytes: optional[3],
            max_rss_bytes: number[1],
            minor_faults: number[2],
            major_faults: number[3],
            voluntary_switches: number[4],
            involuntary_switches: number[5],
            read_bytes: number[6],
            write_bytes: number[7],
            oom_kills: number[8],
        },
        stdout_bytes: number[9],
        stderr_bytes: number[10],
    })
}

/// Any message of a guest.
pub(crate) fn said() -> impl Strategy<Value = Said> {
    let path = || vec(any::<u8>(), 0..60);
    prop_oneof![
        (any::<u64>(), ".{0,20}").prop_map(|(time, release)| Said::Hello(time, release)),
        any::<u64>().prop_map(Said::Started),
        bytes().prop_map(Said::Stdout),
        bytes().prop_map(Said::Stderr),
        report().prop_map(Said::Exited),
        (path(), any::<u16>(), any::<u64>(), any::<u64>())
            .prop_map(|(path, mode, size, sent)| Said::FileBegin(path, mode, size, sent)),
        bytes().prop_map(Said::FileData),
        Just(Said::FileEnd),
        (path(), ".{0,30}").prop_map(|(path, reason)| Said::FileMissing(path, reason)),
        (level(), ".{0,30}").prop_map(|(level, text)| Said::Log(level, text)),
        (".{0,30}", ".{0,30}").prop_map(|(stage, reason)| Said::Failed(stage, reason)),
        Just(Said::Done),
    ]
}

fn orders() -> impl Strategy<Value = Orders> {
    let root = prop_oneof![
        ".{0,20}".prop_map(|device| Root::Disk { device }),
        vec(any::<u8>(), 0..20).prop_map(|path| Root::Directory { path }),
    ];
    let list = || vec(vec(any::<u8>(), 0..30), 0..6);
    let numbers = (any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>());
    (
        (root, ".{0,10}", ".{0,10}", level()),
        (list(), list(), list()),
        (vec(any::<u8>(), 0..20), any::<u8>(), numbers),
        (option::of(network()), layouts()),
    )
        .prop_map(
            |(
                (root, hostname, user, log_level),
                (arguments, environment, outputs),
                (
                    working_directory,
                    stop_signal,
                    (output_bytes, file_count, file_bytes, total_file_bytes),
                ),
                (network, layouts),
            )| Orders {
                root,
                hostname,
                arguments,
                environment,
                working_directory,
                user,
                stop_signal,
                outputs,
                limits: Limits {
                    output_bytes,
                    file_count,
                    file_bytes,
                    total_file_bytes,
                },
                log_level,
                network,
                layouts,
            },
        )
}

fn layouts() -> impl Strategy<Value = Layouts> {
    prop_oneof![Just(Layouts::Fixed), Just(Layouts::Random)]
}

fn network() -> impl Strategy<Value = Network> {
    let name_servers = vec(any::<Ipv4Addr>(), 0..4);
    (
        any::<Ipv4Addr>(),
        any::<u8>(),
        any::<Ipv4Addr>(),
        name_servers,
    )
        .prop_map(|(address, prefix, gateway, name_servers)| Network {
            address,
            prefix,
            gateway,
            name_servers,
        })
}

/// Any message of a host.
pub(crate) fn asked() -> impl Strategy<Value = HostMessage> {
    prop_oneof![
        Just(HostMessage::Hello),
        orders().prop_map(|orders| HostMessage::Orders(Box::new(orders))),
        any::<u64>().prop_map(|grace_milliseconds| HostMessage::Stop(Stop { grace_milliseconds })),
    ]
}
