//! What Firecracker is told, as a pure function of the user's choices.
//!
//! Source: Firecracker's `src/firecracker/swagger/firecracker.yaml`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{FirecrackerOptions, PORT};
use crate::machine::MachineError;
use crate::machine::PREFAULT;
use crate::network::{GUEST_MAC, TAP};

/// What the guest sees of the processor.
#[derive(Debug, Clone, PartialEq)]
pub enum CpuTemplate {
    /// One of Firecracker's own, by its name (e.g. `T2`).
    Named(String),
    /// A template of the user's (Firecracker's `docs/cpu_templates`).
    Custom(Value),
}

impl CpuTemplate {
    /// A name, or the path of a JSON file.
    ///
    /// # Errors
    ///
    /// When the file can not be read or holds no JSON object.
    pub fn parse(text: &str) -> Result<Self, MachineError> {
        let is_name = !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if is_name {
            return Ok(Self::Named(text.to_owned()));
        }
        let failed = |reason: String| MachineError::CpuTemplate {
            path: PathBuf::from(text),
            reason,
        };
        let content = std::fs::read(text).map_err(|error| failed(error.to_string()))?;
        let value: Value =
            serde_json::from_slice(&content).map_err(|error| failed(error.to_string()))?;
        if !value.is_object() {
            return Err(failed("it holds no JSON object".to_owned()));
        }
        Ok(Self::Custom(value))
    }
}

/// Where Firecracker finds its files.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    pub(super) disk: PathBuf,
    pub(super) vsock: PathBuf,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    /// What it is for, as in "failed to …".
    pub(super) action: &'static str,
    pub(super) path: &'static str,
    pub(super) body: Value,
}

/// What starts the guest.
const START: &str = "/actions";

impl Order {
    /// Whether the guest runs after this.
    pub(super) fn starts_the_guest(&self) -> bool {
        self.path == START
    }
}

/// Everything that is told.
#[derive(Debug)]
pub(super) struct Config(Vec<Order>);

/// The first number that a guest may have.
const GUEST_CID: u32 = 3;

impl Config {
    pub(super) fn new(options: &FirecrackerOptions, files: &Files) -> Self {
        let mut machine = json!({
            "vcpu_count": options.vcpus.get(),
            "mem_size_mib": options.memory.mebibytes(),
            "smt": false,
        });
        if options.huge_pages.is_some() {
            machine["huge_pages"] = json!("2M");
        }
        let mut orders = Vec::new();
        let mut order = |action, path, body| orders.push(Order { action, path, body });
        match &options.cpu_template {
            Some(CpuTemplate::Named(name)) => machine["cpu_template"] = json!(name),
            Some(CpuTemplate::Custom(template)) => {
                order("use the CPU template", "/cpu-config", template.clone());
            }
            None => {}
        }
        order("make the machine", "/machine-config", machine);
        order(
            "use the kernel",
            "/boot-source",
            json!({
                "kernel_image_path": text(&files.kernel),
                "initrd_path": text(&files.initramfs),
                "boot_args": boot_arguments(options),
            }),
        );
        order(
            "attach the root filesystem",
            "/drives/root",
            json!({
                "drive_id": "root",
                "path_on_host": text(&files.disk),
                "is_root_device": false,
                "is_read_only": false,
                "cache_type": "Unsafe",
                "io_engine": "Sync",
            }),
        );
        order(
            "attach the vsock device",
            "/vsock",
            json!({"guest_cid": GUEST_CID, "uds_path": text(&files.vsock)}),
        );
        if options.network.is_some() {
            order(
                "attach the network",
                "/network-interfaces/eth0",
                json!({"iface_id": "eth0", "host_dev_name": TAP, "guest_mac": GUEST_MAC}),
            );
        }
        order("attach the entropy device", "/entropy", json!({}));
        order(
            "start the guest",
            START,
            json!({"action_type": "InstanceStart"}),
        );
        Self(orders)
    }

    /// The requests, in their order.
    pub(super) fn orders(self) -> Vec<Order> {
        self.0
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn boot_arguments(options: &FirecrackerOptions) -> String {
    let stream = format!("bencher.stream=vsock:{PORT}");
    let console = if options.console {
        "console=ttyS0"
    } else {
        // Not even a driver: each look at the port leaves the guest.
        "8250.nr_uarts=0"
    };
    let mut arguments = vec![
        console,
        "quiet",
        // A panic, like a power-off, ends the machine at once: Firecracker ends at a reset by the
        // keyboard controller.
        "panic=-1",
        "reboot=k",
        // There is a keyboard controller for that alone.
        "i8042.noaux",
        "i8042.nomux",
        "i8042.dumbkbd",
        "swiotlb=noforce",
        "rdinit=/init",
        &stream,
    ];
    if options.prefault {
        arguments.push(PREFAULT);
    }
    arguments.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::HugePages;
    use crate::units::ByteSize;

    fn options() -> FirecrackerOptions {
        FirecrackerOptions {
            vcpus: std::num::NonZeroU8::new(2).unwrap(),
            memory: ByteSize::from_mebibytes(512),
            huge_pages: None,
            prefault: false,
            cpu_template: None,
            console: false,
            network: None,
        }
    }

    fn orders(options: &FirecrackerOptions) -> Vec<Order> {
        let files = Files {
            kernel: "/kernel".into(),
            initramfs: "/initramfs".into(),
            disk: "/disk".into(),
            vsock: "/run/vsock".into(),
        };
        Config::new(options, &files).orders()
    }

    #[test]
    fn what_firecracker_is_told() {
        let told: Vec<_> = orders(&options())
            .into_iter()
            .map(|order| format!("PUT {} {:#}", order.path, order.body))
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn choices_reach_the_machine() {
        let told = orders(&FirecrackerOptions {
            huge_pages: Some(HugePages::of_host(Path::new("/state"))),
            prefault: true,
            cpu_template: Some(CpuTemplate::Named("T2".to_owned())),
            console: true,
            ..options()
        });
        let machine = &told[0].body;
        assert_eq!(machine["huge_pages"], "2M");
        assert_eq!(machine["cpu_template"], "T2");
        let arguments = told[1].body["boot_args"].as_str().unwrap();
        assert!(arguments.starts_with("console=ttyS0 "), "{arguments}");
        assert!(!arguments.contains("nr_uarts"), "{arguments}");
        assert!(arguments.ends_with(" bencher.prefault"), "{arguments}");
        let custom = orders(&FirecrackerOptions {
            cpu_template: Some(CpuTemplate::Custom(json!({"cpuid_modifiers": []}))),
            ..options()
        });
        assert_eq!(custom[0].path, "/cpu-config");
        assert_eq!(custom[0].body, json!({"cpuid_modifiers": []}));
    }

    #[test]
    fn templates_are_names_or_files() {
        assert_eq!(
            CpuTemplate::parse("T2CL").unwrap(),
            CpuTemplate::Named("T2CL".to_owned())
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("template.json");
        let parse = |content: &str| {
            std::fs::write(&path, content).unwrap();
            CpuTemplate::parse(path.to_str().unwrap())
        };
        assert_eq!(parse("{}").unwrap(), CpuTemplate::Custom(json!({})));
        for bad in ["[]", "", "{"] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains("template.json"), "{error}");
        }
        assert!(CpuTemplate::parse("").is_err());
    }
}
