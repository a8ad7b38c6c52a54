//! Fills the server by its API.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Error;

/// Requests at a time.
const THREADS: usize = 8;
/// How often it is looked whether all results are read.
const LOOK: Duration = Duration::from_millis(200);
/// How often at most.
const LOOKS: usize = 300;

/// Whose jobs there are, and what they ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kinds {
    pub(crate) projects: NonZeroUsize,
    pub(crate) specs: NonZeroUsize,
}

#[derive(Debug, Clone)]
pub(crate) struct Api {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        Self {
            agent: ureq::Agent::new_with_defaults(),
            url: url.to_owned(),
            token: token.to_owned(),
        }
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let text = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .send(body.to_string())?
            .body_mut()
            .read_to_string()?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Makes projects, specs, and runners for all of them: their keys by their slugs.
    pub(crate) fn fleet(
        &self,
        kinds: Kinds,
        runners: usize,
    ) -> Result<HashMap<String, String>, Error> {
        let quota = json!({"queued": 1_000_000, "active": 1_000_000});
        many(kinds.projects.get(), |number| {
            let project = json!({"slug": format!("p{number}"), "quota": quota});
            self.post("/v0/projects", &project)
        })?;
        let specs: Vec<String> = (0..kinds.specs.get())
            .map(|number| format!("s{number}"))
            .collect();
        for slug in &specs {
            let spec = json!({
                "slug": slug, "os": "linux", "architecture": "x86_64", "sandbox": "firecracker",
                "cpu": 1, "memory": 1 << 30, "disk": 1 << 30,
            });
            self.post("/v0/specs", &spec)?;
        }
        let created = many(runners, |number| {
            let slug = format!("r{number}");
            let created = self.post("/v0/runners", &json!({"slug": slug, "specs": specs}))?;
            let key = created["key"].as_str().ok_or("no key")?;
            Ok((slug, key.to_owned()))
        })?;
        Ok(created.into_iter().collect())
    }

    /// Submits jobs, as many of each kind.
    pub(crate) fn submit(&self, kinds: Kinds, jobs: usize) -> Result<(), Error> {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let config = json!({"registry": "https://registry.example", "digest": digest});
        many(jobs, |number| {
            let (project, spec) = (
                number % kinds.projects,
                number / kinds.projects % kinds.specs,
            );
            let body = json!({
                "project": format!("p{project}"), "spec": format!("s{spec}"),
                "timeout": 600, "config": config,
            });
            self.post("/v0/jobs", &body)
        })?;
        Ok(())
    }

    /// How many jobs are in which state, once the results of `jobs` are read or it takes too long.
    pub(crate) fn settled(&self, jobs: usize) -> Result<HashMap<String, usize>, Error> {
        let mut states = HashMap::new();
        for _ in 0..LOOKS {
            let text = self
                .agent
                .get(format!("{}/metrics", self.url))
                .call()?
                .body_mut()
                .read_to_string()?;
            states = text
                .lines()
                .filter_map(|line| {
                    let rest = line.strip_prefix("bencher_jobs{state=\"")?;
                    let (state, count) = rest.split_once("\"} ")?;
                    Some((state.to_owned(), count.parse().ok()?))
                })
                .collect();
            if states.get("processed") == Some(&jobs) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        Ok(states)
    }
}

/// `count` requests, several at a time.
fn many<T: Send>(
    count: usize,
    request: impl Fn(usize) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|first| {
                let request = &request;
                scope.spawn(move || {
                    (first..count)
                        .step_by(THREADS)
                        .map(request)
                        .collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(count);
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a thread panicked")??);
        }
        Ok(all)
    })
}
