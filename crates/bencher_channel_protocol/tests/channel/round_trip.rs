//! Any message, and any text.

use bencher_channel_protocol::{ConnectionNumber, DecodeError, RunnerMessage, ServerMessage};
use proptest::prelude::*;

use crate::samples::{JOB, any_runner_message, any_server_message};

/// An error is one line that does nothing to a terminal.
fn is_harmless(error: &DecodeError) -> bool {
    !error.to_string().chars().any(char::is_control)
}

proptest! {
    #[test]
    fn what_a_runner_says_is_understood(message in any_runner_message()) {
        prop_assert_eq!(RunnerMessage::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn what_a_server_says_is_understood(message in any_server_message()) {
        prop_assert_eq!(ServerMessage::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn any_text_is_decoded_or_refused(text in any::<String>()) {
        prop_assert!(ServerMessage::decode(&text).err().as_ref().is_none_or(is_harmless));
        prop_assert!(RunnerMessage::decode(&text).err().as_ref().is_none_or(is_harmless));
    }

    /// A message with a piece replaced is nearly one, and comes further into the decoder.
    #[test]
    fn a_damaged_message_is_decoded_or_refused(
        (start, length) in (0..JOB.len(), 0_usize..30),
        piece in any::<String>(),
    ) {
        let end = (start + length).min(JOB.len());
        let text = format!("{}{piece}{}", &JOB[..start], &JOB[end..]);
        prop_assert!(ServerMessage::decode(&text).err().as_ref().is_none_or(is_harmless));
    }

    #[test]
    fn a_connections_number_is_understood(random in any::<u128>(), later in 0..20) {
        let first = ConnectionNumber::first(random);
        let number = (0..later).fold(first, |number, _| number.next());
        prop_assert_eq!(number.to_string().parse(), Ok(number));
        prop_assert!(first.is_overtaken_by(number));
    }

    /// What is understood is the one form that is written.
    #[test]
    fn any_connections_number_is_understood_or_refused(
        text in "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-f]{12}[.:]?[-+]?[0-9]{0,11}",
    ) {
        if let Ok(number) = text.parse::<ConnectionNumber>() {
            prop_assert_eq!(number.to_string(), text);
        }
    }

    #[test]
    fn a_cut_message_is_refused(end in 0..JOB.len()) {
        prop_assert!(ServerMessage::decode(&JOB[..end]).is_err());
    }
}
