//! Terminal messages that are too long.

use bencher_channel_protocol::{
    Evidence, IterationOutput, RESERVED_OUTPUT, RunnerMessage, Terminal, TooSmall, Uuid,
};
use proptest::prelude::*;

use crate::samples::{any_terminal, files, result};

fn completed(results: Vec<IterationOutput>) -> Terminal {
    Terminal::Completed {
        job: Uuid::nil(),
        results,
        evidence: None,
    }
}

/// What arrives, and whether it was cut.
fn arriving(terminal: Terminal, limit: usize) -> (Terminal, bool) {
    let encoded = terminal.encode_within(limit).unwrap();
    assert!(
        encoded.text.len() <= limit,
        "{} > {limit}",
        encoded.text.len()
    );
    let message = RunnerMessage::decode(&encoded.text).unwrap();
    (message.into_terminal().unwrap(), encoded.is_cut)
}

fn results(terminal: Terminal) -> Vec<IterationOutput> {
    match terminal {
        Terminal::Completed { results, .. } | Terminal::Failed { results, .. } => results,
        Terminal::Canceled { .. } => panic!("no results"),
    }
}

#[test]
fn what_fits_is_left_alone() {
    let terminal = completed(vec![result("hello\n")]);
    let length = RunnerMessage::from(terminal.clone()).encode().len();
    assert_eq!(
        arriving(terminal.clone(), length),
        (terminal.clone(), false)
    );
    assert_eq!(
        terminal.encode_within(20),
        Err(TooSmall {
            limit: 20,
            needed: 79
        })
    );
}

#[test]
fn the_longest_texts_are_cut_first() {
    let long = "0123456789\n".repeat(10_000);
    let mut first = result(&long);
    first.stderr = Some("a warning".to_owned());
    first.output = Some(files(&[
        ("/small", "kept"),
        ("/large", &long),
        (RESERVED_OUTPUT, "{}"),
    ]));
    let (terminal, is_cut) = arriving(completed(vec![first, result("second")]), 10_000);
    assert!(is_cut);
    let results = results(terminal);
    assert_eq!(results[1], result("second"));
    let first = &results[0];
    assert_eq!(first.stderr.as_deref(), Some("a warning"));
    let files = first.output.as_ref().unwrap();
    assert_eq!(files["/small"], "kept");
    assert_eq!(files[RESERVED_OUTPUT], "{}");
    for text in [first.stdout.as_ref().unwrap(), &files["/large"]] {
        let (head, tail) = text.split_once("\n[the runner cut ").unwrap();
        assert!(head.len() > 2_000 && long.starts_with(head));
        let (_, tail) = tail.split_once(" bytes here]\n").unwrap();
        assert!(tail.len() > 2_000 && long.ends_with(tail));
    }
}

#[test]
fn too_many_files_are_left_out_but_not_what_was_measured() {
    let names: Vec<String> = (0..200)
        .map(|number| format!("/{number}/{}", "n".repeat(100)))
        .collect();
    let mut entries: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "contents")).collect();
    entries.push((RESERVED_OUTPUT, r#"{"a":{"build-time":{"value":1.23}}}"#));
    let mut only = result("the output");
    only.output = Some(files(&entries));
    let results = results(arriving(completed(vec![only]), 2_000).0);
    assert_eq!(results[0].stdout.as_deref(), Some("the output"));
    assert_eq!(results[0].output, Some(files(&entries[200..])));
    let said = results[0].stderr.as_ref().unwrap();
    assert!(said.contains("left out 200 output files"), "{said}");
}

#[test]
fn too_many_iterations_are_left_out() {
    let many = vec![result("x"); 1_000];
    let results = results(arriving(completed(many), 2_000).0);
    assert!(results.len() > 50, "{}", results.len());
    let (last, others) = results.split_last().unwrap();
    assert!(others.iter().all(|it| *it == result("x")));
    let left_out = format!("left out {} iterations", 1_000 - results.len());
    assert!(
        last.stderr.as_ref().unwrap().contains(&left_out),
        "{last:?}"
    );
}

#[test]
fn evidence_costs_no_results() {
    let evidence = |length: usize| {
        let text = format!(r#"{{"a":"{}"}}"#, "e".repeat(length));
        Evidence::new(text).unwrap()
    };
    let arriving = |results: usize, length: usize| {
        let terminal = Terminal::Completed {
            job: Uuid::nil(),
            results: vec![result(&"x".repeat(results))],
            evidence: Some(evidence(length)),
        };
        match arriving(terminal, 16_000) {
            (
                Terminal::Completed {
                    evidence, results, ..
                },
                is_cut,
            ) => (
                results[0].stdout.clone().unwrap(),
                evidence.is_some(),
                is_cut,
            ),
            other => panic!("{other:?}"),
        }
    };
    // There is room for both.
    assert_eq!(arriving(2000, 9000), ("x".repeat(2000), true, false));
    // There is not: the results arrive whole, however little is missing.
    for (results, length) in [(10_000, 9000), (15_800, 100), (15_000, 900)] {
        let expected = ("x".repeat(results), false, true);
        assert_eq!(arriving(results, length), expected, "{results} {length}");
    }
    // Results that have to be cut all the same leave room for a little.
    for (length, is_kept) in [(900, true), (1100, false)] {
        let (text, is_there, is_cut) = arriving(40_000, length);
        assert_eq!((is_there, is_cut), (is_kept, true), "{length}");
        assert!(text.len() > 14_000, "{}", text.len());
    }
}

#[test]
fn a_long_error_is_cut() {
    let failed = |length: usize| Terminal::Failed {
        job: Uuid::nil(),
        results: Vec::new(),
        error: "e".repeat(length),
        evidence: None,
    };
    for (length, limit, is_cut) in [
        (1_000, 65_536, false),
        (100_000, 1 << 20, true),
        (5_000, 400, true),
    ] {
        let (terminal, was_cut) = arriving(failed(length), limit);
        assert_eq!(was_cut, is_cut, "{length} in {limit}");
        match terminal {
            Terminal::Failed { error, .. } => {
                assert!(error.starts_with('e') && error.ends_with('e'));
                assert_eq!(error.contains("[the runner cut "), is_cut);
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    /// Whatever it is, what comes out fits, is a message of the same kind about the same job, and
    /// every exit code that is in it is in its place.
    #[test]
    fn whatever_is_cut_arrives(terminal in any_terminal(), limit in 500_usize..5_000) {
        let whole = RunnerMessage::from(terminal.clone()).encode();
        let (arrived, is_cut) = arriving(terminal.clone(), limit);
        prop_assert_eq!(arrived.job(), terminal.job());
        prop_assert_eq!(arrived.event(), terminal.event());
        prop_assert_eq!(is_cut, whole.len() > limit);
        if is_cut {
            for (before, after) in results(terminal).iter().zip(results(arrived)) {
                prop_assert_eq!(before.exit_code, after.exit_code);
            }
        } else {
            prop_assert_eq!(arrived, terminal);
        }
    }
}
