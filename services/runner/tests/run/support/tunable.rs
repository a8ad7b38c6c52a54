//! A host whose knobs are files of a test's: a mount namespace in which a folder is in the place of
//! what the kernel has there.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use super::skip;

/// What is in the place of the kernel's, and of where runners keep what is the whole host's.
const FOLDERS: [&str; 6] = [
    "/proc/sys",
    "/proc/irq",
    "/sys/devices",
    "/sys/kernel",
    "/run",
    "/var/lib",
];

/// Values as hosts have them.
const NOISY: [(&str, &str); 6] = [
    ("/proc/sys/kernel/random/boot_id", "this-boot\n"),
    ("/proc/sys/kernel/randomize_va_space", "2\n"),
    ("/proc/sys/vm/swappiness", "60\n"),
    ("/proc/irq/default_smp_affinity", "3\n"),
    ("/proc/irq/9/smp_affinity_list", "0-1\n"),
    ("/sys/kernel/mm/ksm/run", "1\n"),
];

/// The knobs.
pub(crate) struct TunableHost {
    folder: TempDir,
}

impl TunableHost {
    /// Runs `test` where every `runner` that it starts sees such a host, or says why that can not
    /// be done here.
    pub(crate) fn with(test: impl FnOnce(&Self) + Send) {
        let is_root = nix::unistd::geteuid().is_root();
        if skip((!is_root).then_some("only root can put files in the kernel's place")) {
            return;
        }
        thread::scope(|scope| {
            let host = scope.spawn(|| {
                let host = Self::make();
                unshare(CloneFlags::CLONE_NEWNS).unwrap();
                host.furnish();
                test(&host);
            });
            if let Err(panic) = host.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    fn make() -> Self {
        let host = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for folder in FOLDERS {
            fs::create_dir_all(host.path(folder)).unwrap();
        }
        for (file, value) in NOISY {
            let path = host.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        }
        host
    }

    fn furnish(&self) {
        let none = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none).unwrap();
        for folder in FOLDERS.map(Path::new) {
            if folder.exists() {
                let from = Some(&self.path(folder));
                mount(from, folder, none, MsFlags::MS_BIND, none).unwrap();
            }
        }
        // The real one would keep this machine's processors awake.
        let latency = Path::new("/dev/cpu_dma_latency");
        if latency.exists() {
            let file = self.path("latency");
            fs::write(&file, "").unwrap();
            mount(Some(&file), latency, none, MsFlags::MS_BIND, none).unwrap();
        }
    }

    fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        let file = file.as_ref();
        self.folder
            .path()
            .join(file.strip_prefix("/").unwrap_or(file))
    }

    /// What a file says.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// Makes a file say something.
    pub(crate) fn write(&self, file: &str, value: &str) {
        fs::write(self.path(file), value).unwrap();
    }

    /// Whether a file is there.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    /// Whether every value is as it was at first.
    #[track_caller]
    pub(crate) fn is_as_before(&self) {
        for (file, value) in NOISY {
            assert_eq!(self.read(file).trim(), value.trim(), "{file}");
        }
        assert!(!self.has(JOURNAL), "the journal is gone");
    }
}

/// Where the host's values are remembered.
pub(crate) const JOURNAL: &str = "/var/lib/bencher-runner/tuning.json";
