//! Init's own parameters on the kernel's command line.

use crate::error::{InitError, Reason};

/// The parameter that names the stream.
const STREAM: &str = "bencher.stream";
const VIRTIO_SERIAL: &str = "virtio-serial:";

/// What the command line tells init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    /// The name of the virtio-serial port that is the stream.
    pub(super) port: String,
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
        match stream.strip_prefix(VIRTIO_SERIAL) {
            Some(port) if !port.is_empty() => Ok(Self {
                port: port.to_owned(),
            }),
            _ => refuse(format!(
                "{STREAM} is {stream:?} where {VIRTIO_SERIAL}NAME is understood"
            )),
        }
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
            assert_eq!(parameters, Ok(Parameters { port: "s".into() }), "{line:?}");
        }
    }

    #[test]
    fn a_stream_that_makes_no_sense_is_refused() {
        for (line, expected) in [
            ("", "lacks bencher.stream="),
            ("bencher.stream", "lacks bencher.stream="),
            ("bencher.stream=", "is \"\""),
            ("bencher.stream=virtio-serial:", "is \"virtio-serial:\""),
            ("bencher.stream=vsock:5", "is \"vsock:5\""),
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
