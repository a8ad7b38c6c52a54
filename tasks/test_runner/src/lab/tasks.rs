//! Which scenario is to run on which backend.

use super::place;

/// Firecracker, as backends are named.
pub(crate) const FIRECRACKER: &str = "firecracker";

/// The place itself, as backends are named. Everything but what changes it can be tried anywhere.
const HOST: &str = "host";

/// The backends that need KVM, and the place itself.
pub(crate) const BACKENDS: [&str; 3] = [FIRECRACKER, "qemu-kvm", HOST];

/// One scenario on one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) backend: String,
    pub(super) scenario: String,
    /// How many processors the place must have.
    pub(super) cpus: usize,
    /// Whether there must be a server.
    pub(super) needs_server: bool,
}

/// The scenarios of the table that `scenarios --list` prints: name, backends, description.
pub(super) fn tasks_of(list: &str, backends: &[String]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for backend in backends {
        for line in list.lines().skip(1) {
            let mut columns = line.split_ascii_whitespace();
            let (Some(scenario), Some(on)) = (columns.next(), columns.next()) else {
                continue;
            };
            if on.split(',').any(|name| name == backend) {
                let needs = crate::scenarios::needs(scenario);
                if backend != HOST || needs.own_host {
                    tasks.push(Task {
                        backend: backend.clone(),
                        scenario: scenario.to_owned(),
                        cpus: needs.cpus.max(place::usual_cpus()),
                        needs_server: needs.server,
                    });
                }
            }
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
scenario         backends                              what is promised
basic_execution  firecracker,qemu-kvm,qemu-tcg,host    a command runs
jail_uid         firecracker,qemu-kvm,qemu-tcg         nobody
only_host        host                                  firecracker is not meant
tuning_applied   firecracker,host                      the host's knobs
up_cancel        firecracker,qemu-kvm,qemu-tcg,host    it ends at once
";

    #[test]
    fn tasks_are_where_they_have_a_meaning() {
        let backends = BACKENDS.map(str::to_owned);
        let tasks: Vec<_> = tasks_of(LIST, &backends)
            .into_iter()
            .map(|task| {
                let server = if task.needs_server {
                    " and a server"
                } else {
                    ""
                };
                format!("{} {}{server}", task.backend, task.scenario)
            })
            .collect();
        assert_eq!(
            tasks,
            [
                "firecracker basic_execution",
                "firecracker jail_uid",
                "firecracker tuning_applied",
                "firecracker up_cancel and a server",
                "qemu-kvm basic_execution",
                "qemu-kvm jail_uid",
                "qemu-kvm up_cancel and a server",
                "host tuning_applied",
            ]
        );
    }
}
