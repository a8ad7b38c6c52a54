//! What pages say of how a job was measured.

use serde_json::json;

use super::{EVIL, has_evil, signed_in};
use crate::evidence::{claim, end, evidence};
use crate::support::*;

#[test]
fn whether_numbers_can_be_trusted_is_beside_them() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = claim(&mut runner);
    let completed = json!({"event": "completed"});
    end(&mut runner, completed, &job, &evidence(EVIL));
    site.api.wait_for(&id, &["processed"]);
    let mut visitor = signed_in(&site);
    let page = visitor.get(&format!("/jobs/{id}"));
    assert!(!has_evil(&page.text), "{}", page.text);
    for part in [
        "1 iteration is suspect, since the host was not quiet: ",
        "can not be compared with those of other machines: ",
        "In a microVM of QEMU, emulated, on ",
        "wall time",
        "3 ms",
        "CPU time",
        "peak memory",
        "3 MiB",
        ": 4 ms, suspect",
        ", and what has a ring is suspect",
        "The host was not quiet: ",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    let document = visitor.get(&format!("/jobs/{id}/evidence"));
    let document: serde_json::Value = serde_json::from_str(&document.text).unwrap();
    assert_eq!(document, evidence(EVIL));
    let list = visitor.get("/jobs");
    assert!(!has_evil(&list.text), "{}", list.text);
    assert!(list.text.contains(">suspect<") && list.text.contains(">not comparable<"));
}

#[test]
fn a_comparison_is_one_of_what_runners_measured_too() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let body = json!({"project": "p", "spec": "s", "rounds": 1, "sides": [config(), config()]});
    let made = site.api.post("/v0/comparisons", &body);
    for _ in 0..2 {
        let job = claim(&mut runner);
        let completed = json!({"event": "completed"});
        end(&mut runner, completed, &job, &evidence("others took 5 %"));
        site.api.wait_for(job.as_str().unwrap(), &["processed"]);
    }
    let mut visitor = signed_in(&site);
    let id = made["comparison"].as_str().unwrap();
    let page = visitor.get(&format!("/comparisons/{id}"));
    for part in [
        "2 iterations are suspect, since the host was not quiet: others took 5 %.",
        "wall time",
        "peak memory",
        "3 ms",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
}
