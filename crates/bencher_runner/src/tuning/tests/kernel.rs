//! Files that behave like the kernel's where that matters, and runners that are killed while they
//! write them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::fake::FakeHost;
use crate::tuning::disk::Disk;

/// Writes a file without emptying it first: ext4 writes a file that was emptied to the disk at once,
/// and tests write many thousand.
pub(super) fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)
}

/// What a disk was told, as `set FILE`, `create`, `rename`, `remove` and `sync`.
type Log = Mutex<Vec<String>>;

/// Files that take values as the kernel's do.
#[derive(Debug)]
pub(in crate::tuning) struct Kernel {
    root: PathBuf,
    /// Files, from the root on, that refuse every value, and how.
    pub(in crate::tuning) refused: Vec<(&'static str, io::ErrorKind)>,
    pub(in crate::tuning) log: Log,
}

impl Kernel {
    pub(super) fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            refused: Vec::new(),
            log: Mutex::default(),
        }
    }

    fn say(&self, what: &str) {
        self.log.lock().unwrap().push(what.to_owned());
    }

    fn policies(&self) -> Vec<PathBuf> {
        let folder = self.root.join("sys/devices/system/cpu/cpufreq");
        fs::read_dir(folder).map_or_else(
            |_| Vec::new(),
            |entries| entries.map(|entry| entry.unwrap().path()).collect(),
        )
    }

    /// What else changes with a value.
    fn consequences(&self, name: &str, value: &str) -> io::Result<()> {
        match name {
            "sys/devices/system/cpu/intel_pstate/no_turbo" => {
                let highest = if value == "1" { "3000000" } else { "4500000" };
                for policy in self.policies() {
                    put(&policy.join("scaling_max_freq"), highest.as_bytes())?;
                }
            }
            // The governor's preference outlives it.
            _ if name.ends_with("policy0/scaling_governor") && value == "performance" => {
                let policy = self.root.join(name);
                put(
                    &policy.with_file_name("energy_performance_preference"),
                    b"performance",
                )?;
            }
            // An interrupt that is left without a CPU goes to all of them, and stays there.
            "sys/devices/system/cpu/smt/control" if value == "off" => {
                for entry in fs::read_dir(self.root.join("proc/irq"))? {
                    let file = entry?.path().join("smp_affinity_list");
                    if fs::read_to_string(&file)
                        .is_ok_and(|cpus| ["2", "3", "2-3"].contains(&cpus.as_str()))
                    {
                        put(&file, b"0-3")?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Disk for Kernel {
    fn set(&self, file: &Path, value: &str) -> io::Result<()> {
        let name = file.strip_prefix(&self.root).unwrap().to_str().unwrap();
        self.say(&format!("set {name}"));
        let refusal = self.refused.iter().find(|(refused, _)| *refused == name);
        if let Some((_, kind)) = refusal {
            return Err((*kind).into());
        }
        if name == "proc/irq/4/smp_affinity_list" {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        fs::metadata(file)?;
        let governor = file.with_file_name("scaling_governor");
        if name.ends_with("energy_performance_preference")
            && fs::read_to_string(governor)? == "performance"
        {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let said = match name {
            "sys/kernel/mm/transparent_hugepage/enabled" => "always madvise never"
                .split(' ')
                .map(|mode| {
                    if mode == value {
                        format!("[{mode}]")
                    } else {
                        mode.to_owned()
                    }
                })
                .collect::<Vec<_>>()
                .join(" "),
            _ if name.ends_with("scaling_min_freq") => {
                let highest = fs::read_to_string(file.with_file_name("scaling_max_freq"))?;
                let highest: u64 = highest.trim().parse().unwrap();
                value.parse::<u64>().unwrap().min(highest).to_string()
            }
            _ => value.to_owned(),
        };
        put(file, said.as_bytes())?;
        self.consequences(name, value)
    }

    fn create(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        self.say("create");
        put(file, content)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.say("rename");
        fs::rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.say("remove");
        fs::remove_file(file)
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        self.say("sync");
        Ok(())
    }
}

/// A disk whose runner is killed after some operations: nothing that it does after that has any
/// effect.
#[derive(Debug)]
pub(in crate::tuning) struct Dying {
    kernel: Kernel,
    left: AtomicUsize,
}

impl Dying {
    pub(in crate::tuning) fn after(operations: usize, host: &FakeHost) -> Arc<Self> {
        Arc::new(Self {
            kernel: host.kernel(),
            left: AtomicUsize::new(operations),
        })
    }

    pub(in crate::tuning) fn has_died(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    fn live(&self, work: impl FnOnce(&Kernel) -> io::Result<()>) -> io::Result<()> {
        let one_less = |left: usize| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if self.left.fetch_update(order, order, one_less) == Err(0) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        work(&self.kernel)
    }
}

impl Disk for Dying {
    fn set(&self, file: &Path, value: &str) -> io::Result<()> {
        self.live(|kernel| kernel.set(file, value))
    }

    fn create(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        self.live(|kernel| {
            // Killed in the midst of it: half of the file is there.
            let is_last = self.has_died();
            let length = if is_last {
                content.len() / 2
            } else {
                content.len()
            };
            kernel.create(file, &content[..length])?;
            if is_last {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.live(|kernel| kernel.rename(from, to))
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.live(|kernel| kernel.remove(file))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.live(|kernel| kernel.sync_folder(folder))
    }
}
