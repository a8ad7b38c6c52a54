//! Entrypoint and command: the image's, and what replaces them, by Docker's rules.

use crate::scenarios::expect::Expect;
use crate::scenarios::image::Image;
use crate::scenarios::scenario::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "entrypoint_with_args",
        "the image's command is the argument of its entrypoint",
        |_| {},
        |record| record.is(Expect::exit(0).stdout("entry image command\n")),
    )
    .image(Image::Entrypoint),
    Scenario::new(
        "entrypoint_only",
        "an entrypoint needs no command",
        |_| {},
        |record| record.is(Expect::exit(0).stdout("only the entrypoint\n")),
    )
    .image(Image::EntrypointOnly),
    Scenario::new(
        "shell_form_cmd",
        "a command in shell form is run by the image's shell",
        |_| {},
        |record| record.is(Expect::exit(0).stdout("from a shell: /bin/sh\n")),
    )
    .image(Image::ShellCmd),
    Scenario::new(
        "shell_form_entrypoint",
        "an entrypoint in shell form gets the command as the script's own arguments",
        |_| {},
        |record| record.is(Expect::exit(0).stdout("entry: first, second\n")),
    )
    .image(Image::ShellEntrypoint),
    Scenario::new(
        "entrypoint_shell_with_cmd",
        "a shell as the entrypoint runs the command as a script",
        |_| {},
        |record| record.is(Expect::exit(0).stdout("one\ntwo\n")),
    )
    .image(Image::EntrypointShell),
    Scenario::new(
        "no_cmd_no_entrypoint",
        "an image without anything to run is an error that says what to do",
        |_| {},
        |record| {
            record.is(Expect::refused(
                "no command to run: the image has neither an entrypoint nor a command; name one \
                 after `--`",
            ))
        },
    ),
    Scenario::new(
        "cli_cmd_override",
        "words after `--` replace the command and leave the entrypoint",
        |run| {
            run.command(["given", "words"]);
        },
        |record| record.is(Expect::exit(0).stdout("entry given words\n")),
    )
    .image(Image::Entrypoint),
    Scenario::new(
        "cli_entrypoint_override",
        "another entrypoint replaces the image's and drops its command",
        |run| {
            run.options(["--entrypoint", "basename", "--entrypoint", "/a/given"]);
        },
        |record| record.is(Expect::exit(0).stdout("given\n")),
    )
    .image(Image::Entrypoint),
    Scenario::new(
        "cli_entrypoint_and_cmd_override",
        "entrypoint and command can be replaced together",
        |run| {
            run.options(["--entrypoint", "basename"]).options([
                "--cmd",
                "/both/given.txt",
                "--cmd",
                ".txt",
            ]);
        },
        |record| record.is(Expect::exit(0).stdout("given\n")),
    )
    .image(Image::Entrypoint),
    Scenario::new(
        "cli_entrypoint_removed",
        "an empty entrypoint removes the image's",
        |run| {
            run.options(["--entrypoint", ""]).command(["echo", "plain"]);
        },
        |record| record.is(Expect::exit(0).stdout("plain\n")),
    )
    .image(Image::Entrypoint),
];
