//! Making the host quiet while something is measured, and putting it back.
//!
//! ```text
//! knobs ─► plan ─► journal (on disk) ─► apply ─► … runs … ─► restore ─► journal removed
//!                     │                                         ▲
//!                     └── the runner was killed: the next one ──┘
//! ```
//!
//! A knob is one source of noise: it names the files of the host that it is about and the values
//! that they should have. What they were is written to a journal before the first one is changed,
//! so whatever ends the runner, the originals are known. See `docs/tuning.md`.

mod apply;
mod disk;
mod error;
mod interrupts;
mod journal;
mod knob;
mod knobs;
mod lock;
mod place;
mod plan;
mod policy;
mod restore;
mod session;
mod state;
#[cfg(test)]
mod tests;

pub use error::TuningError;
pub use place::Place;
pub use policy::{
    Feature, ParseSettingError, PerfEventParanoid, Swappiness, ThpMode, TuningChoices,
    TuningPolicy, TuningStrictness,
};
pub use restore::{ForeignValue, Restored};
pub(crate) use session::if_host_is_free;
pub use session::{Tuning, apply_to_host, put_back_left_over, restore_host, status_of_host};
pub use state::{KnobOutcome, KnobState, SettingState, TunedBy, TuningState};
