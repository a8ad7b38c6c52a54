//! A browser, as far as the server can tell: it keeps cookies and sends forms.

use std::fmt::Write as _;

use ureq::http::{HeaderMap, Request};

/// Somebody who looks at pages.
#[derive(Debug)]
pub(super) struct Visitor {
    url: String,
    cookie: Option<String>,
    agent: ureq::Agent,
}

/// What the server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    headers: HeaderMap,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn location(&self) -> &str {
        self.header("location")
    }

    /// What a form of this page proves itself with.
    pub(super) fn proof(&self) -> &str {
        let (_, rest) = self.text.split_once("name=\"proof\" value=\"").unwrap();
        rest.split_once('"').unwrap().0
    }

    /// Where the link with this attribute leads.
    pub(super) fn href(&self, attribute: &str) -> &str {
        let (before, _) = self.text.split_once(attribute).unwrap();
        let (_, href) = before.rsplit_once("href=\"").unwrap();
        href.split_once('"').unwrap().0
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        write!(encoded, "%{byte:02X}").unwrap();
    }
    encoded
}

impl Visitor {
    pub(super) fn new(url: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .new_agent();
        Self {
            url: url.to_owned(),
            cookie: None,
            agent,
        }
    }

    fn send(&mut self, request: ureq::http::request::Builder, body: String) -> Answer {
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        let mut response = self.agent.run(request.body(body).unwrap()).unwrap();
        let answer = Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.body_mut().read_to_string().unwrap(),
        };
        if let Some((cookie, _)) = answer.header("set-cookie").split_once(';') {
            self.cookie = Some(cookie.to_owned());
        }
        answer
    }

    pub(super) fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(format!("{}{path}", self.url));
        self.send(request, String::new())
    }

    /// As a browser asks for a page.
    pub(super) fn browse(&mut self, path: &str) -> Answer {
        let request = Request::get(format!("{}{path}", self.url)).header(
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        );
        self.send(request, String::new())
    }

    pub(super) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, fields, &[])
    }

    /// With what a browser adds.
    pub(super) fn post_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::post(format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let pairs: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        self.send(request, pairs.join("&"))
    }

    pub(super) fn sign_in(&mut self, token: &str, next: &str) -> Answer {
        self.post("/sign-in", &[("token", token), ("next", next)])
    }
}
