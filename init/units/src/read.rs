//! What a unit file means, for the directives that are known here.

use std::path::PathBuf;

use super::text::Assignment;
use super::unit::{Condition, Folder, KillMode, Kind, Restart, Statuses, Unit};
use super::values::{
    ambient, asked, below, commands, environment, files, kill_mode, kind, limit, octal, restart,
    span, statuses, yes,
};
use super::words::{self, Escapes, Name};
use aios_service::supervise::Millis;

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

/// How long a step of a start is waited for when the unit does not say it. Not for
/// [`Kind::Oneshot`], which may take as long as it likes.
const START_TIMEOUT: Millis = 90_000;

/// A line that cannot be followed.
enum Fault {
    /// The service would not be what its author meant: the unit is refused.
    Fatal(String),
    /// The line is passed over, as systemd does it, and this is said.
    Line(String),
}

/// The meaning of all assignments of a unit and its drop-ins, in their order.
/// `warnings`: what was strange about the files already.
///
/// # Errors
/// Why the service cannot be run as the unit asks.
pub fn read(name: Name, lines: &[Assignment], warnings: Vec<String>) -> Result<Unit, String> {
    let mut reader = Reader {
        unit: empty(name),
        modes: Vec::new(),
        kind: None,
        pid_guess: true,
        start_timeout: None,
    };
    reader.unit.warnings = warnings;
    for line in lines {
        match reader.take(line) {
            Ok(()) => {}
            Err(Fault::Fatal(why)) => return Err(format!("{}={}: {why}", line.key, line.value)),
            Err(Fault::Line(why)) => reader
                .unit
                .warnings
                .push(format!("{}={} is passed over: {why}", line.key, line.value)),
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
        restart: Restart::No,
        success: Statuses::default(),
        restart_prevented: Statuses::default(),
        restart_forced: Statuses::default(),
        restart_after: None,
        start_timeout: None,
        stop_timeout: Some(90_000),
        watchdog: None,
        kill_mode: KillMode::ControlGroup,
        kill_signal: nix::sys::signal::Signal::SIGTERM,
        after: Vec::new(),
        requires: Vec::new(),
        wants: Vec::new(),
        conditions: Vec::new(),
        ignored: Vec::new(),
        warnings: Vec::new(),
    }
}

struct Reader {
    unit: Unit,
    modes: Vec<(String, u32)>,
    kind: Option<Kind>,
    pid_guess: bool,
    /// As the unit says it.
    start_timeout: Option<Option<Millis>>,
}

impl Reader {
    fn take(&mut self, line: &Assignment) -> Result<(), Fault> {
        let key = line.key.as_str();
        let is_service = match line.section.as_str() {
            "Unit" => false,
            "Service" => true,
            _ => return Ok(()), // [Install] is for systemctl, [X-…] for others
        };
        let mut odd = Vec::new();
        // What is not known has no specifiers: CPUQuota=50% is a share.
        let known = match self.unit.name.specify(&line.value) {
            Ok(value) if is_service => self.service(key, &value, &mut odd)?,
            Ok(value) => self.about(key, &value),
            Err(_) if !MEANINGLESS.contains(&key) && !self.is_known(is_service, key) => false,
            Err(why) if key.starts_with("Exec") => return Err(Fault::Fatal(why)),
            Err(why) => return Err(Fault::Line(why)),
        };
        if !known {
            self.ignore(key, &line.value).map_err(Fault::Fatal)?;
        }
        let odd = odd
            .into_iter()
            .map(|odd| format!("{key}={}: {odd}", line.value));
        self.unit.warnings.extend(odd);
        Ok(())
    }

    /// Is there such a directive here? It is tried out on a unit that is thrown away.
    fn is_known(&self, is_service: bool, key: &str) -> bool {
        let mut other = Self {
            unit: empty(self.unit.name.clone()),
            modes: Vec::new(),
            kind: None,
            pid_guess: true,
            start_timeout: None,
        };
        if is_service {
            other.service(key, "", &mut Vec::new()).unwrap_or(true)
        } else {
            other.about(key, "")
        }
    }

    /// Takes a directive of `[Unit]`. False: it is not known.
    fn about(&mut self, key: &str, value: &str) -> bool {
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
            _ => return self.condition(key, value),
        }
        true
    }

    fn condition(&mut self, key: &str, value: &str) -> bool {
        let (assertion, what) = match key.strip_prefix("Assert") {
            Some(what) => (true, what),
            None => (false, key.strip_prefix("Condition").unwrap_or_default()),
        };
        let Some(asked) = asked(what) else {
            return false;
        };
        let conditions = &mut self.unit.conditions;
        if value.is_empty() {
            conditions.retain(|condition| condition.assertion != assertion);
            return true;
        }
        let (alternative, rest) = match value.strip_prefix('|') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, value),
        };
        let (negated, path) = match rest.strip_prefix('!') {
            Some(path) => (true, path.trim_start()),
            None => (false, rest),
        };
        conditions.push(Condition {
            text: format!("{key}={value}"),
            assertion,
            alternative,
            negated,
            path: PathBuf::from(path),
            asked,
        });
        true
    }

    /// Takes a directive of `[Service]`. False: it is not known.
    fn service(&mut self, key: &str, value: &str, odd: &mut Vec<String>) -> Result<bool, Fault> {
        let unit = &mut self.unit;
        let (fatal, wrong) = (Fault::Fatal, Fault::Line);
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "Type" => self.kind = Some(kind(value).map_err(fatal)?),
            "ExecStartPre" => commands(&mut unit.start_pre, value, odd).map_err(fatal)?,
            "ExecStart" => commands(&mut unit.start, value, odd).map_err(fatal)?,
            "ExecStartPost" => commands(&mut unit.start_post, value, odd).map_err(fatal)?,
            "ExecReload" => commands(&mut unit.reload, value, odd).map_err(fatal)?,
            "ExecStop" => commands(&mut unit.stop, value, odd).map_err(fatal)?,
            "ExecStopPost" => commands(&mut unit.stop_post, value, odd).map_err(fatal)?,
            "Environment" => environment(&mut unit.environment, value, odd).map_err(wrong)?,
            "EnvironmentFile" => {
                let (path, may_miss) = match value.strip_prefix('-') {
                    Some(path) => (path, true),
                    None => (value, false),
                };
                match path {
                    "" => unit.environment_files.clear(),
                    _ if path.starts_with('/') => {
                        unit.environment_files.push((path.into(), may_miss));
                    }
                    _ => return Err(wrong("no absolute path".to_owned())),
                }
            }
            "User" => unit.user = text(),
            "Group" => unit.group = text(),
            "SupplementaryGroups" => unit
                .groups
                .extend(value.split_whitespace().map(str::to_owned)),
            "AmbientCapabilities" => ambient(&mut unit.ambient, value).map_err(fatal)?,
            "WorkingDirectory" => unit.working_directory = text().map(PathBuf::from),
            "NoNewPrivileges" => unit.no_new_privileges = yes(value),
            "UMask" => unit.umask = octal(value).map_err(wrong)?,
            "LimitNOFILE" => unit.files_max = files(value),
            "PIDFile" => unit.pid_file = text().map(|path| below("/run", &path)),
            "RemainAfterExit" => unit.remains = yes(value),
            "NotifyAccess" => unit.all_may_notify = matches!(value, "all" | "exec"),
            "Restart" => unit.restart = restart(value).map_err(wrong)?,
            "SuccessExitStatus" => statuses(&mut unit.success, value).map_err(wrong)?,
            "RestartPreventExitStatus" => {
                statuses(&mut unit.restart_prevented, value).map_err(wrong)?;
            }
            "RestartForceExitStatus" => {
                statuses(&mut unit.restart_forced, value).map_err(wrong)?;
            }
            "RestartSec" => unit.restart_after = span(value).map_err(wrong)?,
            "TimeoutStartSec" => self.start_timeout = Some(limit(value).map_err(wrong)?),
            "TimeoutStopSec" => unit.stop_timeout = limit(value).map_err(wrong)?,
            "TimeoutSec" => {
                unit.stop_timeout = limit(value).map_err(wrong)?;
                self.start_timeout = Some(unit.stop_timeout);
            }
            "WatchdogSec" => unit.watchdog = limit(value).map_err(wrong)?,
            "KillMode" => unit.kill_mode = kill_mode(value).map_err(wrong)?,
            "KillSignal" => {
                unit.kill_signal = value.parse().map_err(|_| wrong("no signal".to_owned()))?
            }
            "StandardInput" if matches!(value, "" | "null") => {}
            "StandardInput" => return Err(fatal("services have no input here".to_owned())),
            "GuessMainPID" => self.pid_guess = yes(value),
            _ => return self.folder(key, value, odd).map_err(fatal),
        }
        Ok(true)
    }

    fn folder(&mut self, key: &str, value: &str, odd: &mut Vec<String>) -> Result<bool, String> {
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
        for name in words::split(value, Escapes::C, odd)? {
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
            return Err((*why).to_owned());
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
        let timeout = (unit.kind != Kind::Oneshot).then_some(START_TIMEOUT);
        unit.start_timeout = self.start_timeout.unwrap_or(timeout);
        lacks_nothing(&unit)?;
        if unit.kind != Kind::Oneshot && unit.start.len() != 1 {
            return Err(format!(
                "{} times ExecStart=, which only Type=oneshot may have",
                unit.start.len()
            ));
        }
        let is_endless = matches!(unit.restart, Restart::Always | Restart::OnSuccess);
        if unit.kind == Kind::Oneshot && is_endless {
            return Err("Restart=always or on-success with Type=oneshot has no end".to_owned());
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

/// Has it something to run? Only what is there to stop something may lack `ExecStart=`.
fn lacks_nothing(unit: &Unit) -> Result<(), String> {
    let why = match (unit.start.is_empty(), unit.kind) {
        (false, _) => return Ok(()),
        (true, Kind::Oneshot) if unit.stop.is_empty() => "lacks ExecStart= and ExecStop=",
        (true, Kind::Oneshot) if unit.remains => return Ok(()),
        (true, Kind::Oneshot) => "lacks ExecStart=, which only RemainAfterExit=yes may lack",
        (true, _) => "lacks ExecStart=, which only Type=oneshot may lack",
    };
    let strange = match unit.ignored.join(", ") {
        none if none.is_empty() => none,
        names => format!("; without effect here: {names}"),
    };
    Err(format!("{why}{strange}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    fn unit(name: &str, service: &str) -> Result<Unit, String> {
        let mut odd = Vec::new();
        let lines = text::parse(service.as_bytes(), &mut odd)?;
        read(Name::new(name).unwrap(), &lines, odd)
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
        check("ExecStart=", "lacks ExecStart= and ExecStop=");
        check("ExecStartPre=./y", "absolute path");
        check("ExecStartPre=/bin/y %!", "%! is not known");
        check("RuntimeDirectory=../etc", "no folder below");
        check("StandardInput=tty", "no input");
        check("Type=oneshot\nRestart=always", "no end");
        check("Type=oneshot\nRestart=on-success", "no end");
        check("[Unit]\nRequires=x.socket", "socket activation");
        let fine = unit(
            "x",
            "[Service]\nExecStart=/bin/x\nDynamicUser=no\nProtectHome=yes\n",
        );
        assert_eq!(fine.unwrap().ignored, ["DynamicUser", "ProtectHome"]);
    }

    #[test]
    fn a_unit_that_runs_nothing_is_refused() {
        let check = |text: &str, reason: Option<&str>| match (unit("x", text), reason) {
            (Ok(_), None) => {}
            (Err(why), Some(reason)) => assert!(why.contains(reason), "{text}: {why}"),
            (result, _) => panic!("{text}: {result:?}"),
        };
        check("", Some("lacks ExecStart= and ExecStop="));
        check("[Unit]\nDescription=x\n", Some("lacks ExecStart="));
        check(
            "[Service]\nType=oneshot\nExecStrat=/bin/x\n",
            Some("lacks ExecStart= and ExecStop=; without effect here: ExecStrat"),
        );
        check("[Service]\nType=simple\n", Some("lacks ExecStart="));
        check("[Service]\nExecStartPre=/bin/x\n", Some("lacks ExecStart="));
        check("[Service]\nExecStop=/bin/x\n", Some("RemainAfterExit=yes"));
        check("[Service]\nRemainAfterExit=yes\nExecStop=/bin/x\n", None);
    }

    #[test]
    fn a_value_that_cannot_be_read_costs_its_line_and_is_named() {
        let check = |line: &str, named: &[&str]| {
            let text = format!("[Service]\nExecStart=/bin/x\n{line}\n");
            let unit = unit("x", &text).unwrap_or_else(|why| panic!("{line}: {why}"));
            let warnings = unit.warnings.join("\n");
            assert_eq!(unit.warnings.len(), named.len(), "{line}: {warnings}");
            for named in named {
                assert!(warnings.contains(named), "{line}: {warnings}");
            }
        };
        check("CPUQuota=50%\nMemoryHigh=80%", &[]); // named among what has no effect
        let url = "Documentation=https://example.org/a%20b";
        check(&format!("[Unit]\n{url}"), &[url]);
        check(
            "[Unit]\nDescription=100% good",
            &["Description=100% good is passed over"],
        );
        check(
            "PIDFile=/run/%!.pid",
            &["PIDFile=/run/%!.pid is passed over"],
        );
        check("TimeoutStopSec=soon", &["no time span"]);
        check(
            "UMask=rw\nKillMode=all\nRestart=often",
            &["UMask", "KillMode", "Restart"],
        );
        check("SuccessExitStatus=1 many", &["many is no status"]);
        check("EnvironmentFile=etc/x", &["no absolute path"]);
        check("Environment=A=1 B", &["B, which is no NAME=value"]);
        check(r"ExecStartPre=/bin/x '^\d+$'", &[r"\d is no escape"]);
        check("nonsense", &["neither [section] nor key=value"]);
    }

    #[test]
    fn how_long_a_start_may_take_depends_on_its_kind() {
        let check = |lines: &str, expected| {
            let unit = unit("x", &format!("[Service]\nExecStart=/bin/x\n{lines}\n"));
            assert_eq!(unit.unwrap().start_timeout, expected, "{lines}");
        };
        check("", Some(START_TIMEOUT));
        check("Type=oneshot", None);
        check("Type=oneshot\nTimeoutStartSec=5", Some(5_000));
        check("TimeoutSec=infinity", None);
    }

    #[test]
    fn of_alternative_conditions_one_must_hold() {
        use crate::unit::unmet;
        let check = |lines: &str, expected: Option<&str>| {
            let text = format!("[Unit]\n{lines}\n[Service]\nExecStart=/bin/x\n");
            let unit = unit("x", &text).unwrap();
            assert_eq!(unmet(&unit.conditions).as_deref(), expected, "{lines}");
        };
        let (yes, no) = (
            "ConditionPathExists=|/etc/passwd",
            "ConditionPathExists=|/nothere",
        );
        check(&format!("{no}\n{yes}"), None);
        check(no, Some(no));
        check("ConditionPathExists=|!/nothere", None);
        check("ConditionPathExists=!/nothere", None);
        check(
            "ConditionPathExists=/nothere",
            Some("ConditionPathExists=/nothere"),
        );
        // A list of its own, and one that must hold besides.
        let assertion = "AssertPathIsDirectory=|/etc/passwd";
        check(&format!("{yes}\n{assertion}"), Some(assertion));
        check(
            &format!("{yes}\nConditionPathExists=!/etc"),
            Some("ConditionPathExists=!/etc"),
        );
        check(
            &format!("{no}\n{assertion}\nConditionPathExists="),
            Some(assertion),
        );
        check(
            "ConditionFileNotEmpty=|/etc\nConditionPathIsSymbolicLink=|/etc",
            Some("ConditionFileNotEmpty=|/etc or ConditionPathIsSymbolicLink=|/etc"),
        );
        check(
            "ConditionDirectoryNotEmpty=/etc\nConditionPathExistsGlob=/etc/pass*",
            None,
        );
        check(
            "ConditionFileIsExecutable=/etc/passwd",
            Some("ConditionFileIsExecutable=/etc/passwd"),
        );
    }
}
