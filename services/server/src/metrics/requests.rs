//! How long requests took, by what they asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;

use super::histogram::Histogram;
use super::text::{Family, Kind};

/// Upper bounds, in seconds. Few: there are as many histograms as there are routes.
const BOUNDS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0];
/// What is counted for a path that nothing is at: the path itself may be anything.
const NOWHERE: &str = "none";

/// What is asked for, and how it ended. There are as many as there are routes, for neither a path nor a
/// method that somebody has made up is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    route: String,
    method: &'static str,
    status: &'static str,
}

/// How long requests took until their answers began.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<BTreeMap<Asked, Histogram>>);

impl Requests {
    pub(super) fn add(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let asked = Asked {
            route: if route.is_empty() { NOWHERE } else { route }.to_owned(),
            method: name(method),
            status: class(status),
        };
        // Nothing panics while it is held.
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = requests
            .entry(asked)
            .or_insert_with(|| Histogram::new(BOUNDS));
        histogram.add(took);
    }

    pub(super) fn write(&self, text: &mut String) {
        let help = "From a request's headers to the beginning of its answer, by the pattern of its path and \
                    the class of its status.";
        let name = "bencher_http_request_duration_seconds";
        let mut family = Family::new(text, name, Kind::Histogram, help);
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (asked, histogram) in &*requests {
            let labels = [
                ("method", asked.method),
                ("route", asked.route.as_str()),
                ("status", asked.status),
            ];
            family.add_histogram(&labels, histogram);
        }
    }
}

fn name(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN
        .into_iter()
        .find(|known| method.as_str() == *known)
        .unwrap_or("other")
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_make_up_is_no_label() {
        let requests = Requests::default();
        let made_up = Method::from_bytes(b"BREW").expect("a method");
        for (method, route, status) in [
            (Method::GET, "/v0/jobs/{job}", 200),
            (Method::GET, "/v0/jobs/{job}", 204),
            (Method::GET, "/v0/jobs/{job}", 404),
            (made_up, "", 404),
        ] {
            requests.add(&method, route, status, Duration::from_millis(3));
        }
        let mut text = String::new();
        requests.write(&mut text);
        let counts: Vec<_> = text
            .lines()
            .filter(|line| line.contains("_count"))
            .collect();
        let name = "bencher_http_request_duration_seconds_count";
        assert_eq!(
            counts,
            [
                format!("{name}{{method=\"GET\",route=\"/v0/jobs/{{job}}\",status=\"2xx\"}} 2"),
                format!("{name}{{method=\"GET\",route=\"/v0/jobs/{{job}}\",status=\"4xx\"}} 1"),
                format!("{name}{{method=\"other\",route=\"none\",status=\"4xx\"}} 1"),
            ]
        );
    }
}
