//! Loading the kernel modules that the initramfs brings along.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use crate::error::{InitError, errno};
use crate::text::display;

const LIST: &str = "/modules.list";
/// A list is a few hundred bytes long.
const LIST_LIMIT: u64 = 1024 * 1024;

/// Loads what `/modules.list` names, in its order, and frees the memory that it took in the
/// initramfs. Without a list there is nothing to load.
pub(super) fn load_modules() -> Result<(), InitError> {
    let mut list = Vec::new();
    match File::open(LIST).and_then(|file| file.take(LIST_LIMIT).read_to_end(&mut list)) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(InitError::ModuleList(error)),
    }
    for path in paths(&list) {
        let file = Path::new(OsStr::from_bytes(path));
        load(file).map_err(|source| InitError::Module {
            path: display(path),
            source,
        })?;
        // What stays takes memory, no more.
        let _ = std::fs::remove_file(file);
    }
    let _ = std::fs::remove_file(LIST);
    Ok(())
}

fn load(file: &Path) -> nix::Result<()> {
    let file = File::open(file).map_err(|error| errno(&error))?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        // It is built in, or another one needed it.
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

fn paths(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_path_a_line() {
        let list = b"/m/virtio_ring.ko\n\n /m/virtio.ko \r\n/m/last.ko";
        let expected: [&[u8]; 3] = [b"/m/virtio_ring.ko", b"/m/virtio.ko", b"/m/last.ko"];
        assert!(paths(list).eq(expected));
    }
}
