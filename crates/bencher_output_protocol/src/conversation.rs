//! The host's view of the order in which a guest may speak.

use crate::{GuestMessage, ProtocolError};

/// The state machine of the guest's side of the conversation.
///
/// ```text
/// Greeting --Hello--> Preparing --Started--> Running --Exited--> Collecting --Done--> Over
///                         |                                       ^      |
///                         +--Exited (the command never began)-----+   FileBegin
///                                                                 |      v
///                                                              FileEnd  File (n bytes left)
/// ```
///
/// `Log` is in turn anywhere after the hello and outside a file, `Failed` anywhere before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conversation {
    /// Nothing has been said.
    #[default]
    Greeting,
    /// The guest prepares the command.
    Preparing,
    /// The command runs.
    Running,
    /// The command has ended; files follow.
    Collecting,
    /// A file is being sent.
    File {
        /// Bytes of it that are still to come.
        remaining: u64,
    },
    /// Nothing more may be said.
    Over,
}

impl Conversation {
    /// Takes the next message into account.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::OutOfTurn`] when `message` may not come now. `index` is the frame's
    /// position in the stream, for the error.
    pub fn advance(&mut self, message: &GuestMessage<'_>, index: u64) -> Result<(), ProtocolError> {
        let next = match (*self, message) {
            (Self::Greeting, GuestMessage::Hello { .. }) => Ok(Self::Preparing),
            (Self::Over, _) => Err("nothing may follow the end"),
            (_, GuestMessage::Failed { .. }) => Ok(Self::Over),
            (Self::Greeting, _) => Err("a guest says hello first"),
            (
                state @ (Self::Preparing | Self::Running | Self::Collecting),
                GuestMessage::Log { .. },
            ) => Ok(state),
            (Self::Preparing, GuestMessage::Started { .. }) => Ok(Self::Running),
            (Self::Preparing | Self::Running, GuestMessage::Exited(_)) => Ok(Self::Collecting),
            (Self::Preparing, _) => Err("the command has not started"),
            (Self::Running, GuestMessage::Stdout(_) | GuestMessage::Stderr(_)) => Ok(Self::Running),
            (Self::Running, _) => Err("the command has not exited"),
            (Self::Collecting, GuestMessage::FileBegin(begin)) => Ok(Self::File {
                remaining: begin.sent,
            }),
            (Self::Collecting, GuestMessage::FileMissing { .. }) => Ok(Self::Collecting),
            (Self::Collecting, GuestMessage::Done) => Ok(Self::Over),
            (Self::Collecting, _) => Err("only files may follow the exit"),
            (Self::File { remaining }, GuestMessage::FileData(bytes)) => {
                match remaining.checked_sub(bytes.len() as u64) {
                    Some(remaining) => Ok(Self::File { remaining }),
                    None => Err("the file is longer than announced"),
                }
            }
            (Self::File { remaining: 0 }, GuestMessage::FileEnd) => Ok(Self::Collecting),
            (Self::File { .. }, GuestMessage::FileEnd) => Err("the file is shorter than announced"),
            (Self::File { .. }, _) => Err("a file is being sent"),
        };
        *self = next.map_err(|expected| ProtocolError::OutOfTurn {
            index,
            name: message.name(),
            expected,
        })?;
        Ok(())
    }
}
