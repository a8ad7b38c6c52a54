//! `runner admin specs`.

use bencher_channel_protocol::SandboxKind;
use bencher_report::text::table;
use bencher_runner::Reporter as _;
use bencher_server_api::{NewSpec, Spec};
use jiff::Timestamp;

use super::Session;
use super::shown::{identifier, machine, size};
use crate::arguments::{Ls, One, Show, SpecSandbox, SpecsCommand, SpecsCreate};
use crate::client::{encoded, listed, printable};
use crate::listing::{ago, cut, facts};
use crate::output;
use crate::terminal::Terminal;

const PATH: &str = "/v0/specs";

pub(super) fn run(command: SpecsCommand, terminal: &Terminal) -> Result<(), String> {
    match command {
        SpecsCommand::Ls(command) => ls(&command, &Session::new(&command.server, terminal)?),
        SpecsCommand::Show(command) => show(&command, &Session::new(&command.server, terminal)?),
        SpecsCommand::Create(command) => {
            let session = Session::new(&command.server, terminal)?;
            create(command, &session)
        }
        SpecsCommand::Archive(command) => {
            archive(&command, &Session::new(&command.server, terminal)?)
        }
    }
}

fn ls(arguments: &Ls, session: &Session<'_>) -> Result<(), String> {
    let specs = listed::<Spec>(&session.connection, PATH, &[], arguments.limit)
        .map_err(|error| error.to_string())?;
    output::print(&specs, arguments.json, |specs| {
        listing(specs, Timestamp::now(), output::look().width)
    })
}

/// The spec with this slug or identifier.
pub(super) fn get(name: &str, session: &Session<'_>) -> Result<Spec, String> {
    session
        .connection
        .get(&format!("{PATH}/{}", encoded(name)))
        .map_err(|error| error.to_string())
}

fn show(arguments: &Show, session: &Session<'_>) -> Result<(), String> {
    let spec = get(&arguments.name, session)?;
    output::print(&spec, arguments.json, description)
}

fn create(arguments: SpecsCreate, session: &Session<'_>) -> Result<(), String> {
    let new = NewSpec {
        slug: arguments.slug,
        name: arguments.title,
        os: arguments.os.into(),
        architecture: arguments.architecture.into(),
        sandbox: match arguments.sandbox {
            SpecSandbox::Firecracker => Some(SandboxKind::Firecracker),
            SpecSandbox::None => None,
        },
        cpu: arguments.cpus,
        memory: arguments.memory.bytes(),
        disk: arguments.disk.bytes(),
        network: arguments.network,
    };
    let spec: Spec = session
        .connection
        .post(PATH, &new)
        .map_err(|error| error.to_string())?;
    let slug = printable(&spec.slug);
    session.terminal.info(&format!(
        "made the spec `{slug}`: link runners to it with `runner admin runners link RUNNER {slug}`"
    ));
    identifier(&spec.id)
}

fn archive(arguments: &One, session: &Session<'_>) -> Result<(), String> {
    let path = format!("{PATH}/{}/archive", encoded(&arguments.name));
    let spec: Spec = session
        .connection
        .post(&path, &())
        .map_err(|error| error.to_string())?;
    output::text(&description(&spec))
}

/// What the columns that hold no names take: a kind of machine, a sandbox, CPUs, sizes, a network, an age,
/// and two spaces between each of all eight columns and the next.
const FIXED: usize = 14 + 11 + 4 + 2 * 8 + 7 + 8 + 2 * 7;

fn listing(specs: &[Spec], now: Timestamp, width: usize) -> String {
    let most = width.saturating_sub(FIXED).max(8);
    let rows = specs.iter().map(|spec| {
        [
            cut(&printable(&spec.slug), most),
            machine(&spec.os, &spec.architecture),
            printable(spec.sandbox.as_deref().unwrap_or("none")),
            spec.cpu.to_string(),
            size(spec.memory),
            size(spec.disk),
            if spec.network { "yes" } else { "no" }.to_owned(),
            match spec.archived {
                Some(_) => "archived".to_owned(),
                None => ago(&spec.created, now),
            },
        ]
    });
    let titles = [
        "SPEC", "MACHINE", "SANDBOX", "CPUS", "MEMORY", "DISK", "NETWORK", "AGE",
    ];
    table(titles, &["CPUS", "MEMORY", "DISK", "AGE"], rows)
}

fn description(spec: &Spec) -> String {
    let sandbox = spec.sandbox.clone();
    facts([
        ("spec", Some(spec.slug.clone())),
        ("name", Some(spec.name.clone())),
        ("identifier", Some(spec.id.clone())),
        ("machine", Some(machine(&spec.os, &spec.architecture))),
        (
            "sandbox",
            Some(sandbox.unwrap_or_else(|| "none: the runner's host itself".to_owned())),
        ),
        ("cpus", Some(spec.cpu.to_string())),
        ("memory", Some(size(spec.memory))),
        ("disk", Some(size(spec.disk))),
        (
            "network",
            Some(if spec.network { "yes" } else { "no" }.to_owned()),
        ),
        ("created", Some(spec.created.clone())),
        ("archived", spec.archived.clone()),
    ])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::admin) fn spec(slug: &str) -> Spec {
        Spec {
            id: "01a22910-5555-7000-8000-00000000000a".to_owned(),
            slug: slug.to_owned(),
            name: slug.to_owned(),
            os: "linux".to_owned(),
            architecture: "x86_64".to_owned(),
            sandbox: Some("firecracker".to_owned()),
            cpu: 2,
            memory: 1 << 31,
            disk: 4 << 30,
            network: false,
            created: "2026-11-28T12:00:00Z".to_owned(),
            modified: "2026-11-28T12:00:00Z".to_owned(),
            archived: None,
        }
    }

    #[test]
    fn specs_are_in_a_table_and_steer_no_terminal() {
        let specs = [
            spec("intel"),
            Spec {
                sandbox: None,
                network: true,
                architecture: "aarch64".to_owned(),
                archived: Some("2026-11-29T12:00:00Z".to_owned()),
                ..spec("a-name-that-is-much-longer-than-others")
            },
            Spec {
                os: "\u{1b}]0;x\u{7}".to_owned(),
                ..spec("\u{1b}[2J")
            },
        ];
        let now = "2026-11-30T12:00:00Z".parse().expect("a moment");
        let text = listing(&specs, now, 100);
        insta::assert_snapshot!(text + "\n" + &description(&specs[1]));
    }
}
