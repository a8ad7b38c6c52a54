use super::*;
use proptest::prelude::*;

/// A 64-bit ELF file for `machine` with one program header that names `interpreter`.
fn elf_file(machine: u16, interpreter: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 64 + 56];
    file[..6].copy_from_slice(b"\x7fELF\x02\x01");
    file[18..20].copy_from_slice(&machine.to_le_bytes());
    file[32..40].copy_from_slice(&64_u64.to_le_bytes());
    file[54..56].copy_from_slice(&56_u16.to_le_bytes());
    file[56..58].copy_from_slice(&1_u16.to_le_bytes());
    file[64..68].copy_from_slice(&3_u32.to_le_bytes());
    file[72..80].copy_from_slice(&120_u64.to_le_bytes());
    file[96..104].copy_from_slice(&(interpreter.len() as u64 + 1).to_le_bytes());
    file.extend_from_slice(interpreter);
    file.push(0);
    file
}

/// Error, mode, what the file begins with, whether it counts as not found, a part of the text.
type Case<'a> = (Errno, Option<u32>, &'a [u8], bool, &'a str);

#[test]
fn each_failure_says_what_is_wrong() {
    let file = 0o100_755;
    let loader = elf_file(62, b"/lib/ld-musl-x86_64.so.1");
    let foreign = elf_file(183, b"/lib/ld-linux-aarch64.so.1");
    let crlf = b"#!/bin/sh\r\necho".as_slice();
    let cases: &[Case<'_>] = &[
        (Errno::ENOENT, None, b"", true, "there is no \"/x\""),
        (Errno::ENOTDIR, None, b"", true, "there is no \"/x\""),
        (
            Errno::ENOENT,
            Some(file),
            &loader,
            true,
            "loader \"/lib/ld-musl-x86_64.so.1\"",
        ),
        (
            Errno::ENOENT,
            Some(file),
            b"#! /opt/py -u\nx",
            true,
            "interpreter \"/opt/py\"",
        ),
        (Errno::ENOENT, Some(file), crlf, true, "Windows line ends"),
        (
            Errno::ENOENT,
            Some(file),
            b"",
            true,
            "something that it needs",
        ),
        (Errno::EACCES, Some(0o040_755), b"", false, "is a folder"),
        (Errno::EACCES, Some(0o100_644), b"", false, "mode 0644"),
        (Errno::EACCES, None, b"", false, "on the way"),
        (
            Errno::ENOEXEC,
            Some(file),
            &foreign,
            false,
            "a program for aarch64",
        ),
        (
            Errno::ENOEXEC,
            Some(file),
            &elf_file(999, b""),
            false,
            "machine number 999",
        ),
        (
            Errno::ENOEXEC,
            Some(file),
            b"echo hi\n",
            false,
            "must begin with \"#!\"",
        ),
        (Errno::ENOEXEC, Some(file), b"", false, "empty file"),
        (
            Errno::ENOEXEC,
            Some(file),
            b"\0\0",
            false,
            "exec format error",
        ),
        (
            Errno::E2BIG,
            Some(file),
            b"",
            false,
            "longer than the kernel takes",
        ),
        (Errno::ETXTBSY, Some(file), b"", false, "ETXTBSY"),
    ];
    for &(error, mode, head, found, expected) in cases {
        let failure = describe(b"/x", error, mode, head);
        let (is_found, text) = match &failure {
            NotExecuted::NotFound(text) => (true, text),
            NotExecuted::NotExecutable(text) => (false, text),
        };
        assert_eq!(is_found, found, "{error}: {text}");
        assert!(text.contains(expected), "{error}: {text}");
    }
}

#[test]
fn this_very_program_is_understood() {
    let mut head = Vec::new();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    file.take(HEAD).read_to_end(&mut head).unwrap();
    let Program::Elf { machine, .. } = program(&head) else {
        panic!("this test is no ELF file");
    };
    assert_eq!(machine_name(machine), std::env::consts::ARCH);
}

#[test]
fn a_name_in_no_folder_names_the_folders() {
    let NotExecuted::NotFound(text) = not_in_path(b"nope", b"/bin:/sbin") else {
        panic!("wrong kind");
    };
    assert_eq!(text, "there is no \"nope\" in PATH (/bin:/sbin)");
}

proptest! {
    #[test]
    fn any_program_is_survived(
        damage in proptest::collection::vec((0_usize..150, any::<u8>()), 0..20),
        length in 0_usize..150,
    ) {
        let mut file = elf_file(62, b"/lib/ld-linux.so.2");
        for (position, byte) in damage {
            if let Some(place) = file.get_mut(position) {
                *place = byte;
            }
        }
        file.truncate(length);
        let _ = describe(b"x", Errno::ENOENT, Some(0o100_755), &file);
        let _ = describe(b"x", Errno::ENOEXEC, Some(0o100_755), &file);
    }
}
