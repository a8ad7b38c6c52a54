//! The order of the conversation: every state with every message.

use bencher_output_protocol::{
    Conversation, ExitReport, ExitStatus, FileBegin, GuestMessage, LogLevel, ProtocolError,
    Resources,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::samples::said;

const HELLO: GuestMessage<'_> = GuestMessage::Hello {
    boot_nanoseconds: 1,
    kernel_release: "6.1",
};
const STARTED: GuestMessage<'_> = GuestMessage::Started {
    boot_nanoseconds: 2,
};
const STDOUT: GuestMessage<'_> = GuestMessage::Stdout(b"out");
const STDERR: GuestMessage<'_> = GuestMessage::Stderr(b"err");
const DATA: GuestMessage<'_> = GuestMessage::FileData(b"abc");
const END: GuestMessage<'_> = GuestMessage::FileEnd;
const MISSING: GuestMessage<'_> = GuestMessage::FileMissing {
    path: b"/x",
    reason: "gone",
};
const LOG: GuestMessage<'_> = GuestMessage::Log {
    level: LogLevel::Info,
    text: "line",
};
const FAILED: GuestMessage<'_> = GuestMessage::Failed {
    stage: "boot",
    reason: "no",
};
const DONE: GuestMessage<'_> = GuestMessage::Done;

fn begin(sent: u64) -> GuestMessage<'static> {
    GuestMessage::FileBegin(FileBegin {
        path: b"/x",
        mode: 0o644,
        size: 10,
        sent,
    })
}

fn exited() -> GuestMessage<'static> {
    GuestMessage::Exited(ExitReport {
        status: ExitStatus::Exited(0),
        resources: Resources::default(),
        stdout_bytes: 0,
        stderr_bytes: 0,
    })
}

/// Each row: a state, and what follows it after each message; `-` is a refusal.
const TABLE: &str = "
    state      hello     started stdout  stderr  exited     begin data  end        missing    log        failed done
    greeting   preparing -       -       -       -          -     -     -          -          -          over   -
    preparing  -         running -       -       collecting -     -     -          -          preparing  over   -
    running    -         -       running running collecting -     -     -          -          running    over   -
    collecting -         -       -       -       -          file3 -     -          collecting collecting over   over
    file4      -         -       -       -       -          -     file1 -          -          -          over   -
    file3      -         -       -       -       -          -     file0 -          -          -          over   -
    file2      -         -       -       -       -          -     -     -          -          -          over   -
    file0      -         -       -       -       -          -     -     collecting -          -          over   -
    over       -         -       -       -       -          -     -     -          -          -          -      -
";

fn message(name: &str) -> GuestMessage<'static> {
    match name {
        "hello" => HELLO,
        "started" => STARTED,
        "stdout" => STDOUT,
        "stderr" => STDERR,
        "exited" => exited(),
        "begin" => begin(3),
        "data" => DATA,
        "end" => END,
        "missing" => MISSING,
        "log" => LOG,
        "failed" => FAILED,
        "done" => DONE,
        name => panic!("no message {name}"),
    }
}

fn state(name: &str) -> Conversation {
    match name {
        "greeting" => Conversation::Greeting,
        "preparing" => Conversation::Preparing,
        "running" => Conversation::Running,
        "collecting" => Conversation::Collecting,
        "over" => Conversation::Over,
        file => Conversation::File {
            remaining: file.strip_prefix("file").unwrap().parse().unwrap(),
        },
    }
}

/// What is said against `message` in `state`.
fn objection(state: Conversation, message: &str) -> &'static str {
    match (state, message) {
        (Conversation::Greeting, _) => "a guest says hello first",
        (Conversation::Preparing, _) => "the command has not started",
        (Conversation::Running, _) => "the command has not exited",
        (Conversation::Collecting, _) => "only files may follow the exit",
        (Conversation::File { .. }, "data") => "the file is longer than announced",
        (Conversation::File { .. }, "end") => "the file is shorter than announced",
        (Conversation::File { .. }, _) => "a file is being sent",
        (Conversation::Over, _) => "nothing may follow the end",
    }
}

#[test]
fn every_message_in_every_state() {
    let mut rows = TABLE.lines().map(str::split_whitespace).skip(1);
    let names: Vec<_> = rows.next().unwrap().skip(1).collect();
    assert_eq!(names.len(), 12);
    for mut row in rows {
        let Some(before) = row.next().map(state) else {
            continue;
        };
        let answers: Vec<_> = row.collect();
        assert_eq!(answers.len(), names.len());
        for (&name, answer) in names.iter().zip(answers) {
            let message = message(name);
            let mut conversation = before;
            let result = conversation.advance(&message, 17);
            if answer == "-" {
                let error = ProtocolError::OutOfTurn {
                    index: 17,
                    name: message.name(),
                    expected: objection(before, name),
                };
                assert_eq!(result, Err(error), "{before:?} {name}");
                assert_eq!(conversation, before, "a refused message changes nothing");
            } else {
                assert_eq!(result, Ok(()), "{before:?} {name}");
                assert_eq!(conversation, state(answer), "{before:?} {name}");
            }
        }
    }
}

#[test]
fn a_whole_conversation_is_in_order() {
    let messages = [
        HELLO,
        LOG,
        STARTED,
        STDERR,
        STDOUT,
        LOG,
        exited(),
        begin(6),
        DATA,
        DATA,
        END,
        MISSING,
        LOG,
        begin(0),
        END,
        DONE,
    ];
    let mut conversation = Conversation::default();
    for (index, message) in (0..).zip(&messages) {
        conversation.advance(message, index).unwrap();
    }
    assert_eq!(conversation, Conversation::Over);
}

proptest! {
    #[test]
    fn nothing_follows_the_end_and_no_file_is_longer_than_announced(said in vec(said(), 0..60)) {
        let mut conversation = Conversation::default();
        let mut announced = 0_u64;
        let mut over = false;
        for said in &said {
            let message = said.message();
            let before = conversation;
            if conversation.advance(&message, 0).is_err() {
                prop_assert_eq!(conversation, before);
                continue;
            }
            prop_assert!(!over);
            match message {
                GuestMessage::FileBegin(begin) => announced = begin.sent,
                GuestMessage::FileData(bytes) => {
                    prop_assert!(bytes.len() as u64 <= announced);
                    announced -= bytes.len() as u64;
                }
                GuestMessage::FileEnd => prop_assert_eq!(announced, 0),
                _ => {}
            }
            over = conversation == Conversation::Over;
        }
    }
}
