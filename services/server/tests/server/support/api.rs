//! A client of the API.

use serde_json::{Value, json};

use super::PATIENCE;

/// Somebody with a token.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    url: String,
    token: String,
    agent: ureq::Agent,
}

/// What a job runs.
pub(crate) fn config() -> Value {
    json!({
        "registry": "http://127.0.0.1:5000",
        "digest": format!("sha256:{}", "ab".repeat(32)),
    })
}

pub(crate) fn job_body(project: &str, spec: &str) -> Value {
    json!({"project": project, "spec": spec, "timeout": 60, "config": config()})
}

pub(crate) fn spec_body(slug: &str) -> Value {
    json!({
        "slug": slug, "os": "linux", "architecture": "x86_64", "sandbox": "firecracker",
        "cpu": 2, "memory": 1 << 30, "disk": 1_u64 << 33,
    })
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        Self {
            url: url.to_owned(),
            token: token.to_owned(),
            agent,
        }
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The same server, for somebody with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self::new(&self.url, token)
    }

    /// The same token at another server.
    pub(crate) fn at(&self, url: &str) -> Self {
        Self::new(url, &self.token)
    }

    /// The status and the body.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        self.attempt(method, path, body).expect("an answer")
    }

    /// The same, of a server that may hang up first. The connection is used for nothing else.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Option<(u16, String)> {
        Self::new(&self.url, &self.token).attempt(method, path, body)
    }

    fn attempt(&self, method: &str, path: &str, body: Option<&str>) -> Option<(u16, String)> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body.unwrap_or_default().to_owned())
            .unwrap();
        let request = self
            .agent
            .configure_request(request)
            .timeout_global(Some(PATIENCE))
            .build();
        let mut response = self.agent.run(request).ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        let status = response.status().as_u16();
        // What may be done at another time says when, whatever it is.
        if path.starts_with("/v0/") && matches!(status, 429 | 503) {
            let wait = response.headers().get("retry-after");
            let seconds: u64 = wait.expect(&text).to_str().unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds} s: {text}");
        }
        Some((status, text))
    }

    fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string);
        let (status, text) = self.send(method, path, body.as_deref());
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {text}"
        );
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.json("GET", path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.json("POST", path, Some(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Value {
        self.json("PUT", path, Some(body))
    }

    pub(crate) fn delete(&self, path: &str) -> Value {
        self.json("DELETE", path, None)
    }

    /// The status and the message of what is refused.
    pub(crate) fn refused(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        // One that is refused before its body has come ends its connection, and maybe just as the next one is sent.
        let body = (!body.is_null()).then(|| body.to_string());
        let (status, text) = self.send(method, path, body.as_deref());
        assert!(status >= 400, "{method} {path}: {status} {text}");
        let error: Value = serde_json::from_str(&text).expect("errors are JSON");
        assert!(error["error"]["code"].is_string(), "{text}");
        let message = error["error"]["message"].as_str().expect("a message");
        (status, message.to_owned())
    }

    pub(crate) fn submit(&self, body: &Value) -> String {
        self.post("/v0/jobs", body)["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn job(&self, id: &str) -> Value {
        self.get(&format!("/v0/jobs/{id}"))
    }

    /// Waits until the job is in one of these states, by its events, and gives the last event.
    pub(crate) fn wait_for(&self, id: &str, states: &[&str]) -> Value {
        for event in self.events(id) {
            let (name, data) = event;
            if name == "state" && states.iter().any(|state| data["state"] == **state) {
                return data;
            }
        }
        let job = self.job(id);
        assert!(
            states.iter().any(|state| job["state"] == **state),
            "it is {job}"
        );
        job
    }

    /// A job's events until its end.
    pub(crate) fn events(&self, id: &str) -> Events {
        let request = self
            .agent
            .get(format!("{}/v0/jobs/{id}/events", self.url))
            .header("authorization", format!("Bearer {}", self.token));
        let response = request.call().unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let reader = std::io::BufReader::new(response.into_body().into_reader());
        Events(Box::new(std::io::BufRead::lines(reader)))
    }
}

/// Server-sent events: their names and their data.
pub(crate) struct Events(Box<dyn Iterator<Item = std::io::Result<String>> + Send>);

impl Iterator for Events {
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        let mut name = String::new();
        loop {
            let line = self.0.next()?.ok()?;
            if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(text).expect("JSON")));
            }
        }
    }
}
