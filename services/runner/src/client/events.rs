//! Server-sent events (HTML Living Standard, section 9.2), as far as the server sends them.

use std::io::{BufRead, BufReader, Read};

/// The longest line that is read, in bytes: a piece of output is much shorter.
pub(super) const MAX_LINE: usize = 4 << 20;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

/// Events as they come.
#[derive(Debug)]
pub(super) struct Events<R>(BufReader<R>);

impl<R: Read> Events<R> {
    pub(super) fn new(reader: R) -> Self {
        Self(BufReader::new(reader))
    }

    /// The next one; none at the end. One that the connection's end cut off is no event.
    pub(super) fn next(&mut self) -> Result<Option<Event>, ReadError> {
        let mut event = Event {
            name: String::new(),
            data: String::new(),
        };
        let mut has_data = false;
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if has_data {
                    return Ok(Some(event));
                }
                event.name.clear();
                continue;
            }
            // What begins with a colon is a sign of life.
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut event.name),
                "data" => {
                    if has_data {
                        event.data.push('\n');
                    }
                    has_data = true;
                    event.data.push_str(value);
                    if event.data.len() > MAX_LINE {
                        return Err(ReadError::Long);
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<String>, ReadError> {
        let mut line = Vec::new();
        let most = MAX_LINE as u64 + 1;
        Read::take(&mut self.0, most).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return if line.len() > MAX_LINE {
                Err(ReadError::Long)
            } else {
                Ok(None)
            };
        }
        let text = String::from_utf8_lossy(&line);
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// Why there are no more events.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The connection is lost.
    Lost(std::io::Error),
    /// An event is too long.
    Long,
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Lost(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<(String, String)> {
        let mut events = Events::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(event) = events.next().expect("events") {
            found.push((event.name, event.data));
        }
        found
    }

    #[test]
    fn of_known_texts() {
        let pair = |name: &str, data: &str| (name.to_owned(), data.to_owned());
        assert_eq!(events(""), []);
        assert_eq!(events("event: a\ndata: 1\n\n"), [pair("a", "1")]);
        assert_eq!(events("event:a\r\ndata:1\r\n\r\n"), [pair("a", "1")]);
        assert_eq!(
            events(": alive\n\ndata: 1\ndata: 2\nid: 7\n\nevent: b\n\ndata: 3\n\n"),
            [pair("", "1\n2"), pair("", "3")]
        );
        assert_eq!(events("event: a\ndata: cut o"), []);
        assert_eq!(events("event: a\ndata: whole, but not ended\n"), []);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut events = Events::new(std::io::repeat(b'x'));
        assert!(matches!(events.next(), Err(ReadError::Long)));
        let many = "data: x\n".repeat(MAX_LINE);
        let mut events = Events::new(many.as_bytes());
        assert!(matches!(events.next(), Err(ReadError::Long)));
    }
}
