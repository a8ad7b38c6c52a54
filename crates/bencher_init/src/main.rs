//! The program. Everything is in the library.
//!
//! Its entry is C's `main` because the standard library's own one aborts where neither standard
//! input nor `/dev/null` can be opened: in an initramfs whose kernel has no console.
#![no_main]

use std::ffi::{c_char, c_int};

/// The entry point, called by the C library once. Does not return.
#[expect(unsafe_code, reason = "the name is what the C library looks for")]
// SAFETY: no other function of this program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    // The C library has given the arguments to the standard library already.
    bencher_init::live(std::env::args_os())
}
