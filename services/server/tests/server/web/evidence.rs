//! What pages say of how a job was measured.

use serde_json::json;

use super::{EVIL, has_evil, signed_in};
use crate::evidence::{claim, end, evidence, evidence_of};
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
        "1 iteration is suspect: ",
        "can not be compared with those of other machines: ",
        "Machine: a microVM of QEMU, emulated",
        "Host: ",
        "wall time",
        "3 ms",
        "CPU time",
        "peak memory",
        "3 MiB",
        ": 4 ms, suspect",
        ", and what is in a ring is suspect",
        "It is suspect: ",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    let document = visitor.get(&format!("/jobs/{id}/evidence"));
    let document: serde_json::Value = serde_json::from_str(&document.text).unwrap();
    assert_eq!(document, evidence(EVIL));
    let list = visitor.get("/jobs");
    assert!(!has_evil(&list.text), "{}", list.text);
    assert!(list.text.contains(">suspect<") && list.text.contains(">this machine only<"));
}

#[test]
fn that_nobody_knows_how_it_was_measured_is_beside_the_numbers_too() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let id = site.submit();
    let job = claim(&mut runner);
    let mut newer = evidence("it");
    newer["version"] = 2.into();
    end(&mut runner, json!({"event": "completed"}), &job, &newer);
    site.api.wait_for(&id, &["processed"]);
    let mut ended = |stdout: &str| {
        let id = site.submit();
        let job = runner.claim();
        assert_eq!(runner.say("running"), "ack");
        let results = json!([{"exit_code": 0, "stdout": stdout}]);
        runner.send(&json!({"event": "completed", "job": job["uuid"], "results": results}));
        runner.receive();
        site.api.wait_for(&id, &["processed"]);
        id
    };
    let silent = ended(r#"{"b": {"latency": {"value": 1}}}"#);
    let without_numbers = ended("out");
    let mut visitor = signed_in(&site);
    for (job, part) in [
        (&id, "This server does not know the layout"),
        (&silent, "The runner did not tell how it measured"),
    ] {
        let page = visitor.get(&format!("/jobs/{job}"));
        for part in ["Nobody knows here what speaks against", part] {
            assert!(page.text.contains(part), "{part} is not in {}", page.text);
        }
    }
    let page = visitor.get(&format!("/jobs/{without_numbers}")).text;
    assert!(page.contains(">out<") && !page.contains("Trust"), "{page}");
}

#[test]
fn a_comparison_is_one_of_what_runners_measured_too() {
    let site = Site::new();
    let mut runner = site.connected("r");
    let of_image = |image: &str| {
        let mut config = config();
        config["image"] = image.into();
        config
    };
    let body = json!({
        "project": "p", "spec": "s", "rounds": 2, "sides": [of_image("before"), of_image("after")],
    });
    let made = site.api.post("/v0/comparisons", &body);
    for _ in 0..4 {
        runner.send(&json!({"event": "ready", "poll_timeout": 60, "evidence": true}));
        let job = runner.receive();
        runner.say("running");
        let is_second = job["config"]["image"] == "after";
        let longer = if is_second { 1_000_000 } else { 0 };
        let walls: Vec<u64> = (0..6)
            .map(|number| 10_000_000 + longer + number * 1000)
            .collect();
        let mut evidence = evidence_of(&walls, "others took 5 %");
        if !is_second {
            for iteration in evidence["iterations"].as_array_mut().unwrap() {
                iteration["validity"] = json!({"verdict": "valid", "reasons": []});
            }
            evidence["trust"]["suspect_iterations"] = 0.into();
        }
        let completed = json!({"event": "completed"});
        end(&mut runner, completed, &job["uuid"], &evidence);
        let id = job["uuid"].as_str().unwrap();
        site.api.wait_for(id, &["processed"]);
    }
    let mut visitor = signed_in(&site);
    let id = made["comparison"].as_str().unwrap();
    let page = visitor.get(&format!("/comparisons/{id}")).text;
    for part in [
        "Side 2",
        "2 iterations are suspect: others took 5 % (and in 1 more).",
        "wall time",
        "10.003 ms",
        "11.003 ms",
        "+10.00 %",
        "peak memory",
        "and not with what ran on other machines: others took 5 %.",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    // What is suspect is the second side's.
    assert!(!page.contains("Side 1"), "{page}");
    assert_eq!(page.matches("11.005 ms, suspect").count(), 2, "{page}");
    assert_eq!(page.matches("10.005 ms, suspect").count(), 0, "{page}");
}
