//! What init does while the command does nothing.

use crate::harness::{image_or_skip, run};

/// What there is to do from the command's start to its end: to send word of the start, and to
/// receive that of the end, which comes in a few pieces.
const MOST: u64 = 10;

#[test]
fn init_sleeps_while_the_command_does() {
    let image = image_or_skip!();
    let outcome = run(image.script("sleep 1")).succeeded();
    let line = outcome
        .logs
        .iter()
        .find_map(|(_, text)| text.strip_prefix("init waited "))
        .unwrap_or_else(|| panic!("init does not tell: {outcome:?}"));
    let (waited, rest) = line.split_once(' ').unwrap();
    assert!(waited.parse::<u64>().unwrap() <= MOST, "{line}");
    assert!(rest.ends_with("while the command ran"), "{line}");
}

#[test]
fn a_command_that_never_began_was_not_waited_for() {
    let image = image_or_skip!();
    let outcome = run(image.orders(&["nope"]));
    let tells = |text: &str| text.starts_with("init waited ");
    assert!(!outcome.logs.iter().any(|(_, text)| tells(text)));
}
