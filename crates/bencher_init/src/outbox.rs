//! What is on its way to the host, bounded.

use bencher_output_protocol::{HEADER_LENGTH, MAX_DATA, data_header};

/// The frames that the stream has not taken yet.
///
/// Output of the command is only read when nothing waits ([`Outbox::data_space`]), straight to
/// where it leaves from: so at most one data frame waits here, a host that does not read stops the
/// command's writing instead of filling the guest's memory, and no byte is copied inside init.
#[derive(Debug)]
pub(crate) struct Outbox {
    buffer: Vec<u8>,
    /// Bytes `start..end` of the buffer wait.
    start: usize,
    end: usize,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; HEADER_LENGTH + MAX_DATA],
            start: 0,
            end: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether the stream has taken a part of what waits.
    pub(crate) fn is_begun(&self) -> bool {
        self.start > 0
    }

    /// Adds a whole frame behind what waits.
    pub(crate) fn push(&mut self, frame: &[u8]) {
        let end = self.end + frame.len();
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        self.buffer[self.end..end].copy_from_slice(frame);
        self.end = end;
    }

    /// Where the payload of the next data frame goes, when nothing waits.
    pub(crate) fn data_space(&mut self) -> Option<&mut [u8]> {
        self.is_empty()
            .then(|| &mut self.buffer[HEADER_LENGTH..HEADER_LENGTH + MAX_DATA])
    }

    /// Makes the first `length` bytes of [`Outbox::data_space`] a data frame of `kind`.
    pub(crate) fn commit_data(&mut self, kind: u8, length: usize) {
        self.buffer[..HEADER_LENGTH].copy_from_slice(&data_header(kind, length));
        self.start = 0;
        self.end = HEADER_LENGTH + length;
    }

    /// What waits.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Says that the stream has taken `count` bytes.
    pub(crate) fn advance(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
            self.buffer.truncate(HEADER_LENGTH + MAX_DATA);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bencher_output_protocol::{Decoder, GuestMessage, LogLevel};
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Log(String),
        Data(Vec<u8>),
        Take(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            ".{0,30}".prop_map(Step::Log),
            proptest::collection::vec(any::<u8>(), 1..300).prop_map(Step::Data),
            (1_usize..200).prop_map(Step::Take),
        ]
    }

    proptest! {
        #[test]
        fn frames_leave_whole_and_in_order(steps in proptest::collection::vec(step(), 1..60)) {
            let mut outbox = Outbox::new();
            let mut sent = Vec::new();
            let mut expected = Vec::new();
            for step in steps {
                match step {
                    Step::Log(text) => {
                        let message = GuestMessage::Log { level: LogLevel::Info, text: &text };
                        let frame = message.encode().unwrap();
                        outbox.push(&frame);
                        expected.extend(frame);
                    }
                    Step::Data(bytes) => {
                        if let Some(space) = outbox.data_space() {
                            space[..bytes.len()].copy_from_slice(&bytes);
                            outbox.commit_data(GuestMessage::STDOUT, bytes.len());
                            expected.extend(GuestMessage::Stdout(&bytes).encode().unwrap());
                        } else {
                            prop_assert!(!outbox.unsent().is_empty());
                        }
                    }
                    Step::Take(count) => {
                        let count = count.min(outbox.unsent().len());
                        sent.extend_from_slice(&outbox.unsent()[..count]);
                        outbox.advance(count);
                    }
                }
            }
            sent.extend_from_slice(outbox.unsent());
            prop_assert_eq!(&sent, &expected);
            let mut decoder = Decoder::of_guest();
            for chunk in sent.chunks(64 * 1024) {
                decoder.space()[..chunk.len()].copy_from_slice(chunk);
                decoder.filled(chunk.len());
                while decoder.next_from_guest().unwrap().is_some() {}
            }
            prop_assert_eq!(decoder.finish(), Ok(()));
        }
    }

    #[test]
    fn no_data_is_taken_while_something_waits() {
        let mut outbox = Outbox::new();
        outbox.push(b"x");
        assert!(outbox.data_space().is_none());
        outbox.advance(1);
        assert_eq!(outbox.data_space().map(|space| space.len()), Some(MAX_DATA));
    }

    #[test]
    fn room_that_a_large_message_took_is_given_back() {
        let mut outbox = Outbox::new();
        outbox.push(&vec![1; 3 * MAX_DATA]);
        outbox.advance(3 * MAX_DATA);
        assert_eq!(outbox.buffer.len(), HEADER_LENGTH + MAX_DATA);
    }
}
