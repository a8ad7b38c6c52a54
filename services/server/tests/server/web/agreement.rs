//! The page of a comparison, and `runner comparisons report` of the same jobs.

use serde_json::{Value, json};

use super::signed_in;
use crate::client::{runner, site};
use crate::support::*;

/// The first iteration of a real result document, with these of its numbers.
fn evidence(clock: &str, wall_ns: u64, rss: u64) -> Value {
    let mut document: Value = serde_json::from_str(include_str!(
        "../../../../../crates/bencher_runner/tests/data/result-1.json"
    ))
    .unwrap();
    let mut iteration = document["iterations"][0].clone();
    iteration["resources"]["wall_ns"] = wall_ns.into();
    iteration["resources"]["cpu_us"] = (wall_ns / 2000).into();
    iteration["resources"]["max_rss_bytes"] = rss.into();
    document["iterations"] = json!([iteration]);
    document["machine"]["clock"] = clock.into();
    document
}

/// Compares two sides, of whose turns `played` says what was written and how it was measured, and returns the
/// comparison's identifier.
fn compared(
    site: &Site,
    connection: &mut Runner,
    rounds: usize,
    mut played: impl FnMut(usize, usize) -> (Value, Value),
) -> String {
    let of_image = |image: &str| {
        let mut config = config();
        config["image"] = image.into();
        config
    };
    let sides = [of_image("before"), of_image("after")];
    let body = json!({"project": "p", "spec": "s", "rounds": rounds, "sides": sides});
    let made = site.api.post("/v0/comparisons", &body);
    for turn in 0..2 * rounds {
        connection.send(&json!({"event": "ready", "poll_timeout": 60, "evidence": true}));
        let job = connection.receive();
        connection.say("running");
        let whose = usize::from(job["config"]["image"] == "after");
        let (measured, evidence) = played(turn, whose);
        connection.send(&json!({
            "event": "completed", "job": job["uuid"], "evidence": evidence,
            "results": [{"exit_code": 0, "stdout": json!({"b": measured}).to_string()}],
        }));
        assert_eq!(connection.receive()["event"], "ack");
    }
    for job in made["jobs"].as_array().unwrap() {
        site.api.wait_for(job.as_str().unwrap(), &["processed"]);
    }
    made["comparison"].as_str().unwrap().to_owned()
}

/// What the page has to say of a metric of the report.
fn expected(metric: &Value) -> String {
    let answer = &metric["answer"];
    if answer.is_null() {
        return "too few pairs".to_owned();
    }
    let share = |name: &str| {
        let value = answer["ratio"][name].as_f64().unwrap();
        format!("{:+.2} %", (value - 1.0) * 100.0)
    };
    let (class, words) = match answer["verdict"].as_str().unwrap() {
        "faster" | "slower" => ("badge running", "differs"),
        "no_difference_seen" => ("badge", "no difference seen"),
        "too_noisy" => ("badge", "too noisy"),
        other => panic!("{other}"),
    };
    let interval = format!("{} ({} to {})", share("value"), share("low"), share("high"));
    format!("{interval} <span class=\"{class}\">{words}</span>")
}

/// Makes sure that both say the same of each metric of the report, and returns the verdicts of these.
fn agree(site: &Site, id: &str) -> Vec<(String, Value)> {
    let output = runner(site, &["comparisons", "report", id, "--format", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let page = signed_in(site).get(&format!("/comparisons/{id}")).text;
    assert!(
        page.contains(&format!("runner comparisons report {id}")),
        "{page}"
    );
    let metrics = report["metrics"].as_array().unwrap();
    let verdicts = metrics.iter().map(|metric| {
        let name = metric["name"].as_str().unwrap();
        let heading = match name {
            "wall" => ("command", "wall time"),
            "cpu" => ("command", "CPU time"),
            "rss" => ("command", "peak memory of the largest process"),
            name => name.split_once('/').unwrap(),
        };
        let heading = format!(
            "<h3>{} <span class=\"hint\">{}</span></h3>",
            heading.0, heading.1
        );
        let (_, article) = page.split_once(&heading).expect(&heading);
        let (article, _) = article.split_once("</article>").unwrap();
        let part = expected(metric);
        assert!(
            article.contains(&part),
            "{name}: {part} is not in {article}"
        );
        (name.to_owned(), metric["answer"]["verdict"].clone())
    });
    verdicts.collect()
}

#[test]
fn the_page_and_the_report_say_the_same_of_the_same_jobs() {
    let site = site();
    let mut connection = site.connected("r");
    let doubtful = [0.0, 3.0, 3.0, 0.0, 0.0, 2.0, 2.0, 0.0];
    let noise = [0.0, 3.0, -3.0, 1.0, 2.0, -2.0, 0.5, -1.0];
    // Both sides become slower, in each pair the second one is a tenth slower, and of many other measures one
    // differs by chance.
    let id = compared(&site, &mut connection, 4, |turn, side| {
        let drift = [1.0, 1.1, 1.1, 1.2, 1.2, 1.3, 1.3, 1.4][turn];
        let cost = [100.0, 110.0][side] * drift + noise[turn] / 10.0;
        let mut measures =
            json!({"slower": {"value": cost}, "chance": {"value": 100.0 + doubtful[turn]}});
        for place in 0..12 {
            let value = 100.0 + noise[(turn * (place + 2) + place) % 8];
            measures[format!("m{place}")] = json!({"value": value});
        }
        let wall_ns = 10_000_000 + u64::try_from(turn * 7919 % 1000).unwrap();
        (measures, evidence("wall", wall_ns, 1_000_000))
    });
    let verdicts = agree(&site, &id);
    let of = |name: &str| &verdicts.iter().find(|(found, _)| found == name).unwrap().1;
    assert_eq!(verdicts.len(), 3 + 14, "{verdicts:?}");
    assert_eq!(of("b/slower"), "slower", "{verdicts:?}");
    assert_eq!(of("b/chance"), "too_noisy", "{verdicts:?}");
    // The same each time, and too seldom for a clock of hardware.
    assert!(of("rss").is_null(), "{verdicts:?}");
    // Under a virtual clock what is the same each time is exact.
    let id = compared(&site, &mut connection, 2, |_, side| {
        let wall_ns = 10_000_000 + 10 * u64::try_from(side).unwrap();
        (json!({}), evidence("virtual", wall_ns, 1_000_000))
    });
    let verdicts = agree(&site, &id);
    let names: Vec<_> = verdicts
        .iter()
        .map(|(name, verdict)| (name.as_str(), verdict.as_str().unwrap()))
        .collect();
    let same = "no_difference_seen";
    assert_eq!(names, [("wall", "slower"), ("cpu", same), ("rss", same)]);
}
