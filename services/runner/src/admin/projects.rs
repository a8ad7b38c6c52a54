//! `runner admin projects`.

use bencher_report::text::table;
use bencher_runner::Reporter as _;
use bencher_server_api::{NewProject, Project, Quota};
use jiff::Timestamp;

use super::Session;
use super::shown::identifier;
use crate::arguments::{Ls, ProjectsCommand, ProjectsCreate, ProjectsQuota, QuotaOptions, Show};
use crate::client::{encoded, listed, printable};
use crate::listing::{ago, cut, facts};
use crate::output;
use crate::terminal::Terminal;

const PATH: &str = "/v0/projects";

pub(super) fn run(command: ProjectsCommand, terminal: &Terminal) -> Result<(), String> {
    match command {
        ProjectsCommand::Ls(command) => ls(&command, &Session::new(&command.server, terminal)?),
        ProjectsCommand::Show(command) => show(&command, &Session::new(&command.server, terminal)?),
        ProjectsCommand::Create(command) => {
            let session = Session::new(&command.server, terminal)?;
            create(command, &session)
        }
        ProjectsCommand::Quota(command) => {
            quota(&command, &Session::new(&command.server, terminal)?)
        }
    }
}

fn ls(arguments: &Ls, session: &Session<'_>) -> Result<(), String> {
    let projects = listed::<Project>(&session.connection, PATH, &[], arguments.limit)
        .map_err(|error| error.to_string())?;
    output::print(&projects, arguments.json, |projects| {
        listing(projects, Timestamp::now(), output::look().width)
    })
}

fn get(name: &str, session: &Session<'_>) -> Result<Project, String> {
    session
        .connection
        .get(&format!("{PATH}/{}", encoded(name)))
        .map_err(|error| error.to_string())
}

fn show(arguments: &Show, session: &Session<'_>) -> Result<(), String> {
    let project = get(&arguments.name, session)?;
    output::print(&project, arguments.json, description)
}

fn create(arguments: ProjectsCreate, session: &Session<'_>) -> Result<(), String> {
    let new = NewProject {
        slug: arguments.slug,
        name: arguments.title,
        quota: changed(Quota::default(), &arguments.quota),
    };
    let project: Project = session
        .connection
        .post(PATH, &new)
        .map_err(|error| error.to_string())?;
    session.terminal.info(&format!(
        "made the project `{}`: its images go to REGISTRY/[FOLDER/] and this identifier",
        printable(&project.slug)
    ));
    identifier(&project.id)
}

fn quota(arguments: &ProjectsQuota, session: &Session<'_>) -> Result<(), String> {
    let asked = &arguments.quota;
    if asked.queued.is_none() && asked.active.is_none() && asked.priority.is_none() {
        return Err(
            "there is nothing to change: name --queued, --active or --priority; \
             `runner admin projects show` shows the quota"
                .to_owned(),
        );
    }
    let project = get(&arguments.project, session)?;
    let path = format!("{PATH}/{}/quota", encoded(&project.id));
    let project: Project = session
        .connection
        .put(&path, &changed(project.quota, asked))
        .map_err(|error| error.to_string())?;
    output::text(&description(&project))
}

/// `quota` with what is named.
fn changed(quota: Quota, asked: &QuotaOptions) -> Quota {
    Quota {
        queued: asked.queued.unwrap_or(quota.queued),
        active: asked.active.unwrap_or(quota.active),
        priority: asked.priority.unwrap_or(quota.priority),
    }
}

/// What the columns that hold no names take: an identifier, two numbers of two, a priority, an age, and two
/// spaces between each of all six columns and the next.
const FIXED: usize = 36 + 2 * 11 + 8 + 4 + 2 * 5;

fn listing(projects: &[Project], now: Timestamp, width: usize) -> String {
    let most = width.saturating_sub(FIXED).max(8);
    let rows = projects.iter().map(|project| {
        let quota = project.quota;
        [
            cut(&printable(&project.slug), most),
            printable(&project.id),
            format!("{}/{}", project.queued, quota.queued),
            format!("{}/{}", project.active, quota.active),
            quota.priority.to_string(),
            ago(&project.created, now),
        ]
    });
    let right = ["WAITING", "AT WORK", "PRIORITY", "AGE"];
    let titles = ["PROJECT", "ID", right[0], right[1], right[2], right[3]];
    table(titles, &right, rows)
}

fn description(project: &Project) -> String {
    let quota = project.quota;
    facts([
        ("project", Some(project.slug.clone())),
        ("name", Some(project.name.clone())),
        ("identifier", Some(project.id.clone())),
        (
            "waiting",
            Some(format!("{} of {} at most", project.queued, quota.queued)),
        ),
        (
            "at work",
            Some(format!("{} of {} at most", project.active, quota.active)),
        ),
        ("priority", Some(format!("{} at most", quota.priority))),
        ("created", Some(project.created.clone())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_in_a_table_and_steer_no_terminal() {
        let project = |slug: &str, queued| Project {
            id: "01a22910-5555-7000-8000-00000000000a".to_owned(),
            slug: slug.to_owned(),
            name: "Name\u{202e}".to_owned(),
            quota: Quota::default(),
            queued,
            active: 3,
            created: "2026-11-30T11:00:00Z".to_owned(),
        };
        let projects = [
            project("p", 0),
            project("a-name-that-is-much-longer-than-others", 10_000),
            project("\u{1b}[2J", 7),
        ];
        let now = "2026-11-30T12:00:00Z".parse().expect("a moment");
        let text = listing(&projects, now, 100);
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        insta::assert_snapshot!(text + "\n" + &description(&projects[2]));
    }

    #[test]
    fn a_quota_keeps_what_is_not_named() {
        let asked = QuotaOptions {
            queued: None,
            active: Some(2),
            priority: None,
        };
        let before = Quota {
            queued: 5,
            active: 1,
            priority: 9,
        };
        let after = Quota {
            active: 2,
            ..before
        };
        assert_eq!(changed(before, &asked), after);
    }
}
