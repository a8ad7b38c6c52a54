//! Waiting until a processor is as cool as it was at the start of the run.

use std::time::{Duration, Instant};

use super::observation::Observer;

/// How much warmer than at the start is cool enough, in thousandths of a degree: sensors show
/// whole degrees.
const TOLERANCE: i64 = 1000;

/// Between two looks at the sensor. It can not call by itself, and nothing runs that this could
/// disturb.
const PAUSE: Duration = Duration::from_millis(250);

/// When a processor is cool enough for the next iteration.
#[derive(Debug, Clone, Copy)]
pub struct CoolDown {
    /// Thousandths of a degree Celsius.
    start: Option<i64>,
    /// How long it is waited for.
    most: Duration,
}

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cooling {
    /// It is cool enough.
    Cool,
    /// It was not within the time; how many thousandths of a degree it is warmer than at the start.
    StillWarm(i64),
    /// The host does not tell its temperature.
    Unknown,
}

impl CoolDown {
    /// Remembers how warm the processor is now. Each [`CoolDown::wait`] ends after `most`.
    pub fn begin(observer: &Observer, most: Duration) -> Self {
        Self {
            start: observer.temperature(),
            most,
        }
    }

    /// Waits.
    pub async fn wait(&self, observer: &Observer) -> Cooling {
        let Some(start) = self.start else {
            return Cooling::Unknown;
        };
        let end = Instant::now() + self.most;
        loop {
            let Some(now) = observer.temperature() else {
                return Cooling::Unknown;
            };
            let warmer = now - start;
            if warmer <= TOLERANCE {
                return Cooling::Cool;
            }
            if Instant::now() >= end {
                return Cooling::StillWarm(warmer);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn host(temperature: &str) -> tempfile::TempDir {
        let host = tempfile::tempdir().unwrap();
        let zone = host.path().join("sys/class/thermal/thermal_zone0");
        fs::create_dir_all(&zone).unwrap();
        fs::write(zone.join("type"), "x86_pkg_temp\n").unwrap();
        fs::write(zone.join("temp"), temperature).unwrap();
        host
    }

    fn heat(host: &tempfile::TempDir, temperature: &str) {
        let path = "sys/class/thermal/thermal_zone0/temp";
        fs::write(host.path().join(path), temperature).unwrap();
    }

    #[tokio::test]
    async fn it_waits_until_it_is_as_cool_as_before() {
        let host = host("40000\n");
        let observer = Observer::of(host.path(), "0".parse().unwrap());
        let cool_down = CoolDown::begin(&observer, Duration::from_mins(10));
        assert_eq!(cool_down.wait(&observer).await, Cooling::Cool);
        heat(&host, "55000\n");
        let cooled = async {
            tokio::task::yield_now().await;
            heat(&host, "41000\n");
        };
        let (cooling, ()) = tokio::join!(cool_down.wait(&observer), cooled);
        assert_eq!(cooling, Cooling::Cool);
    }

    #[tokio::test]
    async fn it_does_not_wait_for_ever() {
        let host = host("40000\n");
        let observer = Observer::of(host.path(), "0".parse().unwrap());
        let cool_down = CoolDown::begin(&observer, Duration::ZERO);
        heat(&host, "47000\n");
        assert_eq!(cool_down.wait(&observer).await, Cooling::StillWarm(7000));
    }

    #[tokio::test]
    async fn without_a_sensor_there_is_nothing_to_wait_for() {
        let folder = tempfile::tempdir().unwrap();
        let observer = Observer::of(folder.path(), "0".parse().unwrap());
        let cool_down = CoolDown::begin(&observer, Duration::from_mins(10));
        assert_eq!(cool_down.wait(&observer).await, Cooling::Unknown);
    }
}
