//! What the checks look at.

use std::path::{Path, PathBuf};

use crate::cgroup::Cgroup;
use crate::cpus::{self, Permitted, Topology};
use crate::host_files::HostFiles;
use crate::tuning::{self, KnobState, Place, TunedBy, TuningChoices, TuningState};

/// A host as the checks see it.
#[derive(Debug)]
pub struct Host {
    pub(super) files: HostFiles,
    /// Whether this process is root's.
    pub(super) is_root: bool,
    /// Where images and root filesystems are kept.
    pub(super) cache: PathBuf,
    /// What this process may use of its CPUs, or why that is not known.
    pub(super) permitted: Result<Permitted, String>,
    /// What a machine's cgroup would lack.
    pub(super) cgroup: Vec<String>,
    /// Whether CPUs of it are set apart, or have precedence, for a runner.
    pub(super) has_taken_cpus: bool,
    /// Its knobs, or why they are not known.
    pub(super) tuning: Result<TuningState, String>,
}

impl Host {
    /// This host, with the runner's cache in `cache`.
    pub fn this_one(cache: &Path) -> Self {
        let place = Place::this_host();
        let tuning = tuning::status_of_host(&place, &TuningChoices::default(), None);
        Self {
            files: HostFiles::of_this_host(),
            is_root: nix::unistd::geteuid().is_root(),
            cache: cache.to_owned(),
            permitted: cpus::permitted().map_err(|error| error.to_string()),
            cgroup: Cgroup::foreseeable_obstacles()
                .iter()
                .map(ToString::to_string)
                .collect(),
            has_taken_cpus: cpus::has_left_over(),
            tuning: tuning.map_err(|error| error.to_string()),
        }
    }

    /// Its CPUs.
    pub(super) fn topology(&self) -> Result<Topology, String> {
        let permitted = self.permitted.as_ref().map_err(Clone::clone)?;
        Ok(Topology::read(&self.files.locate("/sys"), permitted))
    }

    /// One of its knobs.
    pub(super) fn knob(&self, name: &str) -> Option<&KnobState> {
        let tuning = self.tuning.as_ref().ok()?;
        tuning.knobs.iter().find(|knob| knob.name == name)
    }

    /// Who tuned it.
    pub(super) fn tuned_by(&self) -> Option<TunedBy> {
        self.tuning.as_ref().ok().map(|tuning| tuning.tuned_by)
    }
}

#[cfg(test)]
pub(super) mod fake {
    //! Hosts that are folders.

    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::cpus::CpuSet;

    /// A host, and the folder that it is.
    #[derive(Debug)]
    pub(in crate::doctor) struct FakeHost {
        pub(in crate::doctor) folder: TempDir,
        pub(in crate::doctor) host: Host,
    }

    impl FakeHost {
        /// A host of root's with these files, and CPUs as many as the list says.
        pub(in crate::doctor) fn new(cpus: &str, files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let cpus: CpuSet = cpus.parse().unwrap();
            let fake = Self {
                host: Host {
                    files: HostFiles::below(folder.path()),
                    is_root: true,
                    cache: folder.path().join("cache"),
                    permitted: Ok(Permitted {
                        affinity: cpus.clone(),
                        cpuset: cpus.clone(),
                    }),
                    cgroup: Vec::new(),
                    has_taken_cpus: false,
                    tuning: Ok(TuningState {
                        tuned_by: TunedBy::Nobody,
                        reason: None,
                        knobs: Vec::new(),
                    }),
                },
                folder,
            };
            fake.put("sys/devices/system/cpu/online", &cpus.to_string());
            for (path, text) in files {
                fake.put(path, text);
            }
            fake
        }

        pub(in crate::doctor) fn put(&self, path: &str, text: &str) {
            let path = self.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}
