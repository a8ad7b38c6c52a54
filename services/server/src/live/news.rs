//! What servers tell each other of output, as notifications of PostgreSQL.

use std::fmt;
use std::sync::Arc;

use bencher_channel_protocol::LiveOutput;
use bencher_jobs::JobId;

use super::Piece;

/// A start of a server.
pub(super) type ServerId = uuid::Uuid;

/// The longest text of a piece, in bytes as JSON writes them: a notification has less than 8,000, and
/// the rest of it takes less than 400.
const MOST: usize = 7000;

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// A server wants to know what a job writes.
    Asked(JobId, ServerId),
    /// A job has written something at a server; its pieces are numbered.
    Wrote(ServerId, u64, Piece),
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(job, server) => write!(f, "asked {job} {server}"),
            Self::Wrote(server, number, piece) => {
                let json = serde_json::to_string(&**piece).map_err(|_| fmt::Error)?;
                write!(f, "wrote {server} {number} {json}")
            }
        }
    }
}

impl News {
    /// What a notification says; `None` if it is of another version.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (what, rest) = text.split_once(' ')?;
        match what {
            "asked" => {
                let (job, server) = rest.split_once(' ')?;
                Some(Self::Asked(job.parse().ok()?, server.parse().ok()?))
            }
            "wrote" => {
                let (server, rest) = rest.split_once(' ')?;
                let (number, json) = rest.split_once(' ')?;
                let piece = serde_json::from_str(json).ok()?;
                let number = number.parse().ok()?;
                Some(Self::Wrote(server.parse().ok()?, number, Arc::new(piece)))
            }
            _ => None,
        }
    }
}

/// The end of an output, `most` bytes of it at most, in pieces that are each a notification; none where
/// it is empty.
pub(super) fn pieces(output: &LiveOutput, most: usize) -> Vec<LiveOutput> {
    let mut begin = output.text.len().saturating_sub(most);
    while !output.text.is_char_boundary(begin) {
        begin += 1;
    }
    let mut rest = &output.text[begin..];
    let mut texts = Vec::new();
    while !rest.is_empty() {
        let (text, left) = rest.split_at(fitting(rest));
        texts.push(text);
        rest = left;
    }
    texts
        .into_iter()
        .map(|text| LiveOutput {
            job: output.job,
            iteration: output.iteration,
            stream: output.stream,
            text: text.to_owned(),
        })
        .collect()
}

/// How many bytes of a text fit into a notification.
fn fitting(text: &str) -> usize {
    let mut cost = 0;
    for (place, character) in text.char_indices() {
        cost += match character {
            // `\n` and some others are shorter.
            '\0'..='\u{1f}' => 6,
            '"' | '\\' => 2,
            other => other.len_utf8(),
        };
        if cost > MOST {
            return place;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use bencher_channel_protocol::OutputStream;
    use proptest::prelude::*;

    use super::*;

    fn output(text: String) -> LiveOutput {
        LiveOutput {
            job: JobId::generate().uuid(),
            iteration: u32::MAX,
            stream: OutputStream::Stderr,
            text,
        }
    }

    proptest! {
        #[test]
        fn pieces_are_the_output_and_fit(
            text in "(\\PC|[\\x00-\\x1f\"\\\\]|é|😀){0,30}",
            times in 1_usize..800,
        ) {
            let whole = output(text.repeat(times));
            let found = pieces(&whole, usize::MAX);
            let joined: String = found.iter().map(|piece| piece.text.as_str()).collect();
            prop_assert_eq!(&joined, &whole.text);
            let server = ServerId::now_v7();
            for piece in found {
                prop_assert!(!piece.text.is_empty());
                let news = News::Wrote(server, u64::MAX, Arc::new(piece));
                let text = news.to_string();
                // PostgreSQL's limit.
                prop_assert!(text.len() < 8000, "{}", text.len());
                prop_assert_eq!(News::parse(&text), Some(news));
            }
            let end = pieces(&whole, 100);
            let end: String = end.iter().map(|piece| piece.text.as_str()).collect();
            prop_assert!(end.len() <= 100 && whole.text.ends_with(&end));
        }
    }

    #[test]
    fn questions_are_read_as_they_are_written() {
        let asked = News::Asked(JobId::generate(), ServerId::now_v7());
        assert_eq!(News::parse(&asked.to_string()), Some(asked));
        for strange in ["", "asked", "asked a b", "wrote a 1 {}", "later x"] {
            assert_eq!(News::parse(strange), None, "{strange}");
        }
    }
}
