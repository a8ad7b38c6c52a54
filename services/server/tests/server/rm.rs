//! `runner jobs rm`.

use serde_json::json;

use crate::client::{play, runner, site};

#[test]
fn jobs_are_deleted_from_the_command_line() {
    let site = site();
    let mut connection = site.connected("r");
    let rm = |jobs: &[&str]| {
        let output = runner(&site, &[&["jobs", "rm"], jobs].concat())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let ids: Vec<_> = (0..2).map(|_| site.submit()).collect();
    for _ in &ids {
        play(&mut connection, "completed", &json!([{"exit_code": 3}]));
    }
    let waits = site.submit();
    let (code, stdout, stderr) = rm(&[&waits]);
    assert_eq!((code, stdout.as_str()), (Some(125), ""), "{stderr}");
    assert!(stderr.contains("is pending: cancel it first"), "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    // One that can not be deleted does not hold up the others.
    let (code, stdout, stderr) = rm(&[&ids[0], "../tokens", &waits, &ids[1]]);
    assert_eq!(
        (code, stdout),
        (Some(125), format!("{}\n{}\n", ids[0], ids[1]))
    );
    for part in [
        "error: ../tokens: the server refused (status 404): there is no job",
        &format!("error: {waits}: the server refused (status 409)"),
        "error: 2 of 4 jobs were not deleted",
    ] {
        assert!(stderr.contains(part), "{part} is not in {stderr}");
    }
    for id in &ids {
        assert_eq!(site.api.send("GET", &format!("/v0/jobs/{id}"), None).0, 404);
    }
    assert_eq!(site.api.job(&waits)["state"], "pending");
    site.api
        .post(&format!("/v0/jobs/{waits}/cancel"), &json!(null));
    // Its results are in the database alone, but something may be in the storage.
    std::fs::rename(site.path("outputs"), site.path("away")).unwrap();
    let (code, stdout, stderr) = rm(&[&waits]);
    assert_eq!((code, stdout), (Some(0), format!("{waits}\n")), "{stderr}");
    assert!(stderr.contains("is removed later"), "{stderr}");
    let (code, _, stderr) = rm(&[]);
    assert_eq!(code, Some(125), "{stderr}");
    assert!(stderr.contains("<JOB>..."), "{stderr}");
}
