//! Folders that a unit hides from its service, unless the service needs something there.

use std::path::PathBuf;

/// What a service needs of folders that a unit usually hides.
#[derive(Debug, Default)]
pub struct Hidden {
    /// Below the folders of users.
    home: Option<PathBuf>,
    /// Below the folders of temporary files.
    temporary: Option<PathBuf>,
}

impl Hidden {
    /// What of `places` is hidden: by `systemd.exec`(5), `ProtectHome=` and `PrivateTmp=`.
    pub fn of(places: &[PathBuf]) -> Self {
        let below = |folders: &[&str]| {
            let is_below =
                |place: &&PathBuf| folders.iter().any(|folder| place.starts_with(folder));
            places.iter().find(is_below).cloned()
        };
        Self {
            home: below(&["/home", "/root", "/run/user"]),
            temporary: below(&["/tmp", "/var/tmp"]),
        }
    }

    /// The two settings of a unit, a line each.
    pub fn settings(&self) -> String {
        let protects = |place: &Option<PathBuf>| if place.is_some() { "no" } else { "yes" };
        format!(
            "ProtectHome={}\nPrivateTmp={}\n",
            protects(&self.home),
            protects(&self.temporary)
        )
    }

    /// What the user should know of it.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |place: &PathBuf, setting: &str| {
            format!(
                "{} is needed, so the unit has no {setting}: to have it, move that to /usr/local, /etc or \
                 /var/lib",
                place.display()
            )
        };
        let home = self.home.iter().map(|place| warning(place, "ProtectHome"));
        let temporary = self
            .temporary
            .iter()
            .map(|place| warning(place, "PrivateTmp"));
        home.chain(temporary).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_needs_is_not_hidden_from_it() {
        for (place, home, temporary) in [
            ("/usr/local/bin/runner", "yes", "yes"),
            ("/root/target/debug/runner", "no", "yes"),
            ("/home/me/ca.pem", "no", "yes"),
            ("/homes/me/ca.pem", "yes", "yes"),
            ("/tmp/vmlinux", "yes", "no"),
        ] {
            let hidden = Hidden::of(&["/etc/x".into(), place.into()]);
            let lines = format!("ProtectHome={home}\nPrivateTmp={temporary}\n");
            assert_eq!(hidden.settings(), lines, "{place}");
            let is_told = hidden.warnings().iter().any(|text| text.contains(place));
            assert_eq!(is_told, (home, temporary) != ("yes", "yes"), "{place}");
        }
    }
}
