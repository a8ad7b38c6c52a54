//! Variables, working directory and user: the image's, and what is laid over them.

use crate::scenarios::expect::Expect;
use crate::scenarios::image::Image;
use crate::scenarios::scenario::Scenario;
use crate::scenarios::surroundings::Need;

/// Everything that a shell, a format or a parser might stumble over.
const SPECIAL: &str = "a b\t\"c\" 'd' $e ${f} `g` \\h ;i |j &k *l ?m =n #o !p %q\n\u{fc} \u{20ac}";

/// The value of the large variable; Linux takes up to 128 KiB.
const LARGE: usize = 100_000;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "environment_variables",
        "the command's environment is the image's and nothing else",
        |run| {
            run.command(["env"]);
        },
        |record| {
            record.is(Expect::exit(0).stdout(
                "PATH=/bin\nGREETING=hello  world\nEMPTY=\nQUOTED=it's \"so\"\nHOME=/home/bench\n",
            ))
        },
    )
    .image(Image::Configured)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "working_directory",
        "the command starts in the image's working directory",
        |run| {
            run.command(["pwd"]);
        },
        |record| {
            let expect = Expect::exit(0).stdout("/made/here\n");
            record.is(expect.field("/command/working_directory", "/made/here"))
        },
    )
    .image(Image::Configured)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "cli_workdir_override",
        "another working directory is made where it is missing",
        |run| {
            run.options(["--workdir", "/not/there/yet"])
                .command(["pwd"]);
        },
        |record| record.is(Expect::exit(0).stdout("/not/there/yet\n")),
    )
    .image(Image::Configured)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "image_user",
        "the command runs as the image's user, with its groups and home",
        |run| {
            run.script("id -u; id -g; id -G; echo $HOME");
        },
        |record| {
            let expect = Expect::exit(0).stdout("1000\n1001\n1001 1002\n/home/bench\n");
            record.is(expect.field("/command/user", "bench"))
        },
    )
    .image(Image::Configured)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "cli_user_override",
        "another user can be given by numbers that the image does not know",
        |run| {
            run.options(["--user", "1234:56"])
                .script("id -u; id -g; id -G; echo $HOME");
        },
        |record| record.is(Expect::exit(0).stdout("1234\n56\n56\n/\n")),
    )
    .image(Image::Configured)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "cli_env_override",
        "a variable that is given replaces the image's",
        |run| {
            run.options(["--env", "GREETING=given"])
                .script("echo \"$GREETING\"");
        },
        |record| record.is(Expect::exit(0).stdout("given\n")),
    )
    .image(Image::Configured)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "cli_env_add",
        "a variable that is given is added to the image's",
        |run| {
            run.options(["--env", "ADDED=x=y"])
                .script("echo \"$GREETING, $ADDED\"");
        },
        |record| record.is(Expect::exit(0).stdout("hello  world, x=y\n")),
    )
    .image(Image::Configured)
    .needs(&[Need::RootOnHost]),
    Scenario::new(
        "cli_env_multiple",
        "of several variables each counts, and of one name the last",
        |run| {
            run.options([
                "--env", "A=1", "--env", "B=2", "--env", "A=3", "--env", "C=",
            ])
            .command(["env"]);
        },
        |record| record.is(Expect::exit(0).stdout("PATH=/bin\nA=3\nB=2\nC=\nHOME=/root\n")),
    ),
    Scenario::new(
        "cli_env_from_the_runner",
        "a variable without a value is the runner's own, and one that it lacks is left out",
        |run| {
            run.variable("SCENARIO_GIVEN", "from outside")
                .options(["--env", "SCENARIO_GIVEN", "--env", "SCENARIO_NOT_GIVEN"])
                .command(["env"]);
        },
        |record| {
            let expect = Expect::exit(0);
            record.is(expect.stdout("PATH=/bin\nSCENARIO_GIVEN=from outside\nHOME=/root\n"))
        },
    ),
    Scenario::new(
        "special_chars_in_env",
        "quotes, blanks, line ends and letters of any alphabet survive in a variable",
        |run| {
            run.options(["--env", &format!("SPECIAL={SPECIAL}")])
                .script("printf %s \"$SPECIAL\"");
        },
        |record| record.is(Expect::exit(0).stdout(SPECIAL)),
    ),
    Scenario::new(
        "large_env",
        "a variable of 100,000 bytes arrives whole",
        |run| {
            run.options(["--env", &format!("LARGE={}", "x".repeat(LARGE))])
                .script("printf %s \"$LARGE\"");
        },
        |record| record.is(Expect::exit(0).stdout("x".repeat(LARGE))),
    ),
    Scenario::new(
        "env_var_passthrough",
        "variables of the loader reach the command and nothing of the runner",
        |run| {
            run.options(["--env", "LD_LIBRARY_PATH=/no/where"])
                .options(["--env", "LD_PRELOAD=/no/where/library.so"])
                .script("echo $LD_LIBRARY_PATH $LD_PRELOAD");
        },
        |record| record.is(Expect::exit(0).stdout("/no/where /no/where/library.so\n")),
    ),
];
