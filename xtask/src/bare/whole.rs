//! The whole way of a newcomer: both commands of the README, to their end, in a Debian root that
//! holds only what the README names.
//!
//! Lent by the host: the toolchain (read-only), `/proc`, `/sys` and `/dev`, and how it reaches the
//! package registries (names, proxies, authorities). Everything else is fetched and built there,
//! from a clone of the last commit. The root's writable folders are real folders of the host: an
//! appliance in a container cannot lay its writable layer on another overlay.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::root;
use crate::{exec, host, paths};

/// Debian releases that aiOS is built on.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum Suite {
    /// Debian 12
    Bookworm,
    /// Debian 13
    Trixie,
}

impl Suite {
    /// Its name in archives.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// The user who is not root.
const USER: &str = "newcomer";

/// What the README asks for, and what every installed Debian has that reaches a network.
const PACKAGES: &str = "build-essential,ca-certificates,git";

/// Where the host's toolchain is seen in the root: whoever builds must be able to reach it.
const TOOLCHAIN_LENT: &str = "/usr/local/toolchain";

/// The commands, in order. The goal is answered in the virtual machine and in a container.
const STEPS: [(&str, &str); 3] = [
    (
        "cargo xtask run",
        "cargo xtask run --power-off --goal 'check disk usage and report'",
    ),
    (
        "cargo xtask run --way container",
        "cargo xtask run --way container --power-off --goal 'create the directory /srv/www'",
    ),
    ("cargo xtask test", "cargo xtask test"),
];

/// A step that takes longer than this hangs, in seconds.
const STEP_LIMIT: &str = "9000";

/// Variables that say how the host reaches package registries.
const NETWORK: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_INDEX_URL",
    "PIP_DEFAULT_TIMEOUT",
];

/// Variables by which programs are told of the host's certificate authorities.
const AUTHORITIES: [&str; 3] = ["SSL_CERT_FILE", "CARGO_HTTP_CAINFO", "PIP_CERT"];

/// apt's settings that are the host's network's, by their beginning.
const APT_SETTINGS: [&str; 3] = ["Acquire::http", "Acquire::https", "Acquire::Check"];

/// Settings of apt that the root gets, and the host's authorities, as paths in the root.
const APT_LENT: &str = "etc/apt/apt.conf.d/90lent";
const AUTHORITIES_LENT: &str = "etc/lent-authorities.pem";

/// Goes the whole way, and says how long each step took.
///
/// # Errors
/// When a step fails; its output is above.
pub fn check(suite: Suite, as_user: bool) -> Result<()> {
    host::ensure(&[host::ROOTFS])?;
    let packages = if as_user {
        format!("{PACKAGES},passwd,sudo")
    } else {
        PACKAGES.to_owned()
    };
    let root = root(suite.name(), &packages)?;
    let who = if as_user { USER } else { "root" };
    let place = Place::new(suite, who)?;
    place.prepare(as_user)?;
    for (name, line) in STEPS {
        let what = format!("{} as {who}: {name}", suite.name());
        eprintln!("── {what}");
        let start = Instant::now();
        let status = place.inside(&root, line)?.status().context("unshare")?;
        ensure!(status.success(), "{what}: {status}");
        eprintln!("── {what}: {} s", start.elapsed().as_secs());
    }
    // Some twenty gigabytes; what failed is kept to be looked at.
    place.remove()
}

/// The folders that a root is made writable with.
struct Place {
    folder: PathBuf,
    user: String,
    home: String,
}

impl Place {
    fn new(suite: Suite, user: &str) -> Result<Self> {
        let folder = paths::repository()
            .join("target/bare-whole")
            .join(format!("{}-{user}", suite.name()));
        let home = match user {
            "root" => "/root".to_owned(),
            _ => format!("/home/{user}"),
        };
        let user = user.to_owned();
        Ok(Self { folder, user, home })
    }

    fn remove(&self) -> Result<()> {
        let mut remove = host::as_root("rm");
        remove.args(["-rf", "--one-file-system"]).arg(&self.folder);
        exec::run("bare: removing the root", &mut remove)
    }

    /// Empty folders, the clone, and what the host lends of its network.
    fn prepare(&self, as_user: bool) -> Result<()> {
        self.remove()?;
        for folder in ["root", "upper/etc/apt/apt.conf.d", "work", "tmp", "var-tmp"] {
            std::fs::create_dir_all(self.folder.join(folder))?;
        }
        for folder in ["tmp", "var-tmp"] {
            let sticky = std::fs::Permissions::from_mode(0o1777);
            std::fs::set_permissions(self.folder.join(folder), sticky)?;
        }
        let clone = self.folder.join("home/aios");
        exec::run(
            "bare: cloning the last commit",
            Command::new("git")
                .args(["clone", "--quiet", "--no-hardlinks"])
                .arg(paths::repository())
                .arg(clone),
        )?;
        let upper = self.folder.join("upper");
        for file in ["etc/resolv.conf", "etc/hosts"] {
            std::fs::copy(Path::new("/").join(file), upper.join(file))
                .with_context(|| format!("/{file}"))?;
        }
        if let Some(authorities) = std::env::var_os("SSL_CERT_FILE") {
            std::fs::copy(authorities, upper.join(AUTHORITIES_LENT))?;
        }
        std::fs::write(upper.join(APT_LENT), apt_settings()?)?;
        if as_user {
            let sudoers = upper.join("etc/sudoers.d");
            std::fs::create_dir_all(&sudoers)?;
            let line = format!("{USER} ALL=(ALL) NOPASSWD: ALL\n");
            std::fs::write(sudoers.join(USER), line)?;
        }
        Ok(())
    }

    /// A shell line in the root, as its user, in a mount namespace of its own.
    fn inside(&self, root: &Path, line: &str) -> Result<Command> {
        let script = r#"
            set -eu
            cd "$PLACE"
            mount -t overlay overlay -o "lowerdir=$ROOT,upperdir=$PLACE/upper,workdir=$PLACE/work" root
            mkdir -p "root$USER_HOME" "root$LENT" root/proc root/sys root/dev root/tmp root/var/tmp
            mount --bind -o ro "$TOOLCHAIN" "root$LENT"
            mount --bind home "root$USER_HOME"
            mount --bind tmp root/tmp
            mount --bind var-tmp root/var/tmp
            for folder in proc sys dev; do mount --rbind "/$folder" "root/$folder"; done
            if [ "$USER_NAME" != root ] && ! chroot root id "$USER_NAME" >/dev/null 2>&1; then
                chroot root useradd --home-dir "$USER_HOME" --shell /bin/bash "$USER_NAME"
                chroot root chown -R root:root /etc/sudoers.d
                chroot root chmod 440 "/etc/sudoers.d/$USER_NAME"
                chroot root chown -R "$USER_NAME:$USER_NAME" "$USER_HOME"
            fi
            # A chroot would keep its user from making namespaces of their own: user_namespaces(7).
            cd root
            mkdir -p .former
            pivot_root . .former
            former=/.former/usr/lib/x86_64-linux-gnu
            LD_LIBRARY_PATH="$former" "$former/ld-linux-x86-64.so.2" /.former/usr/bin/umount -l /.former
            cd /
            exec chroot --userspec="$USER_NAME" / /usr/bin/env -i "$@"
        "#;
        let toolchain = exec::output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let mut command = host::as_root("env");
        command
            .arg(format!("ROOT={}", root.display()))
            .arg(format!("PLACE={}", self.folder.display()))
            .arg(format!("TOOLCHAIN={toolchain}"))
            .arg(format!("LENT={TOOLCHAIN_LENT}"))
            .arg(format!("USER_NAME={}", self.user))
            .arg(format!("USER_HOME={}", self.home))
            .args(["timeout", STEP_LIMIT])
            .args(["unshare", "--mount", "--propagation", "slave"])
            .args(["/bin/sh", "-c", script, "sh"])
            .args(self.environment())
            .args(["/bin/sh", "-c"])
            .arg(format!("cd && cd aios && {line}"));
        Ok(command)
    }

    /// What the newcomer's shell has set.
    fn environment(&self) -> Vec<String> {
        let mut all = vec![
            format!("HOME={}", self.home),
            format!("USER={}", self.user),
            "LANG=C.UTF-8".to_owned(),
            format!(
                "PATH={TOOLCHAIN_LENT}/bin:{}/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                self.home
            ),
        ];
        let kept = NETWORK
            .iter()
            .filter_map(|name| Some((name, std::env::var(name).ok()?)));
        all.extend(kept.map(|(name, value)| format!("{name}={value}")));
        if std::env::var_os("SSL_CERT_FILE").is_some() {
            all.extend(AUTHORITIES.map(|name| format!("{name}=/{AUTHORITIES_LENT}")));
        }
        all
    }
}

/// How the host's apt reaches its mirrors, as a file of apt's.
fn apt_settings() -> Result<String> {
    let all = exec::output(Command::new("apt-config").arg("dump"))?;
    let lent = all
        .lines()
        .filter(|line| APT_SETTINGS.iter().any(|begin| line.starts_with(begin)));
    Ok(lent.map(|line| format!("{line}\n")).collect())
}
