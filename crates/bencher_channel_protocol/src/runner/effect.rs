use std::time::Duration;

use uuid::Uuid;

use crate::{Job, RunnerMessage, Update};

use super::Letter;

/// Something that is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Connect after a delay: `after`, and up to `spread` more, at random.
    Connect {
        /// The least delay.
        after: Duration,
        /// How much may be added to it, so that runners do not all come back at once.
        spread: Duration,
    },
    /// Close the connection. That is not answered with [`Input::Disconnected`](super::Input).
    Disconnect,
    /// Send a message.
    Send(RunnerMessage),
    /// Send a terminal message, which is a text already.
    Deliver {
        /// The job.
        job: Uuid,
        /// The text.
        text: String,
    },
    /// Start a job, after [`Letter::abandoned`] was written to disk for it.
    Start(Box<Job>),
    /// Kill the job that was started, at once. It ends with [`Input::Ended`](super::Input).
    Kill,
    /// Call back after a time, in place of an earlier time of the same timer.
    Arm {
        /// Which one.
        timer: Timer,
        /// After what time.
        after: Duration,
    },
    /// Do not call back.
    Disarm(Timer),
    /// Write a letter to disk, for good, before anything else is done. Where that fails,
    /// [`Input::NotPersisted`](super::Input) says so before there is any other input.
    Persist(Letter),
    /// Read the letter of a job from disk. What comes of it is [`Input::Loaded`](super::Input) or
    /// [`Input::NotLoaded`](super::Input).
    Load(Uuid),
    /// Make room on disk for the longest letter, or see that it is still there. What comes of it is
    /// [`Input::Room`](super::Input). The next job that is started has it.
    MakeRoom,
    /// See whether this host can run jobs. What comes of it is [`Input::Host`](super::Input).
    LookAtHost,
    /// Remove what was written to disk for a job.
    Forget(Uuid),
    /// See whether another program is fit to take this one's place. What comes of it is
    /// [`Input::Updated`](super::Input) or [`Input::UpdateFailed`](super::Input).
    Update(Update),
    /// End that, in the way in which this runner would end: the program that is tried may have a job.
    EndUpdate,
    /// Become the other program. It is the last effect.
    Become,
    /// The server has spoken for the first time: it is reachable, and the key is right.
    Reached,
    /// Tell the user.
    Say {
        /// How important it is.
        level: Level,
        /// What.
        text: String,
    },
    /// End.
    Exit(Exit),
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// The next heartbeat.
    Heartbeat,
    /// The answer to `ready`.
    Idle,
    /// The acknowledgement of a terminal message.
    Acknowledge,
    /// Any answer while a job runs.
    Silence,
    /// The end of a job's time.
    Deadline,
    /// The end of the time that a stop order leaves.
    Drain,
    /// The end of the time in which a server ends a connection that it does not want.
    Standing,
    /// The end of the time in which a server that has nothing is not asked again.
    Pace,
    /// Another attempt at what is held back.
    Retry,
    /// Another look whether there is room on disk.
    Room,
    /// Another look at this host.
    Host,
    /// The end of the time in which no updates are wanted.
    Offers,
}

impl Timer {
    /// All timers.
    pub const ALL: [Self; 12] = [
        Self::Heartbeat,
        Self::Idle,
        Self::Acknowledge,
        Self::Silence,
        Self::Deadline,
        Self::Drain,
        Self::Standing,
        Self::Pace,
        Self::Retry,
        Self::Room,
        Self::Host,
        Self::Offers,
    ];
}

/// How important a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A detail.
    Debug,
    /// A step.
    Info,
    /// Something that the user should look after.
    Warning,
}

/// Why the runner ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was told to, and nothing is left to do.
    Stopped,
    /// It was told to, and there was no time to deliver everything: that is on disk.
    Undelivered,
    /// It was told to a second time.
    AtOnce,
    /// The server does not want it.
    Refused(String),
    /// Another one has its place at the server, or its key was rotated there.
    Replaced,
}
