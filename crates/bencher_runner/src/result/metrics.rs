//! The line on standard error that existing tooling looks for.

use serde::Serialize;

use super::{EndedBy, Iteration};
use crate::machine::{ClockKind, Transport};

#[derive(Serialize)]
struct Metrics {
    iteration: u32,
    wall_clock_ms: f64,
    timed_out: bool,
    transport: Transport,
    exit_code: u8,
    clock: ClockKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_wall_clock_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<Cgroup>,
}

#[derive(Serialize)]
struct Cgroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_usage_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_user_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_system_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_peak_bytes: Option<u64>,
}

/// `---BENCHER_METRICS:{…}---` for `iteration`.
///
/// # Errors
///
/// None in practice: numbers and names always have a JSON form.
pub fn metrics_line(
    iteration: &Iteration,
    transport: Transport,
    clock: ClockKind,
) -> serde_json::Result<String> {
    let resources = iteration.resources.as_ref();
    let metrics = Metrics {
        iteration: iteration.index,
        // What the guest measured, else what the host saw of it.
        wall_clock_ms: resources.map_or_else(
            || iteration.spans.command_ms.unwrap_or_default(),
            |resources| milliseconds(resources.wall_ns),
        ),
        timed_out: iteration.ended_by == EndedBy::Timeout,
        transport,
        exit_code: iteration.exit_code,
        clock,
        instructions: iteration.instructions,
        // Where the guest's clock is not the host's, both are of interest.
        host_wall_clock_ms: match clock {
            ClockKind::Wall => None,
            ClockKind::Virtual => iteration.spans.command_ms,
        },
        cgroup: resources.map(|resources| Cgroup {
            cpu_usage_us: resources.cpu_us,
            cpu_user_us: resources.user_us,
            cpu_system_us: resources.system_us,
            memory_peak_bytes: resources.memory_peak_bytes,
        }),
    };
    Ok(format!(
        "---BENCHER_METRICS:{}---",
        serde_json::to_string(&metrics)?
    ))
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 104 days")]
fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Resources;

    #[test]
    fn the_line_is_one_line_of_json_between_marks() {
        let mut iteration = Iteration {
            index: 1,
            ended_by: EndedBy::Timeout,
            exit_code: 124,
            resources: Some(Resources {
                wall_ns: 1_500_000,
                cpu_us: Some(1400),
                memory_peak_bytes: Some(4096),
                ..Resources::default()
            }),
            ..Iteration::default()
        };
        assert_eq!(
            metrics_line(&iteration, Transport::Serial, ClockKind::Wall).unwrap(),
            "---BENCHER_METRICS:{\"iteration\":1,\"wall_clock_ms\":1.5,\"timed_out\":true,\
             \"transport\":\"serial\",\"exit_code\":124,\"clock\":\"wall\",\"cgroup\":{\"cpu_usage_us\":1400,\
             \"memory_peak_bytes\":4096}}---"
        );
        iteration.instructions = Some(1_500_000);
        iteration.spans.command_ms = Some(30.5);
        let line = metrics_line(&iteration, Transport::Serial, ClockKind::Virtual).unwrap();
        let expected =
            "\"clock\":\"virtual\",\"instructions\":1500000,\"host_wall_clock_ms\":30.5,";
        assert!(line.contains(expected), "{line}");
        iteration.instructions = None;
        iteration.resources = None;
        iteration.spans.command_ms = Some(2.5);
        iteration.ended_by = EndedBy::Exit;
        assert_eq!(
            metrics_line(&iteration, Transport::Local, ClockKind::Wall).unwrap(),
            "---BENCHER_METRICS:{\"iteration\":1,\"wall_clock_ms\":2.5,\"timed_out\":false,\
             \"transport\":\"local\",\"exit_code\":124,\"clock\":\"wall\"}---"
        );
    }
}
