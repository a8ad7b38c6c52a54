//! Frequencies, throttling and temperatures of the processor, from `/sys`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use crate::cpus::CpuSet;

/// What one CPU runs at, in kHz (`Documentation/admin-guide/pm/cpufreq.rst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frequency {
    /// Now.
    pub(super) current: u64,
    /// What it is bound to, where the least that is allowed is also the most.
    pub(super) pinned: Option<u64>,
}

/// The frequency of each of `cpus` that tells it.
pub(super) fn frequencies(host: &Path, cpus: &CpuSet) -> BTreeMap<u32, Frequency> {
    let of = |cpu: u32| {
        let folder = host.join(format!("sys/devices/system/cpu/cpu{cpu}/cpufreq"));
        let current = number(&folder.join("scaling_cur_freq"))?;
        let least: Option<u64> = number(&folder.join("scaling_min_freq"));
        let most = number(&folder.join("scaling_max_freq"));
        let pinned = least.filter(|least| Some(*least) == most);
        Some((cpu, Frequency { current, pinned }))
    };
    cpus.iter().filter_map(of).collect()
}

/// How often `cpus`, or the packages that they are in, were slowed down because of their heat
/// (Intel: `arch/x86/kernel/cpu/mce/therm_throt.c`); absent where no CPU counts that.
pub(crate) fn throttlings(host: &Path, cpus: &CpuSet) -> Option<u64> {
    let of = |cpu: u32| {
        let folder = host.join(format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle"));
        let core: Option<u64> = number(&folder.join("core_throttle_count"));
        let package: Option<u64> = number(&folder.join("package_throttle_count"));
        match (core, package) {
            (None, None) => None,
            (core, package) => Some(core.unwrap_or(0) + package.unwrap_or(0)),
        }
    };
    cpus.iter().filter_map(of).reduce(|sum, more| sum + more)
}

/// Drivers of sensors in processors (`Documentation/hwmon`).
const HWMON: [&str; 5] = ["coretemp", "k10temp", "zenpower", "k8temp", "cpu_thermal"];

/// Thermal zones that are processors (`Documentation/driver-api/thermal/sysfs-api.rst`).
const ZONES: [&str; 3] = ["x86_pkg_temp", "cpu-thermal", "cpu_thermal"];

/// The temperature of the hottest sensor of a processor, in thousandths of a degree Celsius.
pub(crate) fn temperature(host: &Path) -> Option<i64> {
    let zones = folders(&host.join("sys/class/thermal"))
        .into_iter()
        .filter(|zone| named(&zone.join("type"), &ZONES))
        .filter_map(|zone| number(&zone.join("temp")));
    let sensors = folders(&host.join("sys/class/hwmon"))
        .into_iter()
        .filter(|sensor| named(&sensor.join("name"), &HWMON))
        .flat_map(|sensor| folders(&sensor))
        .filter(|file| {
            let name = file.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("temp") && name.ends_with("_input"))
        })
        .filter_map(|input| number(&input));
    zones.chain(sensors).max()
}

/// What keeps the host's time; absent where the kernel does not tell.
pub(crate) fn clock_source(host: &Path) -> Option<String> {
    let path = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    let name = fs::read_to_string(host.join(path)).ok()?;
    Some(name.trim().to_owned())
}

fn number<T: FromStr>(path: &Path) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn named(path: &Path, names: &[&str]) -> bool {
    fs::read_to_string(path).is_ok_and(|name| names.contains(&name.trim()))
}

/// What is in `folder`, nothing if it can not be read.
fn folders(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let host = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = host.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        host
    }

    #[test]
    fn a_frequency_is_pinned_when_it_can_be_no_other() {
        let cpu = "sys/devices/system/cpu/cpu2/cpufreq";
        let files = |most| {
            [
                (format!("{cpu}/scaling_cur_freq"), "2000000\n"),
                (format!("{cpu}/scaling_min_freq"), "3000000\n"),
                (format!("{cpu}/scaling_max_freq"), most),
            ]
        };
        for (most, pinned) in [("3000000\n", Some(3_000_000)), ("3500000\n", None)] {
            let files = files(most);
            let files: Vec<_> = files
                .iter()
                .map(|(path, text)| (path.as_str(), *text))
                .collect();
            let host = host(&files);
            let found = frequencies(host.path(), &"0-3".parse().unwrap());
            let current = 2_000_000;
            assert_eq!(found, BTreeMap::from([(2, Frequency { current, pinned })]));
        }
    }

    #[test]
    fn throttlings_are_added_up() {
        let folder = |cpu| format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle");
        let core = format!("{}/core_throttle_count", folder(0));
        let package = format!("{}/package_throttle_count", folder(1));
        let host = host(&[(&core, "3\n"), (&package, "4\n")]);
        assert_eq!(throttlings(host.path(), &"0-1".parse().unwrap()), Some(7));
        assert_eq!(throttlings(host.path(), &"0".parse().unwrap()), Some(3));
        assert_eq!(throttlings(host.path(), &"5".parse().unwrap()), None);
    }

    #[test]
    fn the_hottest_sensor_of_a_processor_counts() {
        let host = host(&[
            ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone0/temp", "99000\n"),
            ("sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n"),
            ("sys/class/thermal/thermal_zone1/temp", "41000\n"),
            ("sys/class/hwmon/hwmon0/name", "nvme\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "98000\n"),
            ("sys/class/hwmon/hwmon1/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon1/temp2_input", "43000\n"),
            ("sys/class/hwmon/hwmon1/temp2_max", "97000\n"),
        ]);
        assert_eq!(temperature(host.path()), Some(43_000));
        assert_eq!(temperature(Path::new("/nowhere")), None);
    }

    #[test]
    fn the_clock_source_is_named() {
        let path = "sys/devices/system/clocksource/clocksource0/current_clocksource";
        let host = host(&[(path, "tsc\n")]);
        assert_eq!(clock_source(host.path()).as_deref(), Some("tsc"));
        assert_eq!(clock_source(Path::new("/nowhere")), None);
    }
}
