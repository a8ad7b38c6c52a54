//! Init's whole life.

use std::ffi::OsString;

use bencher_output_protocol::{GuestMessage, Orders};
use nix::sys::stat::{Mode, umask};
use nix::unistd::getpid;

use crate::alarm::{self, Life};
use crate::error::InitError;
use crate::host::HostArguments;
use crate::link::Link;
use crate::serve::{World, serve};
use crate::text::{TEXT_LIMIT, clip};
use crate::{host, sys, vm};

/// Does everything, and ends the process or the machine.
///
/// `arguments` are those of the program, its name included. They only count where this is not
/// PID 1: what a kernel does not understand of its own command line becomes the arguments of PID 1.
pub fn live(arguments: impl IntoIterator<Item = OsString>) -> ! {
    let life = if getpid().as_raw() == 1 {
        Life::Vm
    } else {
        Life::Host
    };
    alarm::arm(life);
    sys::ignore_broken_pipes();
    sys::give_way();
    // Modes are meant as they are written here. The command gets the usual mask back.
    umask(Mode::empty());
    let mut link = None;
    let result = match life {
        Life::Vm => vm::prepare(&mut link),
        Life::Host => HostArguments::parse(arguments.into_iter().skip(1))
            .and_then(|arguments| host::prepare(&arguments, &mut link)),
    };
    let result = result.and_then(|prepared| finish(prepared, &mut link));
    let code = match &result {
        Ok(()) => 0,
        Err(error) => {
            tell(error, link.as_mut());
            1
        }
    };
    // A socket holds what was sent; a virtual port is gone with its machine.
    if life == Life::Vm
        && let Some(link) = &mut link
    {
        link.wait_for_hangup();
    }
    alarm::end(code)
}

fn finish(prepared: (Orders, World), link: &mut Option<Link>) -> Result<(), InitError> {
    let (orders, world) = prepared;
    match link {
        Some(link) => serve(link, &orders, &world),
        // Not reached: orders come by the link.
        None => Ok(()),
    }
}

/// Tells of a failure on the console and, if it still works, on the stream.
fn tell(error: &InitError, link: Option<&mut Link>) {
    let stage = clip(error.to_string(), TEXT_LIMIT);
    let reason = clip(error.reason(), TEXT_LIMIT);
    alarm::console(&stage, &reason);
    let Some(link) = link else {
        return;
    };
    if !matches!(error, InitError::HostGone(_)) {
        // If this fails too, the console has it.
        let _ = link.send_last(&GuestMessage::Failed {
            stage: &stage,
            reason: &reason,
        });
    }
}
