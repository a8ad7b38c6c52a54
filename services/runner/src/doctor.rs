//! `runner doctor`.

use std::fmt::Write as _;
use std::io::Write as _;

use bencher_runner::Reporter as _;
use bencher_runner::doctor::{Diagnosis, Finding, Host, Status, examine, measure_noise};

use crate::FAILED;
use crate::arguments::{Doctor, Global};
use crate::terminal::Terminal;

/// The exit code when a check fails: the runner itself has not.
const UNFIT: u8 = 1;

/// Columns of a line of the table.
const WIDTH: usize = 100;

pub(crate) fn run(arguments: &Doctor, global: &Global, terminal: &Terminal) -> u8 {
    match attempt(arguments, global, terminal) {
        Ok(diagnosis) if diagnosis.count(Status::Fail) > 0 => UNFIT,
        Ok(_) => 0,
        Err(message) => {
            terminal.error(&message);
            FAILED
        }
    }
}

fn attempt(arguments: &Doctor, global: &Global, terminal: &Terminal) -> Result<Diagnosis, String> {
    let host = Host::this_one(&crate::spec::directories(global).cache);
    let checks = examine(&host);
    let measure = |duration| {
        terminal.info("measuring this host's noise");
        measure_noise(&host, arguments.cpus.as_ref(), duration)
    };
    let noise = arguments.noise.map(measure).transpose();
    let diagnosis = Diagnosis {
        checks,
        noise: noise.map_err(|error| error.to_string())?,
    };
    let text = if arguments.json {
        serde_json::to_string_pretty(&diagnosis).map_err(|error| error.to_string())? + "\n"
    } else {
        report(&diagnosis)
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("failed to print what was found: {error}"))?;
    Ok(diagnosis)
}

/// A line for each check, and below those that are no pass why it matters and what to do.
fn report(diagnosis: &Diagnosis) -> String {
    let widths = diagnosis.checks.iter().map(|finding| finding.check.len());
    let width = widths.max().unwrap_or_default();
    let mut text = String::new();
    for finding in &diagnosis.checks {
        row(&mut text, width, finding);
    }
    let [pass, warn, fail] = [Status::Pass, Status::Warn, Status::Fail].map(|status| {
        let count = diagnosis.count(status);
        format!("{count} {}", name(status).to_lowercase())
    });
    // Writing to a string does not fail.
    let _written = writeln!(
        text,
        "\n{} checks: {pass}, {warn}, {fail}",
        diagnosis.checks.len()
    );
    if let Some(noise) = &diagnosis.noise {
        let _written = write!(text, "\n{noise}");
    }
    text
}

fn row(text: &mut String, width: usize, finding: &Finding) {
    let head = format!("{}  {:<width$}  ", name(finding.status), finding.check);
    wrap(text, &head, &finding.found);
    if finding.status == Status::Pass {
        return;
    }
    let indent = " ".repeat(width + 8);
    wrap(text, &format!("{indent}why  "), &finding.why);
    if let Some(fix) = &finding.fix {
        wrap(text, &format!("{indent}fix  "), fix);
    }
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Warn => "warn",
        Status::Fail => "FAIL",
    }
}

/// Adds `words` behind `head`, in as many lines as it takes. Words longer than a line, such as commands'
/// paths, are not cut.
fn wrap(text: &mut String, head: &str, words: &str) {
    let indent = " ".repeat(head.chars().count());
    let mut line = head.to_owned();
    let mut is_empty = true;
    for word in words.split_whitespace() {
        let length = line.chars().count() + word.chars().count() + usize::from(!is_empty);
        if length > WIDTH && !is_empty {
            text.push_str(line.trim_end());
            text.push('\n');
            line.clone_from(&indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &str, status: Status, found: &str, fix: Option<&str>) -> Finding {
        Finding {
            check: check.to_owned(),
            status,
            found: found.to_owned(),
            why:
                "a hypervisor below this host gives its CPUs, caches and memory to others as well, \
                  and hides frequencies and sensors"
                    .to_owned(),
            fix: fix.map(str::to_owned),
        }
    }

    #[test]
    fn only_what_is_no_pass_is_explained() {
        let diagnosis = Diagnosis {
            checks: vec![
                finding("virtualization", Status::Warn, "a virtual machine", None),
                finding(
                    "kvm",
                    Status::Fail,
                    "there is no /dev/kvm",
                    Some("modprobe kvm_amd"),
                ),
                finding("smt", Status::Pass, "the processor has none", None),
            ],
            noise: None,
        };
        insta::assert_snapshot!(report(&diagnosis));
    }
}
