//! `runner admin runners`.

use bencher_report::text::table;
use bencher_runner::Reporter as _;
use bencher_server_api::{NewRunner, Runner, RunnerWithKey, Spec};
use jiff::Timestamp;

use super::shown::{machine, secret};
use super::{Session, specs};
use crate::arguments::{Ls, One, RunnersCommand, RunnersCreate, RunnersLink, Show};
use crate::client::{ClientError, encoded, listed, printable};
use crate::listing::{ago, cut, facts};
use crate::terminal::Terminal;
use crate::{many, output};

const PATH: &str = "/v0/runners";

pub(super) fn run(command: RunnersCommand, terminal: &Terminal) -> Result<(), String> {
    match command {
        RunnersCommand::Ls(command) => ls(&command, &Session::new(&command.server, terminal)?),
        RunnersCommand::Show(command) => show(&command, &Session::new(&command.server, terminal)?),
        RunnersCommand::Create(command) => {
            let session = Session::new(&command.server, terminal)?;
            create(command, &session)
        }
        RunnersCommand::RotateKey(command) => {
            rotate_key(&command, &Session::new(&command.server, terminal)?)
        }
        RunnersCommand::Archive(command) => {
            archive(&command, &Session::new(&command.server, terminal)?)
        }
        RunnersCommand::Link(command) => {
            let session = Session::new(&command.server, terminal)?;
            each_spec(&command, "specs were not linked", &session, |path| {
                session
                    .connection
                    .put::<Runner>(path, &())
                    .map(|_linked| ())
            })
        }
        RunnersCommand::Unlink(command) => {
            let session = Session::new(&command.server, terminal)?;
            each_spec(&command, "specs were not unlinked", &session, |path| {
                session.connection.delete(path).map(|_unlinked| ())
            })
        }
    }
}

fn path(name: &str) -> String {
    format!("{PATH}/{}", encoded(name))
}

fn ls(arguments: &Ls, session: &Session<'_>) -> Result<(), String> {
    let runners = listed::<Runner>(&session.connection, PATH, &[], arguments.limit)
        .map_err(|error| error.to_string())?;
    output::print(&runners, arguments.json, |runners| {
        listing(runners, Timestamp::now(), output::look().width)
    })
}

fn show(arguments: &Show, session: &Session<'_>) -> Result<(), String> {
    let runner: Runner = session
        .connection
        .get(&path(&arguments.name))
        .map_err(|error| error.to_string())?;
    let mut linked = Vec::new();
    if !arguments.json {
        for spec in runner.specs.iter().flatten() {
            linked.push(specs::get(spec, session)?);
        }
    }
    output::print(&runner, arguments.json, |runner| {
        description(runner, &linked)
    })
}

fn create(arguments: RunnersCreate, session: &Session<'_>) -> Result<(), String> {
    let has_specs = !arguments.specs.is_empty();
    let new = NewRunner {
        slug: arguments.slug,
        name: arguments.title,
        specs: arguments.specs,
    };
    let made: RunnerWithKey = session
        .connection
        .post(PATH, &new)
        .map_err(|error| error.to_string())?;
    key(&made, session.terminal)?;
    if !has_specs {
        let slug = printable(&made.runner.slug);
        session.terminal.warning(&format!(
            "it runs nothing until it is linked: `runner admin runners link {slug} SPEC`, and \
             `runner admin specs ls` lists specs"
        ));
    }
    Ok(())
}

fn rotate_key(arguments: &One, session: &Session<'_>) -> Result<(), String> {
    let path = format!("{}/key", path(&arguments.name));
    let made: RunnerWithKey = session
        .connection
        .post(&path, &())
        .map_err(|error| error.to_string())?;
    key(&made, session.terminal)
}

fn key(made: &RunnerWithKey, terminal: &Terminal) -> Result<(), String> {
    let slug = printable(&made.runner.slug);
    let what = format!(
        "this key of the runner `{slug}` is shown only now: keep it in a file on the runner's host, for \
         `runner up --runner {slug} --key-file FILE`"
    );
    secret(&made.key, &what, terminal)
}

fn archive(arguments: &One, session: &Session<'_>) -> Result<(), String> {
    let path = format!("{}/archive", path(&arguments.name));
    let runner: Runner = session
        .connection
        .post(&path, &())
        .map_err(|error| error.to_string())?;
    output::text(&description(&runner, &[]))
}

/// Does `one` with the path of each link.
fn each_spec(
    arguments: &RunnersLink,
    what: &str,
    session: &Session<'_>,
    one: impl Fn(&str) -> Result<(), ClientError>,
) -> Result<(), String> {
    let runner = path(&arguments.runner);
    many::each(&arguments.specs, what, session.terminal, |spec| {
        one(&format!("{runner}/specs/{}", encoded(spec)))
    })
}

/// What the columns that hold no names take: a state, an age, a kind of machine, a version, an age, and two
/// spaces between each of all six columns and the next.
const FIXED: usize = 9 + 5 + 14 + 12 + 4 + 2 * 5;

fn listing(runners: &[Runner], now: Timestamp, width: usize) -> String {
    let most = width.saturating_sub(FIXED).max(8);
    let rows = runners.iter().map(|runner| {
        let says = |field: &str| runner.metadata.as_ref()?[field].as_str();
        [
            cut(&printable(&runner.slug), most),
            state(runner).to_owned(),
            runner
                .seen
                .as_ref()
                .map_or_else(|| "never".to_owned(), |seen| ago(seen, now)),
            says("os")
                .zip(says("arch"))
                .map_or_else(String::new, |(os, architecture)| machine(os, architecture)),
            cut(&printable(says("version").unwrap_or_default()), 12),
            ago(&runner.created, now),
        ]
    });
    let titles = ["RUNNER", "STATE", "SEEN", "MACHINE", "VERSION", "AGE"];
    table(titles, &["SEEN", "AGE"], rows)
}

fn state(runner: &Runner) -> &'static str {
    match (&runner.archived, runner.connected) {
        (Some(_), _) => "archived",
        (None, true) => "connected",
        (None, false) => "away",
    }
}

fn description(runner: &Runner, linked: &[Spec]) -> String {
    let says = |field: &str| runner.metadata.as_ref()?[field].as_str();
    let is = says("os").zip(says("arch"));
    let mut text = facts([
        ("runner", Some(runner.slug.clone())),
        ("name", Some(runner.name.clone())),
        ("identifier", Some(runner.id.clone())),
        ("state", Some(state(runner).to_owned())),
        (
            "seen",
            Some(runner.seen.clone().unwrap_or_else(|| "never".to_owned())),
        ),
        (
            "machine",
            is.map(|(os, architecture)| machine(os, architecture)),
        ),
        ("version", says("version").map(str::to_owned)),
        ("created", Some(runner.created.clone())),
        ("archived", runner.archived.clone()),
    ]);
    for spec in linked {
        let must_be = (spec.os.as_str(), spec.architecture.as_str());
        // It was linked before it said what it is.
        let remark = match is {
            Some(is) if is != must_be => format!(
                ", for {}: this runner refuses its jobs, so unlink it",
                machine(must_be.0, must_be.1)
            ),
            _ => String::new(),
        };
        let archived = spec.archived.as_ref().map_or("", |_| ", archived");
        text += &facts([("spec", Some(format!("{}{archived}{remark}", spec.slug)))]);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::specs::tests::spec;

    fn runner(slug: &str, fields: &serde_json::Value) -> Runner {
        let mut runner = json!({
            "id": "01a22910-5555-7000-8000-00000000000a", "slug": slug, "name": slug,
            "created": "2026-11-30T11:00:00Z", "connected": false,
        });
        for (name, value) in fields.as_object().expect("fields") {
            runner[name] = value.clone();
        }
        serde_json::from_value(runner).expect("a runner")
    }

    #[test]
    fn runners_are_in_a_table_and_steer_no_terminal() {
        let is = json!({"os": "linux", "arch": "x86_64", "version": "1.2.3"});
        let runners = [
            runner("new", &json!({})),
            runner(
                "lab-1",
                &json!({"connected": true, "seen": "2026-11-30T11:59:50Z", "metadata": is}),
            ),
            runner(
                "a-name-that-is-much-longer-than-others-and-than-there-is-room",
                &json!({"archived": "2026-11-30T11:30:00Z", "seen": "2026-11-30T11:20:00Z", "metadata": is}),
            ),
            runner(
                "\u{1b}[2J",
                &json!({"metadata": {"os": "\u{1b}[2J", "arch": "\n", "version": "\u{202e}"}}),
            ),
            runner("odd", &json!({"metadata": [1]})),
        ];
        let now = "2026-11-30T12:00:00Z".parse().expect("a moment");
        let text = listing(&runners, now, 100);
        let mut arm = spec("arm");
        arm.architecture = "aarch64".to_owned();
        let mut old = spec("old");
        old.archived = Some(String::new());
        let shown = description(&runners[1], &[spec("intel"), arm, old]);
        insta::assert_snapshot!(text + "\n" + &shown);
    }
}
