//! Why a command could not be executed, in words that help.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::report::Report;
use crate::text::{TEXT_LIMIT, clip, display};

/// A command that could not be executed, with the explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotExecuted {
    /// The system says that there is no such file.
    NotFound(String),
    /// The system refuses to execute it.
    NotExecutable(String),
}

impl From<NotExecuted> for Report {
    fn from(failure: NotExecuted) -> Self {
        match failure {
            NotExecuted::NotFound(text) => Self::NotFound(clip(text, TEXT_LIMIT)),
            NotExecuted::NotExecutable(text) => Self::NotExecutable(clip(text, TEXT_LIMIT)),
        }
    }
}

/// What the first bytes of a program say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Program {
    /// `#!` and the path of an interpreter.
    Script { interpreter: Vec<u8> },
    /// An ELF file for this machine (`e_machine`), with its dynamic loader, if it has one.
    Elf {
        machine: u16,
        interpreter: Option<Vec<u8>>,
    },
    /// Something else, that looks like text.
    Text,
    /// Nothing at all.
    Empty,
    /// Something else.
    Unknown,
}

/// The type of the ELF program header that names the loader.
const PT_INTERP: u64 = 3;

/// How much of a program is looked at. Loaders are named in the first page of real ones.
const HEAD: u64 = 64 * 1024;

/// Explains why `execve` of `path` failed with `error`.
pub(super) fn explain(path: &[u8], error: Errno) -> NotExecuted {
    let file = Path::new(std::ffi::OsStr::from_bytes(path));
    let metadata = std::fs::metadata(file).ok();
    let mut head = Vec::new();
    if metadata.as_ref().is_some_and(Metadata::is_file) {
        // Unreadable is fine: then the explanation is a shorter one.
        let _ = OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
            .open(file)
            .and_then(|file: File| file.take(HEAD).read_to_end(&mut head));
    }
    describe(path, error, metadata.map(|metadata| metadata.mode()), &head)
}

/// The explanation for a name that is in no folder of `PATH`.
pub(super) fn not_in_path(name: &[u8], path: &[u8]) -> NotExecuted {
    let name = display(name);
    NotExecuted::NotFound(if name.is_empty() {
        "the command's name is empty".to_owned()
    } else if name.contains('/') {
        format!("there is no {name:?} in the image")
    } else {
        format!("there is no {name:?} in PATH ({})", display(path))
    })
}

/// `mode` is the `st_mode` of the file if it exists, `head` what it begins with.
fn describe(path: &[u8], error: Errno, mode: Option<u32>, head: &[u8]) -> NotExecuted {
    let name = display(path);
    let program = program(head);
    let text = match (error, mode) {
        (Errno::ENOENT | Errno::ENOTDIR, None) => format!("there is no {name:?} in the image"),
        (Errno::ENOENT, Some(_)) => match program {
            Program::Script { interpreter } if interpreter.ends_with(b"\r") => format!(
                "the script {name:?} has Windows line ends, so its interpreter is looked for as \
                 \"{}\": convert it to Unix line ends",
                display(&interpreter)
            ),
            Program::Script { interpreter } => format!(
                "the script {name:?} is for the interpreter \"{}\", which the image lacks",
                display(&interpreter)
            ),
            Program::Elf {
                interpreter: Some(interpreter),
                ..
            } => format!(
                "the program {name:?} needs the loader \"{}\", which the image lacks: link it \
                 statically, or use an image with the C library that it was built for",
                display(&interpreter)
            ),
            _ => format!("{name:?} is there, but something that it needs is not"),
        },
        (Errno::EACCES, Some(mode)) if is_folder(mode) => format!("{name:?} is a folder"),
        (Errno::EACCES, Some(mode)) => format!(
            "{name:?} may not be executed by this user (mode {:04o}): is it marked executable, \
             and the interpreter that it names, too?",
            mode & 0o7777
        ),
        (Errno::EACCES, None) => {
            format!("a folder on the way to {name:?} is closed to this user")
        }
        (Errno::ENOEXEC, _) => match program {
            Program::Elf { machine, .. } => format!(
                "{name:?} is a program for {}, this machine is {}",
                machine_name(machine),
                std::env::consts::ARCH
            ),
            Program::Text => format!(
                "{name:?} is no program (exec format error): a script must begin with \"#!\" and \
                 the path of its interpreter"
            ),
            Program::Empty => format!("{name:?} is an empty file (exec format error)"),
            _ => format!("{name:?} is no program (exec format error)"),
        },
        (Errno::E2BIG, _) => {
            "the arguments and the environment are longer than the kernel takes".to_owned()
        }
        (error, _) => format!("{name:?} can not be executed: {error}"),
    };
    match error {
        Errno::ENOENT | Errno::ENOTDIR => NotExecuted::NotFound(text),
        _ => NotExecuted::NotExecutable(text),
    }
}

fn is_folder(mode: u32) -> bool {
    mode & nix::libc::S_IFMT == nix::libc::S_IFDIR
}

fn program(head: &[u8]) -> Program {
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
        // The kernel separates by spaces and tabs only, so a carriage return stays.
        let interpreter = line
            .split(|byte| b" \t\0".contains(byte))
            .find(|word| !word.is_empty())
            .unwrap_or_default();
        return Program::Script {
            interpreter: interpreter.to_vec(),
        };
    }
    if let Some(program) = elf(head) {
        return program;
    }
    let start = &head[..head.len().min(512)];
    if start.is_empty() {
        Program::Empty
    } else if start.contains(&0) {
        Program::Unknown
    } else {
        Program::Text
    }
}

/// Reads an ELF header and its program headers, 32 and 64 bits, little-endian (System V ABI,
/// chapters 4 and 5).
fn elf(head: &[u8]) -> Option<Program> {
    let rest = head.strip_prefix(b"\x7fELF")?;
    let wide = match rest.first()? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let number = |offset: usize, length: usize| -> Option<u64> {
        let bytes = head.get(offset..offset.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        )
    };
    let machine = u16::try_from(number(18, 2)?).ok()?;
    // Offsets of: e_phoff, e_phentsize, e_phnum; then of p_offset and p_filesz in an entry.
    let (table, entry_size, count, p_offset, p_size, word) = if wide {
        (number(32, 8)?, number(54, 2)?, number(56, 2)?, 8, 32, 8)
    } else {
        (number(28, 4)?, number(42, 2)?, number(44, 2)?, 4, 16, 4)
    };
    let interpreter = (0..count).find_map(|index| {
        let entry = usize::try_from(table.checked_add(index.checked_mul(entry_size)?)?).ok()?;
        if number(entry, 4)? != PT_INTERP {
            return None;
        }
        let start = usize::try_from(number(entry.checked_add(p_offset)?, word)?).ok()?;
        let length = usize::try_from(number(entry.checked_add(p_size)?, word)?).ok()?;
        let path = head.get(start..start.checked_add(length)?)?;
        Some(
            path.split(|&byte| byte == 0)
                .next()
                .unwrap_or_default()
                .to_vec(),
        )
    });
    Some(Program::Elf {
        machine,
        interpreter,
    })
}

/// The names that `uname -m` has for the machines that images are built for.
fn machine_name(machine: u16) -> String {
    let name = match machine {
        3 => "i386",
        8 => "mips",
        21 => "ppc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        other => return format!("machine number {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
