//! Why a job waits, and which runners are connected.

use super::*;
use crate::outputs::wait_until;

#[test]
fn a_jobs_page_says_why_it_waits() {
    let site = Site::new();
    let (first, second) = (site.submit(), site.submit());
    let page = |id: &str| signed_in(&site).get(&format!("/jobs/{id}")).text;
    let nobody = "<p class=\"problem\" id=\"waits\">It waits: no runner is linked to the spec `s`: link \
                  one, or cancel the job.</p>";
    assert!(page(&first).contains(nobody), "{}", page(&first));
    let mut runner = site.connected("r");
    let queue = "<p class=\"hint\" id=\"waits\">It waits: 1 job is ahead.</p>";
    wait_until("it is connected", || page(&second).contains(queue));
    assert_eq!(runner.claim()["uuid"], first.as_str());
    assert!(!page(&first).contains("It waits"), "{}", page(&first));
}

#[test]
fn the_page_of_runners_says_which_are_connected() {
    let site = Site::new();
    let runner = site.connected("r");
    let page = || signed_in(&site).get("/runners").text;
    let is_connected = || page().contains("<td data-label=\"Connected\">yes</td>");
    wait_until("it is connected", is_connected);
    drop(runner);
    wait_until("it has hung up", || !is_connected());
    assert!(page().contains("last seen"), "{}", page());
}
