//! The text of the unit, by `systemd.service`(5) and `systemd.exec`(5).

use std::path::Path;

use bencher_unit::{Hidden, Restarts, UnitError, absolute, quoted, specifiers};

use crate::LASTING;

/// The data folder: that of the unit's `StateDirectory=`.
pub(super) const DATA: &str = "/var/lib/bencher-server";
/// The file of the data folder with the administrator's token that the first start makes.
const TOKEN: &str = "admin.token";
/// What clap ends a program with whose command line is wrong.
const USAGE: u8 = 2;

/// What a unit is made of.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) program: &'a Path,
    pub(super) environment: &'a Path,
    /// Who it runs as; nothing: somebody who is there only while it runs.
    pub(super) user: Option<&'a str>,
    /// A folder for outputs that is not in the data folder.
    pub(super) outputs: Option<&'a Path>,
    pub(super) options: &'a [String],
    pub(super) hidden: &'a Hidden,
    pub(super) restarts: Restarts,
}

impl Unit<'_> {
    /// The unit.
    ///
    /// # Errors
    ///
    /// When a path or an option can not stand in a unit.
    pub(super) fn text(&self) -> Result<String, UnitError> {
        let mut command = quoted(absolute(self.program)?)?;
        let token = format!("{DATA}/{TOKEN}");
        for word in ["serve", "--data-dir", DATA, "--first-token-file", &token] {
            command = format!("{command} {word}");
        }
        for option in self.options {
            command = format!("{command} {}", quoted(option)?);
        }
        let environment = specifiers(absolute(self.environment)?)?;
        let user = match self.user {
            Some(user) => format!("User={user}\n"),
            None => "DynamicUser=yes\n".to_owned(),
        };
        let outputs = match self.outputs {
            Some(folder) => format!("ReadWritePaths={}\n", quoted(absolute(folder)?)?),
            None => String::new(),
        };
        let (hidden, restarts) = (self.hidden.settings(), self.restarts.settings());
        Ok(format!(
            "[Unit]\n\
             Description=Server of benchmark jobs\n\
             Wants=network-online.target\n\
             After=network-online.target postgresql.service\n\
             \n\
             [Service]\n\
             Type=notify\n\
             NotifyAccess=main\n\
             # What may hang has time limits of its own, which are to act first.\n\
             WatchdogSec=2min\n\
             ExecStart={command}\n\
             EnvironmentFile={environment}\n\
             {user}\
             StateDirectory=bencher-server\n\
             StateDirectoryMode=0700\n\
             {outputs}\
             # Connections, runners and the database have their time to end.\n\
             TimeoutStopSec=1min\n\
             # A large database may have to be brought up to date before it is ready.\n\
             TimeoutStartSec=1h\n\
             {restarts}\
             # A wrong command line, and what stays wrong until somebody puts it right.\n\
             RestartPreventExitStatus={USAGE} {LASTING}\n\
             LimitNOFILE=524288\n\
             LimitCORE=0\n\
             UMask=0077\n\
             # It writes to its data folder, and speaks over the network and to a database's socket: nothing\n\
             # else is there for it.\n\
             ProtectSystem=strict\n\
             {hidden}\
             PrivateMounts=yes\n\
             PrivateDevices=yes\n\
             DevicePolicy=closed\n\
             PrivateUsers=yes\n\
             PrivateIPC=yes\n\
             RemoveIPC=yes\n\
             KeyringMode=private\n\
             ProtectProc=invisible\n\
             ProcSubset=pid\n\
             ProtectClock=yes\n\
             ProtectHostname=yes\n\
             ProtectKernelLogs=yes\n\
             ProtectKernelModules=yes\n\
             ProtectKernelTunables=yes\n\
             ProtectControlGroups=yes\n\
             NoNewPrivileges=yes\n\
             CapabilityBoundingSet=\n\
             AmbientCapabilities=\n\
             RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n\
             RestrictNamespaces=yes\n\
             RestrictRealtime=yes\n\
             RestrictSUIDSGID=yes\n\
             LockPersonality=yes\n\
             MemoryDenyWriteExecute=yes\n\
             SystemCallArchitectures=native\n\
             SystemCallErrorNumber=EPERM\n\
             SystemCallFilter=@system-service\n\
             SystemCallFilter=~@privileged @resources\n\
             \n\
             [Install]\n\
             WantedBy=multi-user.target\n"
        ))
    }
}
