//! Who may what: each operation of the API's document, asked for with each role.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::evidence::{claim, evidence};
use crate::support::*;

/// Who may do what, at the least. What is *of* a project is not there for tokens of another one.
const TABLE: &str = "
    anybody           GET     /healthz
    anybody           GET     /readyz
    anybody           GET     /metrics
    anybody           GET     /v0/openapi.json
    viewer            GET     /v0/jobs
    submitter of it   POST    /v0/jobs
    viewer of it      GET     /v0/jobs/{job}
    submitter of it   DELETE  /v0/jobs/{job}
    submitter of it   POST    /v0/jobs/{job}/cancel
    viewer of it      GET     /v0/jobs/{job}/events
    viewer of it      GET     /v0/jobs/{job}/evidence
    viewer of it      GET     /v0/jobs/{job}/results
    viewer of it      GET     /v0/jobs/{job}/results/{iteration}/{stream}
    viewer of it      GET     /v0/jobs/{job}/results/{iteration}/file
    viewer            GET     /v0/comparisons
    submitter of it   POST    /v0/comparisons
    viewer of it      GET     /v0/comparisons/{comparison}
    submitter of it   DELETE  /v0/comparisons/{comparison}
    viewer            GET     /v0/runners
    administrator     POST    /v0/runners
    viewer            GET     /v0/runners/{runner}
    administrator     POST    /v0/runners/{runner}/key
    administrator     POST    /v0/runners/{runner}/archive
    administrator     PUT     /v0/runners/{runner}/specs/{spec}
    administrator     DELETE  /v0/runners/{runner}/specs/{spec}
    viewer            GET     /v0/specs
    administrator     POST    /v0/specs
    viewer            GET     /v0/specs/{spec}
    administrator     POST    /v0/specs/{spec}/archive
    administrator     GET     /v0/releases
    administrator     POST    /v0/releases
    administrator     DELETE  /v0/releases/{release}
    viewer            GET     /v0/projects
    administrator     POST    /v0/projects
    viewer of it      GET     /v0/projects/{project}
    administrator     PUT     /v0/projects/{project}/quota
    administrator     GET     /v0/tokens
    administrator     POST    /v0/tokens
    administrator     DELETE  /v0/tokens/{token}
    administrator     GET     /v0/credentials
    administrator     PUT     /v0/credentials
    administrator     DELETE  /v0/credentials
";

/// What somebody is, or must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Whoever can reach the server.
    Anybody,
    /// Whoever has a token.
    Viewer,
    /// Whoever may submit.
    Submitter,
    /// An administrator whose token is of no single project.
    Administrator,
}

/// A line of the table.
#[derive(Debug)]
struct Operation {
    method: &'static str,
    path: &'static str,
    least: Rank,
    is_of_project: bool,
}

fn table() -> Vec<Operation> {
    let lines = TABLE.lines().filter(|line| !line.trim().is_empty());
    let operations = lines.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let least = match words[0] {
            "anybody" => Rank::Anybody,
            "viewer" => Rank::Viewer,
            "submitter" => Rank::Submitter,
            "administrator" => Rank::Administrator,
            other => panic!("{other}"),
        };
        Operation {
            method: words[words.len() - 2],
            path: words[words.len() - 1],
            least,
            is_of_project: words[1] == "of",
        }
    });
    operations.collect()
}

/// What there is to be asked for.
struct Made {
    job: String,
    comparison: String,
    release: String,
    token: String,
    /// Jobs and a comparison that are deleted or stopped.
    deleted: String,
    canceled: String,
    stopped: String,
}

const REGISTRY: &str = "http://127.0.0.1:5000";

fn credential() -> Value {
    json!({"registry": REGISTRY, "token": "t"})
}

fn release(version: &str, byte: &str) -> Value {
    json!({
        "version": version, "channel": "stable", "os": "linux", "architecture": "x86_64",
        "url": format!("https://releases.example/{version}"), "checksum": byte.repeat(32),
    })
}

fn comparison() -> Value {
    json!({"project": "p", "spec": "s", "rounds": 1, "sides": [config(), config()]})
}

/// A job that is over, with results and how it was measured.
fn ended(site: &Site, runner: &mut Runner) -> String {
    let id = site.submit();
    let job = claim(runner);
    runner.send(&json!({
        "event": "completed", "job": job, "evidence": evidence("x"),
        "results": [{"exit_code": 0, "stdout": "out", "output": {"/f": "file"}}],
    }));
    assert_eq!(runner.receive()["event"], "ack");
    site.api.wait_for(&id, &["processed"]);
    id
}

impl Made {
    fn at(site: &Site) -> Self {
        let mut runner = site.connected("r");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for slug in ["old", "linked"] {
            site.api.post("/v0/specs", &spec_body(slug));
        }
        site.api.post("/v0/runners", &json!({"slug": "other"}));
        site.api.put("/v0/credentials", &credential());
        let stopped = site.api.post("/v0/comparisons", &comparison());
        for job in stopped["jobs"].as_array().unwrap() {
            let path = format!("/v0/jobs/{}/cancel", job.as_str().unwrap());
            site.api.post(&path, &json!(null));
        }
        let release = release("1.0.0", "0a");
        let token = json!({"name": "x", "role": "viewer"});
        Self {
            job: ended(site, &mut runner),
            deleted: ended(site, &mut runner),
            canceled: site.submit(),
            comparison: text(&site.api.post("/v0/comparisons", &comparison())["comparison"]),
            stopped: text(&stopped["comparison"]),
            release: text(&site.api.post("/v0/releases", &release)["id"]),
            token: text(&site.api.post("/v0/tokens", &token)["token"]["id"]),
        }
    }

    /// Where the operation is asked for: what it ends, nothing else needs.
    fn address(&self, operation: &Operation) -> String {
        let (mut job, mut comparison, mut runner, mut spec) =
            (&self.job, &self.comparison, "r", "s");
        match (operation.method, operation.path) {
            ("DELETE", "/v0/jobs/{job}") => job = &self.deleted,
            (_, "/v0/jobs/{job}/cancel") => job = &self.canceled,
            ("DELETE", "/v0/comparisons/{comparison}") => comparison = &self.stopped,
            (_, "/v0/runners/{runner}/archive") => runner = "other",
            (_, "/v0/runners/{runner}/specs/{spec}") => spec = "linked",
            (_, "/v0/specs/{spec}/archive") => spec = "old",
            _ => {}
        }
        let query = match (operation.method, operation.path) {
            ("DELETE", "/v0/credentials") => format!("?registry={REGISTRY}"),
            (_, "/v0/jobs/{job}/results/{iteration}/file") => "?path=/f".to_owned(),
            _ => String::new(),
        };
        let mut address = operation.path.to_owned() + &query;
        for (name, place) in [
            ("{job}", job.as_str()),
            ("{comparison}", comparison.as_str()),
            ("{runner}", runner),
            ("{spec}", spec),
            ("{iteration}", "0"),
            ("{stream}", "stdout"),
            ("{project}", "p"),
            ("{release}", self.release.as_str()),
            ("{token}", self.token.as_str()),
        ] {
            address = address.replace(name, place);
        }
        address
    }
}

/// What is sent with it.
fn body(operation: &Operation) -> Option<String> {
    let body = match (operation.method, operation.path) {
        ("POST", "/v0/jobs") => job_body("p", "s"),
        ("POST", "/v0/comparisons") => comparison(),
        ("POST", "/v0/runners" | "/v0/projects") => json!({"slug": "new"}),
        ("POST", "/v0/specs") => spec_body("new"),
        ("POST", "/v0/releases") => release("1.0.1", "0b"),
        ("POST", "/v0/tokens") => json!({"name": "new", "role": "viewer"}),
        ("PUT", "/v0/projects/{project}/quota") => json!({"queued": 100}),
        ("PUT", "/v0/credentials") => credential(),
        _ => return None,
    };
    Some(body.to_string())
}

/// Somebody with a token, or with none.
struct Caller {
    name: &'static str,
    rank: Rank,
    /// Whether their token is of another project than what is asked for.
    is_stranger: bool,
    api: Api,
}

/// Everybody, the one who may most at the end.
fn callers(site: &Site) -> Vec<Caller> {
    let caller = |name, rank, role: &str, project: Option<&str>| {
        let body = json!({"name": name, "role": role, "project": project});
        let created = site.api.post("/v0/tokens", &body);
        Caller {
            name,
            rank,
            is_stranger: project == Some("q"),
            api: site.api.with_token(created["secret"].as_str().unwrap()),
        }
    };
    let (everywhere, here, elsewhere) = (None, Some("p"), Some("q"));
    vec![
        Caller {
            name: "nobody",
            rank: Rank::Anybody,
            is_stranger: false,
            api: site.api.with_token(""),
        },
        caller("admin elsewhere", Rank::Submitter, "admin", elsewhere),
        caller("viewer everywhere", Rank::Viewer, "viewer", everywhere),
        caller("viewer here", Rank::Viewer, "viewer", here),
        caller("submitter", Rank::Submitter, "submitter", everywhere),
        caller("admin here", Rank::Submitter, "admin", here),
        caller("admin", Rank::Administrator, "admin", everywhere),
    ]
}

/// The operations that the document has.
fn documented(site: &Site) -> BTreeSet<String> {
    let document = site.api.get("/v0/openapi.json");
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[test]
fn each_operation_is_for_those_who_may_do_it_and_for_nobody_else() {
    let site = Site::with(Setup::with(&["--rate-limit", "10000"]));
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let operations = table();
    let known = operations
        .iter()
        .map(|one| format!("{} {}", one.method, one.path));
    assert_eq!(
        known.collect::<BTreeSet<_>>(),
        documented(&site),
        "the table of this test has to say who may do what the document has"
    );
    let (made, callers) = (Made::at(&site), callers(&site));
    for operation in &operations {
        let (address, body) = (made.address(operation), body(operation));
        let mut is_done = false;
        for caller in &callers {
            let (status, text) = caller.api.send(operation.method, &address, body.as_deref());
            let what = format!("{operation:?}, {}: {status} {text}", caller.name);
            if caller.rank < operation.least {
                // Whoever tries too often without a token is told to wait.
                let refused: &[u16] = match caller.rank {
                    Rank::Anybody => &[401, 429],
                    _ => &[403],
                };
                assert!(refused.contains(&status), "{what}");
            } else if caller.is_stranger && operation.is_of_project {
                assert_eq!(status, 404, "{what}");
            } else if is_done {
                // It may be gone, or there already.
                assert!(![401, 403, 429].contains(&status), "{what}");
            } else {
                assert!((200..300).contains(&status), "{what}");
                is_done = true;
            }
        }
        assert!(is_done, "{operation:?}");
    }
}
