//! Init's own parameters on the kernel's command line.

use crate::error::{InitError, Reason};

/// The parameter that names the stream.
const STREAM: &str = "bencher.stream";
const VIRTIO_SERIAL: &str = "virtio-serial:";
const VSOCK: &str = "vsock:";

/// The parameter that asks for all memory to be touched.
const PREFAULT: &str = "bencher.prefault";

/// What the command line tells init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) stream: Stream,
    /// Whether all free memory is to be touched before anything else is done.
    pub(super) prefault: bool,
}

/// What the stream to the host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stream {
    /// The virtio-serial port of this name.
    VirtioSerial(String),
    /// A connection to this vsock port of the host's.
    Vsock(u32),
}

impl Parameters {
    /// Reads a command line as the kernel does: words, in which double quotes protect blanks, and
    /// of which the last one wins.
    pub(super) fn parse(line: &str) -> Result<Self, InitError> {
        let refuse = |text: String| Err(InitError::CommandLine(Reason(text)));
        let stream = words(line)
            .filter_map(|word| {
                let (name, value) = word.split_once('=')?;
                (name == STREAM).then(|| value.to_owned())
            })
            .last();
        let Some(stream) = stream else {
            return refuse(format!("it lacks {STREAM}={VIRTIO_SERIAL}NAME"));
        };
        match Stream::parse(&stream) {
            Some(stream) => Ok(Self {
                stream,
                prefault: words(line).any(|word| word == PREFAULT),
            }),
            None => refuse(format!(
                "{STREAM} is {stream:?} where {VIRTIO_SERIAL}NAME or {VSOCK}PORT is understood"
            )),
        }
    }
}

impl Stream {
    fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix(VIRTIO_SERIAL) {
            return (!name.is_empty()).then(|| Self::VirtioSerial(name.to_owned()));
        }
        text.strip_prefix(VSOCK)?.parse().ok().map(Self::Vsock)
    }
}

fn words(line: &str) -> impl Iterator<Item = String> {
    let mut rest = line.trim_ascii();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = rest
            .find(|character: char| {
                quoted ^= character == '"';
                character.is_ascii_whitespace() && !quoted
            })
            .unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        rest = tail.trim_ascii_start();
        Some(word.replace('"', ""))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_stream_is_found_among_other_parameters() {
        for line in [
            "bencher.stream=virtio-serial:s",
            "quiet panic=-1 bencher.stream=virtio-serial:s\n",
            "bencher.stream=virtio-serial:old bencher.stream=virtio-serial:s x",
            "a=\"b bencher.stream=virtio-serial:no\" bencher.stream=\"virtio-serial:s\"",
            "\tbencher.stream=virtio-serial:s bencher.streams=x",
        ] {
            let parameters = Parameters::parse(line).map_err(|error| error.reason());
            let stream = Stream::VirtioSerial("s".into());
            let prefault = false;
            assert_eq!(parameters, Ok(Parameters { stream, prefault }), "{line:?}");
        }
    }

    #[test]
    fn memory_is_touched_when_that_is_asked_for() {
        let line = "quiet bencher.prefault bencher.stream=vsock:52";
        assert!(Parameters::parse(line).unwrap().prefault);
        let other = "bencher.prefaulted bencher.stream=vsock:52";
        assert!(!Parameters::parse(other).unwrap().prefault);
    }

    #[test]
    fn a_stream_may_be_a_vsock_port() {
        let parameters = Parameters::parse("quiet bencher.stream=vsock:52").unwrap();
        assert_eq!(parameters.stream, Stream::Vsock(52));
    }

    #[test]
    fn a_stream_that_makes_no_sense_is_refused() {
        for (line, expected) in [
            ("", "lacks bencher.stream="),
            ("bencher.stream", "lacks bencher.stream="),
            ("bencher.stream=", "is \"\""),
            ("bencher.stream=virtio-serial:", "is \"virtio-serial:\""),
            ("bencher.stream=vsock:", "is \"vsock:\""),
            ("bencher.stream=vsock:-1", "is \"vsock:-1\""),
            ("bencher.stream=tcp:5", "is \"tcp:5\""),
        ] {
            let error = Parameters::parse(line).unwrap_err();
            assert!(error.reason().contains(expected), "{}", error.reason());
        }
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in "[ \"=a-z.:\u{e4}\t\n]{0,60}") {
            let _ = Parameters::parse(&line);
            prop_assert!(words(&line).all(|word| !word.contains('"')));
        }
    }
}
