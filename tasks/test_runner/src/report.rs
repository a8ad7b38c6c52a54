//! The parts of the runner's result document that the harness looks at.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What `runner run --result` wrote.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) host: Host,
    pub(crate) iterations: Vec<Iteration>,
    pub(crate) trust: Trust,
}

/// Where it ran.
#[derive(Debug, Deserialize)]
pub(crate) struct Machine {
    pub(crate) sandbox: String,
    pub(crate) accelerator: String,
    pub(crate) vmm_version: Option<String>,
}

/// The host around it.
#[derive(Debug, Deserialize)]
pub(crate) struct Host {
    pub(crate) tuning: Tuning,
    pub(crate) cpu_layout: CpuLayout,
}

/// What was done to the host.
#[derive(Debug, Deserialize)]
pub(crate) struct Tuning {
    /// `nobody`, `run`, …
    pub(crate) tuned_by: String,
    pub(crate) reason: Option<String>,
    pub(crate) knobs: Vec<Knob>,
}

/// One knob of the host.
#[derive(Debug, Deserialize)]
pub(crate) struct Knob {
    pub(crate) name: String,
    /// `tuned`, `as_wanted`, …
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
}

/// Who had which CPUs.
#[derive(Debug, Deserialize)]
pub(crate) struct CpuLayout {
    pub(crate) pinned: bool,
    pub(crate) reason: Option<String>,
    pub(crate) benchmark: Option<String>,
    pub(crate) housekeeping: Option<String>,
    pub(crate) partition: Option<String>,
    pub(crate) partition_reason: Option<String>,
    pub(crate) precedence: Option<u32>,
    pub(crate) precedence_reason: Option<String>,
}

/// One run of the command.
#[derive(Debug, Deserialize)]
pub(crate) struct Iteration {
    pub(crate) spans: Spans,
    pub(crate) resources: Option<Resources>,
    /// Under a virtual clock.
    pub(crate) instructions: Option<u64>,
    pub(crate) stdout: Content,
    pub(crate) files: Vec<Content>,
}

/// Where the time went, in milliseconds.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Spans {
    #[serde(rename = "before_ms")]
    before: f64,
    #[serde(rename = "copy_ms")]
    pub(crate) copy: f64,
    #[serde(rename = "start_ms")]
    start: f64,
    #[serde(rename = "boot_ms")]
    boot: Option<f64>,
    #[serde(rename = "prepare_ms")]
    prepare: Option<f64>,
    #[serde(rename = "command_ms")]
    pub(crate) command: Option<f64>,
}

impl Spans {
    /// From the VMM's start to the command's.
    pub(crate) fn until_command(&self) -> Option<f64> {
        Some(self.boot? + self.prepare?)
    }

    /// From the start of the runner's process to the VMM's, without the copy of the root
    /// filesystem.
    pub(crate) fn until_machine(&self) -> f64 {
        self.before + self.start
    }
}

/// What the command used.
#[derive(Debug, Deserialize)]
pub(crate) struct Resources {
    pub(crate) wall_ns: u64,
    pub(crate) cpu_us: Option<u64>,
    pub(crate) memory_peak_bytes: Option<u64>,
}

/// Bytes that the command produced.
#[derive(Debug, Deserialize)]
pub(crate) struct Content {
    /// Where it was in the guest, if it is a file.
    pub(crate) guest_path: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) kept_bytes: u64,
    #[serde(rename = "content")]
    inside: Option<Stored>,
    /// Where it is now, relative to the output folder.
    path: Option<String>,
}

/// Bytes inside the document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    Text(String),
    Base64(IgnoredAny),
}

/// Whether the numbers can be compared.
#[derive(Debug, Deserialize)]
pub(crate) struct Trust {
    pub(crate) reasons: Vec<String>,
}

impl Report {
    /// Reads the document.
    ///
    /// # Errors
    ///
    /// When it is not there or lacks a field.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read(path)
            .with_context(|| format!("cannot read the result document {}", path.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is not as its schema says", path.display()))
    }

    /// The only iteration.
    ///
    /// # Errors
    ///
    /// When there is another number of them.
    pub(crate) fn only(&self) -> anyhow::Result<&Iteration> {
        match self.iterations.as_slice() {
            [only] => Ok(only),
            other => bail!("the result holds {} iterations instead of one", other.len()),
        }
    }
}

impl Content {
    /// The bytes, which are text.
    ///
    /// # Errors
    ///
    /// When they are not text, were cut, or can not be read below `folder`.
    pub(crate) fn text(&self, folder: &Path) -> anyhow::Result<String> {
        if self.kept_bytes != self.bytes {
            bail!("only {} of {} bytes were kept", self.kept_bytes, self.bytes);
        }
        match (&self.inside, &self.path) {
            (Some(Stored::Text(text)), _) => Ok(text.clone()),
            (Some(Stored::Base64(_)), _) => bail!("it is not text"),
            (None, Some(path)) => {
                let path = folder.join(path);
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
            }
            (None, None) => bail!("it is neither in the document nor in the output folder"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(json: &str) -> Content {
        serde_json::from_str(json).expect("it has the right form")
    }

    #[test]
    fn contents_are_found_in_the_document_or_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("stdout"), "beside").expect("it can be written");
        let read = |json| content(json).text(folder.path());
        let inside = read(r#"{"bytes":6,"kept_bytes":6,"content":{"text":"inside"},"path":null}"#);
        assert_eq!(inside.expect("it is there"), "inside");
        let beside = read(r#"{"bytes":6,"kept_bytes":6,"content":null,"path":"stdout"}"#);
        assert_eq!(beside.expect("it is there"), "beside");
        for wrong in [
            r#"{"bytes":7,"kept_bytes":6,"content":{"text":"inside"},"path":null}"#,
            r#"{"bytes":1,"kept_bytes":1,"content":{"base64":"/w=="},"path":null}"#,
            r#"{"bytes":1,"kept_bytes":1,"content":null,"path":"missing"}"#,
            r#"{"bytes":1,"kept_bytes":1}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
