//! The server's API, as far as it is needed here.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::watchdog::PATIENCE;

/// An administrator of a server.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    url: String,
    token: String,
    agent: ureq::Agent,
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A server that says no more is an error, and not the end of all progress.
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        Self {
            url: url.to_owned(),
            token: token.to_owned(),
            agent,
        }
    }

    /// The same administrator at the server of another address.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self {
            url: format!("http://{address}"),
            ..self.clone()
        }
    }

    /// What the server answers to a GET.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get_if_there(path)?;
        answer.with_context(|| format!("GET {path}: there is no such thing"))
    }

    /// What the server answers to a GET; `None` where it has nothing of that name.
    pub(crate) fn get_if_there(&self, path: &str) -> anyhow::Result<Option<Value>> {
        self.send("GET", path, "")
    }

    /// What the server answers to a POST.
    pub(crate) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.send("POST", path, &body.to_string())?;
        answer.with_context(|| format!("POST {path}: there is no such thing"))
    }

    fn send(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Option<Value>> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body.to_owned())?;
        let asked = || format!("{method} {path}");
        let mut response = self.agent.run(request).with_context(asked)?;
        let text = response.body_mut().read_to_string().with_context(asked)?;
        let status = response.status();
        if status == ureq::http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        ensure!(status.is_success(), "{}: {status} {text}", asked());
        serde_json::from_str(&text).map(Some).with_context(asked)
    }

    /// Waits until the job is in one of `states`, and gives the one it is in.
    ///
    /// # Errors
    ///
    /// When it ends in another one, or the server does.
    pub(crate) fn wait_for(&self, job: &str, states: &[&str]) -> anyhow::Result<String> {
        let request = self
            .agent
            .get(format!("{}/v0/jobs/{job}/events", self.url))
            .header("authorization", format!("Bearer {}", self.token));
        let response = request.call()?;
        ensure!(response.status().is_success(), "{}", response.status());
        let mut last = String::new();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.context("the server hung up")?;
            let Some(data) = line.strip_prefix("data: ") else {
                continue;
            };
            let data: Value = serde_json::from_str(data)?;
            let Some(state) = data["state"].as_str() else {
                continue;
            };
            state.clone_into(&mut last);
            if states.contains(&state) {
                return Ok(last);
            }
        }
        let why = self.get(&format!("/v0/jobs/{job}"))?["error"].take();
        bail!(
            "the job is {last}, and never was {}: {why}",
            states.join(" or ")
        )
    }
}
