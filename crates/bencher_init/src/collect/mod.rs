//! Collecting the files that the command left: at a time when no process of its lives any more.
//!
//! Names, types and sizes are the image's choice and hostile. Paths are resolved inside its root,
//! only what lies on the file systems that hold data is opened, what is open is checked to be a
//! regular file, and a folder of millions of names costs no more memory than [`names::NAMES_LIMIT`].

mod file;
mod names;
mod sink;
mod walk;

pub(crate) use sink::missing_everywhere;
pub(crate) use walk::Collector;
