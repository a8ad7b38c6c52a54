//! What is kept of a stream of bytes: counts, a digest, a head for the result document, a file.

use std::fs::File;
use std::io::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::result::{Content, StoredText};

/// Bytes that the result document may still hold of one iteration.
#[derive(Debug)]
pub(crate) struct InlineBudget(usize);

/// The most bytes of one iteration's outputs and files that its result holds, in all.
const INLINE_TOTAL: usize = 4 << 20;

/// The most bytes of one output or file that a result holds.
const INLINE_EACH: usize = 1 << 20;

impl InlineBudget {
    pub(crate) fn new() -> Self {
        Self(INLINE_TOTAL)
    }
}

/// Keeps bytes up to a limit.
#[derive(Debug)]
pub(crate) struct Capture {
    limit: u64,
    kept: u64,
    seen: u64,
    hasher: Sha256,
    /// The bytes, as long as the result document can hold all of them.
    head: Option<Vec<u8>>,
    file: Option<(File, String)>,
}

impl Capture {
    /// Keeps at most `limit` bytes, also in `file` (and its name in the output folder).
    pub(crate) fn new(limit: u64, file: Option<(File, String)>) -> Self {
        Self {
            limit,
            kept: 0,
            seen: 0,
            hasher: Sha256::new(),
            head: Some(Vec::new()),
            file,
        }
    }

    /// Takes `bytes` and returns the part of them that is within the limit.
    pub(crate) fn push<'b>(
        &mut self,
        bytes: &'b [u8],
        budget: &mut InlineBudget,
    ) -> io::Result<&'b [u8]> {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        let room = usize::try_from(self.limit - self.kept).unwrap_or(usize::MAX);
        let kept = &bytes[..bytes.len().min(room)];
        self.kept += kept.len() as u64;
        self.hasher.update(kept);
        if let Some((file, _)) = &mut self.file {
            file.write_all(kept)?;
        }
        self.remember(kept, budget);
        Ok(kept)
    }

    fn remember(&mut self, kept: &[u8], budget: &mut InlineBudget) {
        let Some(head) = &mut self.head else { return };
        if head.len() + kept.len() <= INLINE_EACH && kept.len() <= budget.0 {
            budget.0 -= kept.len();
            head.extend_from_slice(kept);
        } else {
            // Half of an output would look like a whole one.
            budget.0 += head.len();
            self.head = None;
        }
    }

    /// What was kept. `total` is how much the guest says it produced.
    pub(crate) fn finish(self, total: Option<u64>) -> Content {
        let bytes = total.unwrap_or(self.seen).max(self.seen);
        Content {
            bytes,
            kept_bytes: self.kept,
            truncated: bytes > self.kept,
            sha256: hex::encode(self.hasher.finalize()),
            content: self.head.map(StoredText::of),
            path: self.file.map(|(_, name)| name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_cuts_to_the_byte() {
        let mut budget = InlineBudget::new();
        let mut capture = Capture::new(5, None);
        assert_eq!(capture.push(b"abc", &mut budget).unwrap(), b"abc");
        assert_eq!(capture.push(b"defg", &mut budget).unwrap(), b"de");
        assert_eq!(capture.push(b"h", &mut budget).unwrap(), b"");
        let content = capture.finish(Some(100));
        assert_eq!((content.bytes, content.kept_bytes), (100, 5));
        assert!(content.truncated);
        assert_eq!(content.content, Some(StoredText::Text("abcde".to_owned())));
        assert_eq!(content.sha256, hex::encode(Sha256::digest(b"abcde")));
    }

    #[test]
    fn a_result_holds_whole_outputs_or_none() {
        let mut budget = InlineBudget::new();
        let mut capture = Capture::new(u64::MAX, None);
        let chunk = vec![b'x'; 64 * 1024];
        for _ in 0..17 {
            capture.push(&chunk, &mut budget).unwrap();
        }
        assert_eq!(budget.0, INLINE_TOTAL, "what was dropped is free again");
        let content = capture.finish(None);
        assert_eq!(content.content, None);
        assert_eq!(content.kept_bytes, 17 * 64 * 1024);
        assert!(!content.truncated);
    }

    #[test]
    fn a_guest_that_lies_about_its_total_is_not_believed_below_what_came() {
        let mut budget = InlineBudget::new();
        let mut capture = Capture::new(10, None);
        capture.push(b"abc", &mut budget).unwrap();
        assert_eq!(capture.finish(Some(1)).bytes, 3);
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        assert_eq!(
            StoredText::of(vec![0xff, 0x00]),
            StoredText::Base64("/wA=".to_owned())
        );
    }
}
