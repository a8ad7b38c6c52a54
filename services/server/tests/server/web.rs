//! Pages: who sees what, and that nothing that others wrote becomes a part of them.

mod agreement;
mod browser;
mod comparison;
mod contrast;
mod deletion;
mod evidence;
mod in_browser;
mod large;
mod results;
mod visitor;
mod waiting;

use serde_json::{Value, json};

use crate::support::*;
use visitor::{Answer, Visitor};

/// What every page must show as text.
const EVIL: &str = "'; DROP TABLE jobs; --<script>alert(1)</script>\"<img src=x onerror=alert(2)>";

fn has_evil(text: &str) -> bool {
    text.contains("<script>alert") || text.contains("<img")
}

/// A site with somebody who is signed in.
fn signed_in(site: &Site) -> Visitor {
    let mut visitor = Visitor::new(&site.server().url);
    let answer = visitor.sign_in(site.api.token(), "/jobs");
    assert_eq!(answer.status, 303);
    visitor
}

fn evil_job() -> Value {
    let mut body = job_body("p", "s");
    body["config"]["image"] = EVIL.into();
    body["config"]["cmd"] = json!([EVIL]);
    body["config"]["entrypoint"] = json!([EVIL]);
    body["config"]["env"] = json!({EVIL.replace('=', ""): EVIL});
    body["config"]["file_paths"] = json!([EVIL]);
    body
}

#[test]
fn nobody_sees_anything_without_a_token() {
    let site = Site::new();
    let job = site.submit();
    let mut visitor = Visitor::new(&site.server().url);
    for path in [
        "/jobs".to_owned(),
        "/runners".to_owned(),
        format!("/jobs/{job}"),
        format!("/jobs/{job}/events"),
        format!("/jobs/{job}/results"),
        format!("/jobs/{job}/evidence"),
    ] {
        let answer = visitor.get(&path);
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.location().starts_with("/sign-in?next=/"), "{path}");
    }
    let form = visitor.get("/sign-in?next=//evil.example/");
    assert_eq!(form.status, 200);
    assert!(!form.text.contains("evil.example"), "{}", form.text);
    // A form of another site does not even sign in.
    let token = site.api.token().to_owned();
    let fields = [("token", token.as_str())];
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        assert_eq!(
            visitor
                .post_with("/sign-in", &fields, &[(name, value)])
                .status,
            403
        );
    }
    let wrong = visitor.sign_in("bencher_user_wrong", "/jobs");
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.text.contains("not known, or revoked"),
        "{}",
        wrong.text
    );
    assert_eq!(visitor.get("/jobs").status, 303);
}

#[test]
fn a_session_is_as_good_as_its_token() {
    let site = Site::new();
    let made = site
        .api
        .post("/v0/tokens", &json!({"name": EVIL, "role": "viewer"}));
    let secret = made["secret"].as_str().unwrap();
    let mut visitor = Visitor::new(&site.server().url);
    let answer = visitor.sign_in(secret, "/runners");
    assert_eq!((answer.status, answer.location()), (303, "/runners"));
    let cookie = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let page = visitor.get("/jobs");
    assert_eq!(page.status, 200);
    assert!(!has_evil(&page.text), "{}", page.text);
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(!page.text.contains(secret), "the token is in the page");
    // The API takes no cookie, so no form of another site can use it.
    assert_eq!(visitor.get("/v0/jobs").status, 401);
    let id = made["token"]["id"].as_str().unwrap();
    site.api.delete(&format!("/v0/tokens/{id}"));
    let answer = visitor.get("/jobs");
    assert_eq!(answer.status, 303);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
}

#[test]
fn whoever_signs_in_anew_is_not_led_to_an_error() {
    let site = Site::new();
    let job = site.submit();
    let mut visitor = Visitor::new(&site.server().url);
    let answer = visitor.post(&format!("/jobs/{job}/cancel"), &[("proof", "0")]);
    let next = answer
        .location()
        .strip_prefix("/sign-in?next=")
        .unwrap()
        .to_owned();
    assert_eq!(
        (answer.status, next.as_str()),
        (303, format!("/jobs/{job}").as_str())
    );
    visitor.sign_in(site.api.token(), &next);
    assert_eq!(visitor.get(&next).status, 200);
}

#[test]
fn browsers_get_pages_for_errors_and_others_get_json() {
    let site = Site::new();
    let mut visitor = signed_in(&site);
    let job = site.submit();
    let of_pages = [
        ("/none".to_owned(), 404),
        (format!("/jobs/{job}/cancel"), 405),
        (format!("/jobs/{job}/results"), 404),
        (format!("/jobs/{job}/evidence"), 404),
        (format!("/jobs/{job}/results/0/stdout"), 404),
        (format!("/jobs/{job}/results/x/stdout"), 400),
        (format!("/jobs/{job}/results/0/file"), 400),
    ];
    for (path, status) in &of_pages {
        let page = visitor.browse(path);
        assert_eq!(page.status, *status, "{path}: {}", page.text);
        let kind = page.header("content-type");
        assert!(kind.starts_with("text/html"), "{path}: {kind}");
        assert!(
            page.text.contains("href=\"/jobs\""),
            "{path}: {}",
            page.text
        );
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
    }
    // What no browser asks for is as it was, and so is the API, whoever asks.
    for (path, _) in &of_pages[..2] {
        let answer = visitor.get(path);
        assert!(
            answer.text.starts_with("{\"error\""),
            "{path}: {}",
            answer.text
        );
    }
    let answer = visitor.browse("/v0/none");
    assert_eq!(answer.status, 404);
    assert!(answer.text.starts_with("{\"error\""), "{}", answer.text);
}

#[test]
fn signing_out_ends_a_session() {
    let site = Site::new();
    let mut visitor = signed_in(&site);
    let page = visitor.get("/jobs");
    assert_eq!(visitor.post("/sign-out", &[("proof", "0")]).status, 403);
    assert_eq!(visitor.get("/jobs").status, 200);
    assert_eq!(
        visitor.post("/sign-out", &[("proof", page.proof())]).status,
        303
    );
    assert_eq!(visitor.get("/jobs").status, 303);
}

#[test]
fn what_others_wrote_is_text() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let job = site.api.submit(&evil_job());
    let mut visitor = signed_in(&site);
    for path in ["/jobs".to_owned(), format!("/jobs/{job}")] {
        let page = visitor.get(&path);
        assert_eq!(page.status, 200);
        assert!(!has_evil(&page.text), "{}", page.text);
        assert!(
            page.text.contains("&lt;script&gt;alert(1)"),
            "{}",
            page.text
        );
    }
    runner.claim();
    runner.say("running");
    runner.send(&json!({
        "event": "failed", "job": job, "error": EVIL,
        "results": [{"exit_code": 1, "stdout": EVIL, "stderr": EVIL, "output": {EVIL: EVIL}}],
    }));
    assert_eq!(runner.receive()["event"], "ack");
    let page = visitor.get(&format!("/jobs/{job}"));
    assert!(!has_evil(&page.text), "{}", page.text);
    // The title, the error, both streams, the file's name, the command and the rest.
    assert!(
        page.text.matches("&lt;script&gt;alert(1)").count() >= 8,
        "{}",
        page.text
    );
    let stream = visitor.get(&format!("/jobs/{job}/results/0/stdout"));
    assert_eq!(stream.text, EVIL);
    assert!(stream.header("content-type").starts_with("text/plain"));
    assert_eq!(
        stream.header("content-security-policy"),
        "default-src 'none'; sandbox"
    );
    for query in [
        "project=%27;%20DROP%20TABLE%20jobs;%20--",
        "runner=%3Cscript%3Ealert(1)",
    ] {
        let page = visitor.get(&format!("/jobs?{query}"));
        assert_eq!(page.status, 404, "{query}");
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{query}"
        );
        assert!(!has_evil(&page.text), "{}", page.text);
    }
    assert_eq!(visitor.get("/jobs?state=%3Cscript%3E").status, 400);
    assert_eq!(visitor.get("/jobs/x").status, 404);
    assert_eq!(site.api.job(&job)["state"], "failed");
}

#[test]
fn jobs_of_other_projects_are_not_there() {
    let site = Site::new();
    site.api.post("/v0/projects", &json!({"slug": "q"}));
    let (mine, other) = (site.submit(), site.api.submit(&job_body("q", "s")));
    let mut runner = site.connected("r");
    let claimed = runner.claim();
    let made = site.api.post(
        "/v0/tokens",
        &json!({"name": "n", "role": "viewer", "project": "q"}),
    );
    let mut visitor = Visitor::new(&site.server().url);
    visitor.sign_in(made["secret"].as_str().unwrap(), "/jobs");
    let list = visitor.get("/jobs");
    assert!(list.text.contains(&other) && !list.text.contains(&mine));
    for path in ["", "/events", "/results", "/results/0/stdout"] {
        assert_eq!(
            visitor.get(&format!("/jobs/{mine}{path}")).status,
            404,
            "{path}"
        );
    }
    assert_eq!(visitor.get("/jobs?project=p").status, 404);
    // The older job was claimed.
    assert_eq!(claimed["uuid"], mine.as_str());
    let runners = visitor.get("/runners");
    assert!(
        runners.text.contains("a job of another project"),
        "{}",
        runners.text
    );
    assert!(!runners.text.contains(&mine));
    let own = signed_in(&site).get("/runners");
    assert!(
        own.text.contains(&format!("href=\"/jobs/{mine}\"")),
        "{}",
        own.text
    );
    assert!(
        own.text.contains("data-label=\"Connected\">yes<"),
        "{}",
        own.text
    );
}

#[test]
fn only_a_form_of_the_page_cancels() {
    let site = Site::new();
    let job = site.submit();
    let cancel = format!("/jobs/{job}/cancel");
    let made = site
        .api
        .post("/v0/tokens", &json!({"name": "n", "role": "viewer"}));
    let mut viewer = Visitor::new(&site.server().url);
    viewer.sign_in(made["secret"].as_str().unwrap(), "/jobs");
    let page = viewer.get(&format!("/jobs/{job}"));
    assert!(!page.text.contains(&cancel), "{}", page.text);
    let foreign = page.proof().to_owned();
    let refused = viewer.post(&cancel, &[("proof", &foreign)]);
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("role submitter"), "{}", refused.text);
    let mut visitor = signed_in(&site);
    let page = visitor.get(&format!("/jobs/{job}"));
    assert!(page.text.contains(&cancel), "{}", page.text);
    for fields in [&[][..], &[("proof", "")], &[("proof", foreign.as_str())]] {
        let refused = visitor.post(&cancel, fields);
        assert!([403, 422].contains(&refused.status), "{}", refused.status);
    }
    assert_eq!(visitor.get(&cancel).status, 405);
    assert_eq!(site.api.job(&job)["state"], "pending");
    let answer = visitor.post(&cancel, &[("proof", page.proof())]);
    assert_eq!(
        (answer.status, answer.location()),
        (303, format!("/jobs/{job}").as_str())
    );
    assert_eq!(site.api.job(&job)["state"], "canceled");
}

#[test]
fn lists_go_on() {
    let site = Site::new();
    let jobs: Vec<_> = (0..55).map(|_| site.submit()).collect();
    site.api
        .post(&format!("/v0/jobs/{}/cancel", jobs[3]), &json!(null));
    let mut visitor = signed_in(&site);
    let count = |page: &Answer| jobs.iter().filter(|job| page.text.contains(*job)).count();
    let first = visitor.get("/jobs?state=pending&project=");
    assert_eq!(count(&first), 50);
    let next = first.href("rel=\"next\"").replace("&amp;", "&");
    assert!(next.contains("state=pending"), "{next}");
    let second = visitor.get(&next);
    assert_eq!(count(&second), 4);
    assert!(!second.text.contains("rel=\"next\""), "{}", second.text);
    assert!(second.text.contains(">Newest<"), "{}", second.text);
    let canceled = visitor.get("/jobs?state=canceled");
    assert_eq!(count(&canceled), 1);
    assert!(
        canceled.text.contains("a user stopped it"),
        "{}",
        canceled.text
    );
    for wrong in ["/jobs?after='", "/runners?after=%00"] {
        assert_eq!(visitor.get(wrong).status, 400, "{wrong}");
    }
}

/// A job whose iterations measured something.
fn measured_job(site: &Site, runner: &mut Runner) -> String {
    let job = site.submit();
    runner.claim();
    runner.say("running");
    let result = |number: u32| {
        // Between 1.2 and 1.3 s, one of them far off.
        let far = if number == 17 { 0.4 } else { 0.0 };
        let value = 1.2 + f64::from(number * 37 % 40) / 400.0 + far;
        let metrics = json!({"parse": {"build-time": {"value": value}},
            "memory": {"peak": {"value": 1_000_000 + number * 1000}}});
        json!({"exit_code": i32::from(number == 5), "stdout": metrics.to_string(),
            "stderr": "a line\n", "output": {"/results/report.txt": "text"}})
    };
    let results: Vec<_> = (0..40).map(result).collect();
    runner.send(&json!({"event": "completed", "job": job, "results": results}));
    assert_eq!(runner.receive()["event"], "ack");
    job
}

#[test]
fn results_are_drawn() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let job = measured_job(&site, &mut runner);
    let mut visitor = signed_in(&site);
    let page = visitor.get(&format!("/jobs/{job}"));
    // Two measures of 40 iterations each.
    assert_eq!(page.text.matches("<circle").count(), 80);
    assert_eq!(page.text.matches("dot failed").count(), 2);
    assert_eq!(page.text.matches("<svg").count(), 4);
    assert!(
        page.text.contains("iteration 18: 1.6725 s"),
        "{}",
        page.text
    );
    assert!(page.text.contains("exit code 1"), "{}", page.text);
    let file = visitor.get(&format!(
        "/jobs/{job}/results/3/file?path=/results/report.txt"
    ));
    assert_eq!(file.text, "text");
}
