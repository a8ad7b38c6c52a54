//! `runner admin releases`.

use bencher_channel_protocol::UpdateChannel as Channel;
use bencher_report::text::table;
use bencher_runner::up::checksum;
use bencher_server_api::{NewRelease, Release};
use jiff::Timestamp;

use super::Session;
use super::shown::{identifier, machine};
use crate::arguments::{Ls, ReleasesCommand, ReleasesCreate, ReleasesRm, UpdateChannel};
use crate::client::{encoded, listed, printable};
use crate::listing::{ago, cut};
use crate::terminal::Terminal;
use crate::{many, output};

const PATH: &str = "/v0/releases";

pub(super) fn run(command: ReleasesCommand, terminal: &Terminal) -> Result<(), String> {
    match command {
        ReleasesCommand::Ls(command) => ls(&command, &Session::new(&command.server, terminal)?),
        ReleasesCommand::Create(command) => {
            let session = Session::new(&command.server, terminal)?;
            create(command, &session)
        }
        ReleasesCommand::Rm(command) => rm(&command, &Session::new(&command.server, terminal)?),
    }
}

fn ls(arguments: &Ls, session: &Session<'_>) -> Result<(), String> {
    let releases = listed::<Release>(&session.connection, PATH, &[], arguments.limit)
        .map_err(|error| error.to_string())?;
    output::print(&releases, arguments.json, |releases| {
        listing(releases, Timestamp::now(), output::look().width)
    })
}

fn create(arguments: ReleasesCreate, session: &Session<'_>) -> Result<(), String> {
    let checksum = match (&arguments.program, &arguments.checksum) {
        (Some(program), _) => checksum(program)
            .map_err(|error| format!("failed to read {}: {error}", program.display()))?,
        (None, checksum) => checksum
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|error| format!("{error}; --program FILE takes it of the program itself"))?,
    };
    let new = NewRelease {
        version: arguments.version,
        channel: match arguments.channel {
            UpdateChannel::Stable => Channel::Stable,
            UpdateChannel::Canary => Channel::Canary,
        },
        os: arguments.os.into(),
        architecture: arguments.architecture.into(),
        url: arguments.url,
        checksum,
    };
    let release: Release = session
        .connection
        .post(PATH, &new)
        .map_err(|error| error.to_string())?;
    identifier(&release.id)
}

fn rm(arguments: &ReleasesRm, session: &Session<'_>) -> Result<(), String> {
    many::each(
        &arguments.releases,
        "releases were not removed",
        session.terminal,
        |release| {
            let path = format!("{PATH}/{}", encoded(release));
            session.connection.delete(&path).map(|_| ())
        },
    )
}

/// What the columns that hold no names take: an identifier, a channel, a kind of machine, an age, and two
/// spaces between each of all six columns and the next.
const FIXED: usize = 36 + 7 + 14 + 4 + 2 * 5;

fn listing(releases: &[Release], now: Timestamp, width: usize) -> String {
    let most = (width.saturating_sub(FIXED) / 2).max(12);
    let rows = releases.iter().map(|release| {
        [
            printable(&release.id),
            cut(&printable(&release.version), most),
            printable(&release.channel),
            machine(&release.os, &release.architecture),
            ago(&release.created, now),
            cut(&printable(&release.url), most),
        ]
    });
    let titles = ["RELEASE", "VERSION", "CHANNEL", "MACHINE", "AGE", "FROM"];
    table(titles, &["AGE"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_in_a_table_and_steer_no_terminal() {
        let release = |version: &str, url: &str| Release {
            id: "01a22910-5555-7000-8000-00000000000a".to_owned(),
            version: version.to_owned(),
            channel: "stable".to_owned(),
            os: "linux".to_owned(),
            architecture: "x86_64".to_owned(),
            url: url.to_owned(),
            checksum: "ab".repeat(32),
            created: "2026-11-30T11:00:00Z".to_owned(),
        };
        let releases = [
            release("1.2.3", "https://releases.example/runner-1.2.3"),
            release("2.0.0-a.long.version.of.many.parts", "https://r.example"),
            release("\u{1b}[2J", "\u{202e}"),
        ];
        let now = "2026-11-30T12:00:00Z".parse().expect("a moment");
        insta::assert_snapshot!(listing(&releases, now, 100));
    }
}
