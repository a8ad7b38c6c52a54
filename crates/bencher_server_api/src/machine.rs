//! Where a job ran, in words.

use crate::{MeasuredMachine, MeasuredTuning};

impl MeasuredMachine {
    /// The machine that the job had.
    pub fn machine(&self) -> String {
        let sandbox = match self.sandbox.as_deref() {
            Some("none") => "the host's own kernel".to_owned(),
            Some("firecracker") => "a microVM of Firecracker".to_owned(),
            Some("qemu") => "a microVM of QEMU".to_owned(),
            Some(other) => format!("a machine of the kind {other}"),
            None => "a machine that is not known".to_owned(),
        };
        let accelerator = match self.accelerator.as_deref() {
            Some("kvm") => " with KVM",
            Some("tcg") => ", emulated",
            _ => "",
        };
        let clock = match self.clock.as_deref() {
            Some("virtual") => ", by a virtual clock",
            _ => "",
        };
        let vcpus = self.vcpus.map(|count| match count {
            1 => "1 vCPU".to_owned(),
            count => format!("{count} vCPUs"),
        });
        let memory = self
            .memory_bytes
            .map(|bytes| format!("{} MiB", bytes >> 20));
        let kernel = self.kernel.as_deref().map(linux);
        let parts: Vec<_> = [vcpus, memory, kernel].into_iter().flatten().collect();
        let size = match parts.join(", ") {
            none if none.is_empty() => none,
            parts => format!(" ({parts})"),
        };
        format!("{sandbox}{accelerator}{clock}{size}")
    }

    /// The host around it; nothing, where nothing is known of it.
    pub fn host(&self) -> Option<String> {
        let kernel = self.host_kernel.as_deref().map(linux);
        let tuning = self.tuning.as_ref().map(MeasuredTuning::text);
        let parts = [self.cpu_model.clone(), kernel, tuning];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn linux(release: &str) -> String {
    format!("Linux {release}")
}

impl MeasuredTuning {
    fn text(&self) -> String {
        let quiet = match self.tuned_by.as_str() {
            "nobody" => return "not tuned".to_owned(),
            "left_over" => return "tuned by a runner that is no more".to_owned(),
            _ => self.quiet,
        };
        let noisy = match self.noisy.as_slice() {
            [] => String::new(),
            names => format!(", but not {}", names.join(", ")),
        };
        let sources = if quiet == 1 { "source" } else { "sources" };
        format!("tuned ({quiet} {sources} of noise off{noisy})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(sandbox: &str, accelerator: &str, clock: &str) -> MeasuredMachine {
        MeasuredMachine {
            sandbox: Some(sandbox.to_owned()),
            accelerator: Some(accelerator.to_owned()),
            clock: Some(clock.to_owned()),
            ..MeasuredMachine::default()
        }
    }

    #[test]
    fn machines_have_names() {
        let sized = MeasuredMachine {
            vcpus: Some(1),
            memory_bytes: Some(512 << 20),
            kernel: Some("6.1".to_owned()),
            ..machine("firecracker", "kvm", "wall")
        };
        for (found, expected) in [
            (
                sized,
                "a microVM of Firecracker with KVM (1 vCPU, 512 MiB, Linux 6.1)",
            ),
            (
                machine("qemu", "tcg", "virtual"),
                "a microVM of QEMU, emulated, by a virtual clock",
            ),
            (machine("none", "none", "wall"), "the host's own kernel"),
            (machine("new", "new", "new"), "a machine of the kind new"),
            (MeasuredMachine::default(), "a machine that is not known"),
        ] {
            assert_eq!(found.machine(), expected);
        }
    }

    #[test]
    fn hosts_are_what_is_known_of_them() {
        assert_eq!(MeasuredMachine::default().host(), None);
        let host = |tuned_by: &str, quiet, noisy: &[&str]| {
            let host = MeasuredMachine {
                cpu_model: Some("Some CPU".to_owned()),
                host_kernel: Some("6.12".to_owned()),
                tuning: Some(MeasuredTuning {
                    tuned_by: tuned_by.to_owned(),
                    quiet,
                    noisy: noisy.iter().map(|&name| name.to_owned()).collect(),
                }),
                ..MeasuredMachine::default()
            };
            host.host().unwrap_or_default()
        };
        for (found, expected) in [
            (host("nobody", 0, &[]), "not tuned"),
            (
                host("left_over", 3, &[]),
                "tuned by a runner that is no more",
            ),
            (host("run", 12, &[]), "tuned (12 sources of noise off)"),
            (
                host("tune_apply", 1, &["irqs", "cstates"]),
                "tuned (1 source of noise off, but not irqs, cstates)",
            ),
        ] {
            assert_eq!(found, format!("Some CPU, Linux 6.12, {expected}"));
        }
    }
}
