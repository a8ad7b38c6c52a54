//! What the fuzz targets check, as functions that the ordinary tests run too.
//!
//! A check takes any bytes and panics if the program breaks a promise about them. The fuzzer
//! (`fuzz/`, a workspace of its own) looks for such bytes; the tests of this crate run the
//! committed seeds, so that neither the checks nor the seeds rot.
//!
//! | target | what the bytes are | what is promised |
//! |---|---|---|
//! | [`adapters`] | what a benchmark harness printed | finite numbers, errors of one harmless line |
//! | [`archive_index`] | an image archive | no name leads out of it |
//! | [`channel_messages`] | what runner and server say to each other | what decodes encodes to the same, cut or not |
//! | [`documents`] | an index, a manifest, a configuration | no panic, errors of one harmless line |
//! | [`ext4`] | decisions that layers are made by | `e2fsck` finds no flaw in their image |
//! | [`guest_frames`] | what a guest sends | the same messages however the stream is cut |
//! | [`host_frames`] | what the host sends | what decodes encodes to the same |
//! | [`image_reference`] | what a user asks for | messages that do not control the terminal |
//! | [`merge`] | decisions that layers are made by | what a second implementation makes of them |
//! | [`registry_answers`] | what a registry says beside images | no panic, no way to less encryption |
//! | [`tar`] | a layer | contents and names within the limits and within the input |

#[path = "../../../crates/bencher_rootfs/tests/support/archive.rs"]
#[expect(
    dead_code,
    reason = "the tests of the root filesystem use the rest of it"
)]
#[expect(clippy::unwrap_used, reason = "it is written for tests, which panic")]
mod archive;
mod choices;

pub mod adapters;
pub mod archive_index;
pub mod channel_messages;
pub mod documents;
pub mod ext4;
pub mod guest_frames;
pub mod host_frames;
pub mod image_reference;
pub mod merge;
pub mod registry_answers;
pub mod tar;

/// Whether the program took an input or refused it; both are right, a panic is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The input was valid to its end.
    Accepted,
    /// The input was refused with an error.
    Refused,
}

/// A check with its name.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the fuzz target and of its folder of seeds.
    pub name: &'static str,
    /// What it does with an input.
    pub check: fn(&[u8]) -> Outcome,
}

/// All checks.
pub const TARGETS: [Target; 11] = [
    Target {
        name: "adapters",
        check: adapters::check,
    },
    Target {
        name: "archive_index",
        check: archive_index::check,
    },
    Target {
        name: "channel_messages",
        check: channel_messages::check,
    },
    Target {
        name: "documents",
        check: documents::check,
    },
    Target {
        name: "ext4",
        check: ext4::check,
    },
    Target {
        name: "guest_frames",
        check: guest_frames::check,
    },
    Target {
        name: "host_frames",
        check: host_frames::check,
    },
    Target {
        name: "image_reference",
        check: image_reference::check,
    },
    Target {
        name: "merge",
        check: merge::check,
    },
    Target {
        name: "registry_answers",
        check: registry_answers::check,
    },
    Target {
        name: "tar",
        check: tar::check,
    },
];

/// Panics if a message has several lines or controls the terminal.
fn is_one_harmless_line(text: &str) {
    assert!(
        !text.chars().any(char::is_control),
        "a text that controls the terminal: {text:?}"
    );
}
