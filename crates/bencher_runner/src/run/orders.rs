//! From the image's configuration and the user's choices to what the guest is told.

use bencher_oci::{
    ImageConfig, StopSignal, merge_environment, resolve_command, resolve_working_dir,
};
use bencher_output_protocol::{Layouts, Limits, Orders, Root};

use super::{RunError, RunSpec};
use crate::harness::AdapterChoice;
use crate::machine::Clock;
use crate::result;
use crate::tuning::Feature;

/// The host name of every guest: the same, so that no run differs by it.
const HOSTNAME: &str = "bencher";

/// `SIGTERM`, what container engines send by default.
const DEFAULT_STOP_SIGNAL: u8 = 15;

/// The orders for each iteration; the root filesystem is filled in when its machine is
/// there, and the network when it is known what the host can give.
pub(crate) fn orders(spec: &RunSpec, config: &ImageConfig) -> Result<Orders, RunError> {
    let arguments = resolve_command(config, &spec.command)?;
    let environment: Vec<_> = merge_environment(&config.env, &spec.environment)?
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let working_directory =
        resolve_working_dir(&config.working_dir, spec.working_directory.as_deref())?;
    let stop_signal = match &config.stop_signal {
        Some(text) => text.parse::<StopSignal>()?.number(),
        None => DEFAULT_STOP_SIGNAL,
    };
    let user = spec.user.as_deref().unwrap_or(&config.user);
    if !user.is_empty() {
        user.parse::<bencher_oci::UserSpec>()?;
    }
    let outputs: Vec<_> = spec
        .outputs
        .iter()
        .map(String::as_str)
        .chain(spec.adapter.iter().filter_map(AdapterChoice::file))
        .map(|path| absolute(path, &working_directory))
        .collect();
    Ok(Orders {
        root: Root::Directory { path: Vec::new() },
        hostname: HOSTNAME.to_owned(),
        arguments: bytes(&arguments),
        environment: bytes(&environment),
        working_directory: working_directory.into_bytes(),
        user: user.to_owned(),
        stop_signal,
        outputs: without_overlaps(&outputs),
        limits: Limits {
            output_bytes: spec.limits.output.bytes(),
            file_count: spec.limits.file_count,
            file_bytes: spec.limits.file.bytes(),
            total_file_bytes: spec.limits.total_files.bytes(),
        },
        log_level: spec.guest_log_level,
        network: None,
        layouts: layouts(spec),
    })
}

/// Where the command's memory is laid out. All that is random for a guest with a virtual clock is
/// made of one seed, so that its layouts are fixed whatever is asked for.
fn layouts(spec: &RunSpec) -> Layouts {
    let is_random = spec.tuning.choices.keep.contains(&Feature::Aslr);
    match spec.clock {
        Clock::Wall if is_random => Layouts::Random,
        Clock::Wall | Clock::Virtual(_) => Layouts::Fixed,
    }
}

/// The command as the result shows it.
pub(crate) fn command(orders: &Orders) -> result::Command {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    result::Command {
        arguments: orders.arguments.iter().map(text).collect(),
        environment: orders
            .environment
            .iter()
            .map(|variable| {
                let variable = text(variable);
                let name = variable.split('=').next().unwrap_or_default();
                name.to_owned()
            })
            .collect(),
        working_directory: text(&orders.working_directory),
        user: orders.user.clone(),
        layouts: match orders.layouts {
            Layouts::Fixed => result::Layouts::Fixed,
            Layouts::Random => result::Layouts::Random,
        },
    }
}

fn bytes(words: &[String]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.clone().into_bytes()).collect()
}

/// `paths` in their order, without those that repeat another or are below one: what they name is
/// collected once.
fn without_overlaps(paths: &[String]) -> Vec<Vec<u8>> {
    let is_below = |path: &String, folder: &String| {
        path != folder
            && path
                .strip_prefix(folder.as_str())
                .is_some_and(|rest| folder == "/" || rest.starts_with('/'))
    };
    paths
        .iter()
        .enumerate()
        .filter(|(position, path)| {
            !paths[..*position].contains(path) && !paths.iter().any(|other| is_below(path, other))
        })
        .map(|(_, path)| path.clone().into_bytes())
        .collect()
}

/// `path` below `folder` unless it is absolute, without `.`, `..` and empty components.
pub(crate) fn absolute(path: &str, folder: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    };
    let mut components = Vec::new();
    for component in whole.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            name => components.push(name),
        }
    }
    format!("/{}", components.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{absolute, without_overlaps};

    #[test]
    fn an_output_is_collected_once() {
        let given = ["/out/a", "/out.txt", "/out", "/out", "/b/c", "/b/cd"].map(str::to_owned);
        let expected: [&[u8]; 4] = [b"/out.txt", b"/out", b"/b/c", b"/b/cd"];
        assert_eq!(without_overlaps(&given), expected);
        assert_eq!(without_overlaps(&["/".into(), "/a".into()]), [b"/"]);
    }

    #[test]
    fn outputs_are_relative_to_the_working_directory() {
        for (path, folder, whole) in [
            ("out.json", "/work", "/work/out.json"),
            ("./a/../b//c/", "/work", "/work/b/c"),
            ("/tmp/x", "/work", "/tmp/x"),
            ("../../..", "/work", "/"),
            ("out", "/", "/out"),
        ] {
            assert_eq!(absolute(path, folder), whole, "{path} in {folder}");
        }
    }
}
