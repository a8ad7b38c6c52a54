//! The runner's part in a test.

mod guest;
mod image;

pub(crate) use guest::{CollectedFile, Guest, INIT, Outcome, run};
pub(crate) use image::{Image, fifo, gone, spawn};

/// Ends the test with the reason printed where it can not run.
macro_rules! image_or_skip {
    () => {
        match crate::harness::Image::new() {
            Ok(image) => image,
            Err(reason) => {
                eprintln!("skipped: {reason}");
                return;
            }
        }
    };
}
pub(crate) use image_or_skip;
