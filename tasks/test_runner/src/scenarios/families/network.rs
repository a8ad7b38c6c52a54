//! The guest's way out, where it is given one. Nothing here touches the Internet or the host's own
//! network: the runner and the servers are in network namespaces of their own.
//!
//! ```text
//! runner's namespace                         servers' namespace
//! 198.51.100.1, a server on port 8080 ─veth─ 198.51.100.2, servers on ports 80 and 8080
//!                                            169.254.169.254, where clouds keep credentials
//! ```
//!
//! The addresses are those of documentation (RFC 5737) and of link-local use (RFC 3927).

use std::process::Command;

use crate::process::within;
use crate::scenarios::backend::On;
use crate::scenarios::expect::Expect;
use crate::scenarios::invocation::Invocation;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::stage::Stage;
use crate::scenarios::surroundings::Need;

/// Makes the namespaces and becomes the runner.
const SCRIPT: &str = include_str!("network.sh");

/// A server that can be reached: without one, that others can not be would prove nothing.
const SERVER: &str = "198.51.100.2 8080";

/// What the namespaces need.
const NEEDS: &[Need] = &[
    Need::Option("--network"),
    Need::Root,
    Need::Program("ip"),
    Need::Program("nft"),
    Need::Program("unshare"),
    Need::Program("busybox"),
];

/// The same, and what narrows the way out.
const NARROWED: &[Need] = &[
    Need::Option("--network-allow"),
    Need::Option("--network"),
    Need::Root,
    Need::Program("ip"),
    Need::Program("nft"),
    Need::Program("unshare"),
    Need::Program("busybox"),
];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::driven(
        "network_enabled",
        "with --network the guest reaches a server outside",
        |stage| fetch(stage, &["--network"], &[SERVER]),
        |record| record.is(Expect::exit(0).stdout("198.51.100.2 8080: served\n")),
    )
    .on(On::Machines)
    .needs(NEEDS),
    Scenario::driven(
        "network_metadata_blocked",
        "with --network the cloud's metadata address stays out of reach",
        |stage| fetch(stage, &["--network"], &[SERVER, "169.254.169.254 80"]),
        |record| {
            record.is(Expect::exit(0).stdout("198.51.100.2 8080: served\n169.254.169.254 80: \n"))
        },
    )
    .on(On::Machines)
    .needs(NEEDS),
    Scenario::driven(
        "network_host_blocked",
        "with --network the host's own services stay out of reach",
        |stage| fetch(stage, &["--network"], &[SERVER, "198.51.100.1 8080"]),
        |record| {
            record.is(Expect::exit(0).stdout("198.51.100.2 8080: served\n198.51.100.1 8080: \n"))
        },
    )
    .on(On::Machines)
    .needs(NEEDS),
    Scenario::driven(
        "network_allow_narrows",
        "with --network-allow one address and port are reached and no other",
        |stage| {
            let options = ["--network", "--network-allow", "198.51.100.2/32:8080"];
            fetch(stage, &options, &[SERVER, "198.51.100.2 80"])
        },
        |record| {
            let expect = Expect::exit(0);
            record.is(expect.stdout("198.51.100.2 8080: served\n198.51.100.2 80: \n"))
        },
    )
    .on(On::Machines)
    .needs(NARROWED),
];

/// Fetches a page of each server from inside the guest and says what came: how a blocked one fails,
/// refused or unanswered, is the machine's matter.
fn fetch(stage: &mut Stage<'_>, options: &[&str], servers: &[&str]) -> anyhow::Result<()> {
    let mut invocation = Invocation::new();
    // By hand: a static BusyBox can not look up the port of a scheme.
    invocation.options(options).script(&format!(
        "for server in '{}'; do \
         answer=$(printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 5 $server 2>/dev/null | tail -n 1); \
         echo \"$server: $answer\"; done",
        servers.join("' '")
    ));
    let folder = stage.companions()?;
    let running = stage.start_with(&invocation, |runner| {
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--net", "sh", "-c", SCRIPT, "sh"])
            .arg(&folder);
        within(unshare, &runner)
    })?;
    stage.finish(running).map(|_| ())
}
