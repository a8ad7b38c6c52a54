//! Images to run.

use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use bencher_output_protocol::{Layouts, Limits, LogLevel, Orders, Root};
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};
use tempfile::TempDir;

/// A root file system in a folder.
pub(crate) struct Image {
    folder: TempDir,
}

const BUSYBOX: [&str; 3] = [
    "/bin/busybox",
    "/usr/bin/busybox",
    "/usr/bin/busybox-static",
];
const APPLETS: [&str; 32] = [
    "cat", "chmod", "cut", "dd", "echo", "env", "false", "find", "grep", "head", "hostname", "id",
    "ifconfig", "kill", "ln", "ls", "mkdir", "mkfifo", "mount", "ping", "printf", "ps", "pwd",
    "sh", "sleep", "sort", "stat", "touch", "true", "truncate", "wc", "yes",
];

impl Image {
    /// A `BusyBox` image, or why there can be none here.
    pub(crate) fn new() -> Result<Self, String> {
        if !geteuid().is_root() {
            return Err("this test needs root".to_owned());
        }
        let busybox = BUSYBOX
            .iter()
            .find(|path| is_static(Path::new(path)))
            .ok_or("there is no statically linked busybox here (Debian: busybox-static)")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let image = Self { folder };
        for path in ["bin", "etc", "work"] {
            std::fs::create_dir(image.path(path)).unwrap();
        }
        image.executable("bin/busybox", std::fs::read(busybox).unwrap());
        for applet in APPLETS {
            symlink("busybox", image.path("bin").join(applet)).unwrap();
        }
        image.file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
        );
        image.file(
            "etc/group",
            "root:x:0:\napp:x:1001:\naudio:x:29:app\nvideo:x:44:other,app\n",
        );
        Ok(image)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Makes a file, with its folders.
    pub(crate) fn file(&self, path: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }

    /// Makes an executable file.
    pub(crate) fn executable(&self, path: &str, contents: impl AsRef<[u8]>) {
        // A process that is made meanwhile would have it open for writing for a moment, in which
        // it can not be executed.
        let _guard = NO_FORK.lock();
        self.file(path, contents);
        std::fs::set_permissions(self.path(path), Permissions::from_mode(0o755)).unwrap();
    }

    /// Orders to run `arguments` as root in `/work`, with generous limits.
    pub(crate) fn orders(&self, arguments: &[&str]) -> Orders {
        Orders {
            root: Root::Directory {
                path: self.folder.path().as_os_str().as_bytes().to_vec(),
            },
            hostname: "testbox".to_owned(),
            arguments: arguments.iter().map(|item| (*item).into()).collect(),
            environment: vec![b"PATH=/bin".to_vec()],
            working_directory: b"/work".to_vec(),
            user: String::new(),
            stop_signal: 15,
            outputs: Vec::new(),
            limits: Limits {
                output_bytes: u64::MAX,
                file_count: 1000,
                file_bytes: u64::MAX,
                total_file_bytes: u64::MAX,
            },
            log_level: LogLevel::Debug,
            network: None,
            layouts: Layouts::Fixed,
        }
    }

    /// Orders to run a shell script.
    pub(crate) fn script(&self, script: &str) -> Orders {
        self.orders(&["sh", "-c", script])
    }
}

static NO_FORK: Mutex<()> = Mutex::new(());

/// Starts a process, at a time when no executable file is being made.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let _guard = NO_FORK.lock();
    command.spawn()
}

/// Whether an ELF file names no loader: `ldd` is not everywhere, and a chroot has none anyway.
fn is_static(path: &Path) -> bool {
    spawn(Command::new(path).arg("true")).is_ok_and(|mut child| child.wait().is_ok())
        && std::fs::read(path).is_ok_and(|bytes| {
            !bytes
                .windows(b"ld-linux".len())
                .take(4096)
                .any(|window| window == b"ld-linux")
        })
}

/// Makes `/alive` in the image: a pipe that processes of a test keep open for writing.
pub(crate) fn fifo(image: &Image) -> PathBuf {
    let path = image.path("alive");
    mkfifo(&path, Mode::from_bits_truncate(0o666)).unwrap();
    path
}

/// Waits until nobody has [`fifo`] open any more. It must have been open once.
pub(crate) fn gone(fifo: PathBuf) -> impl FnOnce() {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = File::open(fifo).and_then(|mut file| file.read_to_end(&mut bytes));
        // The test may have failed and gone.
        let _ = sender.send(read.map(|_| bytes));
    });
    move || {
        let read = receiver
            .recv_timeout(Duration::from_mins(1))
            .expect("processes of the command are still alive");
        read.unwrap();
    }
}
