//! What a unit file means, for the directives that are known here.

use std::path::PathBuf;

use super::text::Assignment;
use super::unit::{Condition, Folder, KillMode, Kind, Unit};
use super::values::{
    ambient, below, command, environment, files, kill_mode, kind, limit, octal, restart, span, yes,
};
use super::words::{self, Name};
use aios_service::manifest::Restart;

const BASES: [(&str, &str, &str, bool); 5] = [
    ("RuntimeDirectory", "/run", "RUNTIME_DIRECTORY", true),
    ("StateDirectory", "/var/lib", "STATE_DIRECTORY", false),
    ("CacheDirectory", "/var/cache", "CACHE_DIRECTORY", false),
    ("LogsDirectory", "/var/log", "LOGS_DIRECTORY", false),
    (
        "ConfigurationDirectory",
        "/etc",
        "CONFIGURATION_DIRECTORY",
        false,
    ),
];

/// Without these, a program would run otherwise than its author meant, or not
/// at all: a unit that has one is refused.
const NEEDED: [(&str, &str); 11] = [
    ("BusName", "there is no D-Bus here"),
    ("Sockets", "there is no socket activation here"),
    ("DynamicUser", "there are no accounts made on the fly here"),
    ("RootDirectory", "another root is not set up here"),
    ("RootImage", "another root is not set up here"),
    ("ExecCondition", "is not supported here"),
    (
        "LoadCredential",
        "there are no credentials of systemd's here",
    ),
    (
        "LoadCredentialEncrypted",
        "there are no credentials of systemd's here",
    ),
    (
        "SetCredential",
        "there are no credentials of systemd's here",
    ),
    ("TTYPath", "no terminal is given to services here"),
    (
        "PrivateNetwork",
        "a network of its own needs a manifest of aiOS's",
    ),
];

/// Have no effect anywhere that would be missed.
const MEANINGLESS: [&str; 12] = [
    "Documentation",
    "Before",
    "PartOf",
    "ReloadPropagatedFrom",
    "SyslogIdentifier",
    "RequiresMountsFor",
    "DefaultDependencies",
    "StandardOutput",
    "StandardError",
    "GuessMainPID",
    "SourcePath",
    "TimeoutAbortSec",
];

/// The meaning of all assignments of a unit and its drop-ins, in their order.
///
/// # Errors
/// Why the service cannot be run as the unit asks.
pub fn read(name: Name, lines: &[Assignment]) -> Result<Unit, String> {
    let mut reader = Reader {
        unit: empty(name),
        modes: Vec::new(),
        kind: None,
        pid_guess: true,
    };
    for line in lines {
        let value = reader.unit.name.specify(&line.value)?;
        let known = match line.section.as_str() {
            "Unit" => reader.about(&line.key, &value)?,
            "Service" => reader.service(&line.key, &value)?,
            _ => true, // [Install] is for systemctl, [X-…] for others
        };
        if !known {
            reader.ignore(&line.key, &value)?;
        }
    }
    reader.finish()
}

fn empty(name: Name) -> Unit {
    Unit {
        description: name.full.clone(),
        name,
        kind: Kind::Exec,
        start_pre: Vec::new(),
        start: Vec::new(),
        start_post: Vec::new(),
        reload: Vec::new(),
        stop: Vec::new(),
        stop_post: Vec::new(),
        environment: Vec::new(),
        environment_files: Vec::new(),
        user: None,
        group: None,
        groups: Vec::new(),
        ambient: Vec::new(),
        working_directory: None,
        no_new_privileges: false,
        umask: 0o022,
        files_max: None,
        folders: Vec::new(),
        pid_file: None,
        remains: false,
        all_may_notify: false,
        restart: Restart::Never,
        restart_after: None,
        start_timeout: Some(90_000),
        stop_timeout: Some(90_000),
        watchdog: None,
        kill_mode: KillMode::ControlGroup,
        kill_signal: nix::sys::signal::Signal::SIGTERM,
        after: Vec::new(),
        requires: Vec::new(),
        wants: Vec::new(),
        conditions: Vec::new(),
        ignored: Vec::new(),
    }
}

struct Reader {
    unit: Unit,
    modes: Vec<(String, u32)>,
    kind: Option<Kind>,
    pid_guess: bool,
}

impl Reader {
    /// Takes a directive of `[Unit]`. False: it is not known.
    fn about(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let names = |list: &mut Vec<String>| {
            if value.is_empty() {
                list.clear();
            }
            list.extend(value.split_whitespace().map(str::to_owned));
        };
        match key {
            "Description" => self.unit.description = value.to_owned(),
            "After" => names(&mut self.unit.after),
            "Requires" | "BindsTo" | "Requisite" => names(&mut self.unit.requires),
            "Wants" | "Upholds" => names(&mut self.unit.wants),
            "ConditionPathExists" | "AssertPathExists" => self.condition(key, value, false),
            "ConditionFileIsExecutable" | "AssertFileIsExecutable" => {
                self.condition(key, value, true);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn condition(&mut self, key: &str, value: &str, executable: bool) {
        if value.is_empty() {
            return self.unit.conditions.clear();
        }
        let bare = value.trim_start_matches('|'); // one of several: here each must hold
        let path = bare.strip_prefix('!');
        self.unit.conditions.push(Condition {
            text: format!("{key}={value}"),
            negated: path.is_some(),
            path: PathBuf::from(path.unwrap_or(bare)),
            executable,
        });
    }

    /// Takes a directive of `[Service]`. False: it is not known.
    fn service(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let unit = &mut self.unit;
        let wrong = |why: String| format!("{key}={value}: {why}");
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "Type" => self.kind = Some(kind(value).map_err(wrong)?),
            "ExecStartPre" => command(&mut unit.start_pre, value).map_err(wrong)?,
            "ExecStart" => command(&mut unit.start, value).map_err(wrong)?,
            "ExecStartPost" => command(&mut unit.start_post, value).map_err(wrong)?,
            "ExecReload" => command(&mut unit.reload, value).map_err(wrong)?,
            "ExecStop" => command(&mut unit.stop, value).map_err(wrong)?,
            "ExecStopPost" => command(&mut unit.stop_post, value).map_err(wrong)?,
            "Environment" => environment(&mut unit.environment, value).map_err(wrong)?,
            "EnvironmentFile" => match value.strip_prefix('-') {
                _ if value.is_empty() => unit.environment_files.clear(),
                Some(path) => unit.environment_files.push((path.into(), true)),
                None => unit.environment_files.push((value.into(), false)),
            },
            "User" => unit.user = text(),
            "Group" => unit.group = text(),
            "SupplementaryGroups" => unit
                .groups
                .extend(value.split_whitespace().map(str::to_owned)),
            "AmbientCapabilities" => ambient(&mut unit.ambient, value).map_err(wrong)?,
            "WorkingDirectory" => unit.working_directory = text().map(PathBuf::from),
            "NoNewPrivileges" => unit.no_new_privileges = yes(value),
            "UMask" => unit.umask = octal(value).map_err(wrong)?,
            "LimitNOFILE" => unit.files_max = files(value),
            "PIDFile" => unit.pid_file = text().map(|path| below("/run", &path)),
            "RemainAfterExit" => unit.remains = yes(value),
            "NotifyAccess" => unit.all_may_notify = matches!(value, "all" | "exec"),
            "Restart" => unit.restart = restart(value).map_err(wrong)?,
            "RestartSec" => unit.restart_after = span(value).map_err(wrong)?,
            "TimeoutStartSec" => unit.start_timeout = limit(value).map_err(wrong)?,
            "TimeoutStopSec" => unit.stop_timeout = limit(value).map_err(wrong)?,
            "TimeoutSec" => {
                unit.start_timeout = limit(value).map_err(wrong)?;
                unit.stop_timeout = unit.start_timeout;
            }
            "WatchdogSec" => unit.watchdog = limit(value).map_err(wrong)?,
            "KillMode" => unit.kill_mode = kill_mode(value).map_err(wrong)?,
            "KillSignal" => {
                unit.kill_signal = value.parse().map_err(|_| wrong("no signal".to_owned()))?
            }
            "StandardInput" if matches!(value, "" | "null") => {}
            "StandardInput" => return Err(wrong("services have no input here".to_owned())),
            "GuessMainPID" => self.pid_guess = yes(value),
            _ => {
                return self
                    .folder(key, value)
                    .map_err(|why| format!("{key}={value}: {why}"));
            }
        }
        Ok(true)
    }

    fn folder(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let (stem, is_mode) = match key.strip_suffix("Mode") {
            Some(stem) => (stem, true),
            None => (key, false),
        };
        let Some(&(stem, base, variable, passing)) = BASES.iter().find(|base| base.0 == stem)
        else {
            return Ok(false);
        };
        if is_mode {
            self.modes.push((variable.to_owned(), octal(value)?));
            return Ok(true);
        }
        assert!(!stem.is_empty(), "it is one of the table");
        for name in words::split(value)? {
            let name = name.split(':').next().unwrap_or_default(); // links are not made
            if name.is_empty() || name.starts_with('/') || name.split('/').any(|part| part == "..")
            {
                return Err(format!("{name} is no folder below {base}"));
            }
            self.unit.folders.push(Folder {
                path: below(base, name),
                mode: 0o755,
                variable,
                passing,
            });
        }
        Ok(true)
    }

    fn ignore(&mut self, key: &str, value: &str) -> Result<(), String> {
        let needed = NEEDED.iter().find(|(name, _)| *name == key);
        if let Some((_, why)) =
            needed.filter(|_| !value.is_empty() && value != "no" && value != "false")
        {
            return Err(format!("{key}={value}: {why}"));
        }
        let ignored = &mut self.unit.ignored;
        if !MEANINGLESS.contains(&key) && !ignored.iter().any(|known| known == key) {
            ignored.push(key.to_owned());
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Unit, String> {
        for folder in &mut self.unit.folders {
            let mode = self
                .modes
                .iter()
                .rev()
                .find(|(variable, _)| *variable == folder.variable);
            folder.mode = mode.map_or(0o755, |(_, mode)| *mode);
        }
        let mut unit = self.unit;
        let simple = if unit.start.is_empty() {
            Kind::Oneshot
        } else {
            Kind::Exec
        };
        unit.kind = self.kind.unwrap_or(simple);
        if unit.kind != Kind::Oneshot && unit.start.len() != 1 {
            return Err(format!(
                "{} times ExecStart=, which only Type=oneshot may have",
                unit.start.len()
            ));
        }
        if unit.kind == Kind::Oneshot && unit.restart == Restart::Always {
            return Err("Restart=always with Type=oneshot has no end".to_owned());
        }
        if let Some(socket) = unit.requires.iter().find(|name| name.ends_with(".socket")) {
            return Err(format!(
                "Requires={socket}: there is no socket activation here"
            ));
        }
        if !self.pid_guess && unit.kind == Kind::Forking && unit.pid_file.is_none() {
            return Err("Type=forking with neither PIDFile= nor GuessMainPID=".to_owned());
        }
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    fn unit(name: &str, service: &str) -> Result<Unit, String> {
        read(Name::new(name).unwrap(), &text::parse(service)?)
    }

    #[test]
    fn debians_nginx_and_postgresql() {
        let nginx = unit(
            "nginx",
            "[Unit]\nDescription=web\nAfter=network-online.target\nDocumentation=man:nginx(8)\n\
             [Service]\nType=forking\nPIDFile=/run/nginx.pid\n\
             ExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'\n\
             ExecStop=-/sbin/start-stop-daemon --stop\nTimeoutStopSec=5\nKillMode=mixed\n\
             [Install]\nWantedBy=multi-user.target\n",
        )
        .unwrap();
        assert_eq!(nginx.kind, Kind::Forking);
        assert_eq!(nginx.start[0].words.len(), 3);
        assert!(nginx.stop[0].may_fail);
        assert_eq!(nginx.stop_timeout, Some(5_000));
        assert_eq!(nginx.ignored, Vec::<String>::new());
        let postgresql = unit(
            "postgresql@15-main",
            "[Unit]\nAssertPathExists=/etc/postgresql/%I/postgresql.conf\n[Service]\nType=forking\n\
             ExecStart=-/usr/bin/pg_ctlcluster %i start\nTimeoutStartSec=0\nTimeoutStopSec=1h\n\
             PIDFile=/run/postgresql/%i.pid\nOOMScoreAdjust=-900\n",
        )
        .unwrap();
        assert_eq!(
            postgresql.pid_file,
            Some("/run/postgresql/15-main.pid".into())
        );
        assert_eq!(
            postgresql.conditions[0].path,
            PathBuf::from("/etc/postgresql/15/main/postgresql.conf")
        );
        assert_eq!(
            (postgresql.start_timeout, postgresql.stop_timeout),
            (None, Some(3_600_000))
        );
        assert_eq!(postgresql.ignored, ["OOMScoreAdjust"]);
    }

    #[test]
    fn folders_modes_and_drop_ins() {
        let redis = unit(
            "redis-server",
            "[Service]\nExecStart=/usr/bin/a\nType=notify\nRuntimeDirectory=redis\nRuntimeDirectoryMode=2755\n\
             StateDirectory=a b/c\nUMask=007\nLimitNOFILE=1024:65535\nEnvironment=A=1 \"B=x y\"\n\
             ExecStart=\nExecStart=@/usr/bin/b own $A\n",
        )
        .unwrap();
        assert_eq!(redis.folders[0].path, PathBuf::from("/run/redis"));
        assert_eq!(redis.folders[0].mode, 0o2755);
        assert_eq!(redis.folders[2].path, PathBuf::from("/var/lib/b/c"));
        assert_eq!((redis.umask, redis.files_max), (0o007, Some(65_535)));
        assert_eq!(redis.environment[1], ("B".to_owned(), "x y".to_owned()));
        assert_eq!((redis.start.len(), redis.start[0].own_name), (1, true));
    }

    #[test]
    fn what_cannot_be_left_out_is_refused_with_the_reason() {
        let check = |line: &str, reason: &str| {
            let text = format!("[Unit]\nX=1\n[Service]\nExecStart=/bin/x\n{line}\n");
            let error = unit("x", &text).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        };
        check("Type=dbus", "no D-Bus");
        check("DynamicUser=yes", "accounts");
        check("ExecStart=/bin/y", "2 times ExecStart=");
        check("ExecStartPre=y", "absolute path");
        check("RuntimeDirectory=../etc", "no folder below");
        check("StandardInput=tty", "no input");
        check("Type=oneshot\nRestart=always", "no end");
        check("TimeoutStopSec=soon", "no time span");
        check("[Unit]\nRequires=x.socket", "socket activation");
        let fine = unit(
            "x",
            "[Service]\nExecStart=/bin/x\nDynamicUser=no\nProtectHome=yes\n",
        );
        assert_eq!(fine.unwrap().ignored, ["DynamicUser", "ProtectHome"]);
    }
}
