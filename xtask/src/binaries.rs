//! aiOS's own executables: one cargo build for all of them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{exec, host, paths};

/// The packages whose executables are on the appliance, each in [`FOLDER`].
const PRODUCTS: [(&str, &str); 4] = [
    ("aios", "aios"),
    ("aios-init", "aios-init"),
    ("aios-install", "aios-install"),
    ("aios-runtime", "aios-runtime"),
];

/// The executable that is many programs, by the names of its links.
const MANY: &str = "aios";

/// Where the executables are on the appliance, relative to the root.
const FOLDER: &str = "usr/lib/aios";

/// The operator's command line as an executable of its own, for this machine.
const CTL: (&str, &str) = ("aiosctl", "aiosctl");

/// The packages that the appliance's executables are built from.
pub fn packages() -> Vec<&'static str> {
    PRODUCTS.iter().map(|(package, _)| *package).collect()
}

/// A built executable.
pub struct Binary {
    /// Its file name.
    pub name: &'static str,
    /// Where it was built.
    pub path: PathBuf,
}

/// What was built.
pub struct Binaries {
    /// For the appliance.
    pub appliance: Vec<Binary>,
    /// `aiosctl`, for this machine.
    pub aiosctl: PathBuf,
}

/// Builds all executables with the profile that the tests use too.
///
/// # Errors
/// When the compiler fails, or made something else than expected.
pub fn build() -> Result<Binaries> {
    host::ensure(&[host::BINARIES])?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::repository());
    cargo.args([
        "build",
        "--bins",
        "--message-format=json-render-diagnostics",
    ]);
    for (package, _) in PRODUCTS.iter().chain([&CTL]) {
        cargo.args(["--package", package]);
    }
    // Cargo shows its own progress.
    let output = cargo
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo")?;
    ensure!(output.status.success(), "cargo build: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let built: Vec<PathBuf> = text.lines().filter_map(executable).collect();
    let find = |&(package, name): &(&str, &'static str)| {
        let path = built
            .iter()
            .find(|path| path.file_name().is_some_and(|file| file == name));
        let path = path.with_context(|| format!("{package} has no executable {name}"))?;
        anyhow::Ok(Binary {
            name,
            path: path.clone(),
        })
    };
    Ok(Binaries {
        appliance: PRODUCTS.iter().map(find).collect::<Result<_>>()?,
        aiosctl: find(&CTL)?.path,
    })
}

/// Copies an executable without its symbols, and makes its links.
///
/// # Errors
/// When strip fails, or the executable wants shared libraries: those of this
/// machine are not on the appliance.
pub fn install(binary: &Binary, root: &Path) -> Result<()> {
    let dynamic = exec::output(Command::new("readelf").arg("--dynamic").arg(&binary.path))?;
    let wanted: Vec<&str> = wanted_libraries(&dynamic).collect();
    ensure!(
        wanted.is_empty(),
        "{} is not static, it needs {}",
        binary.name,
        wanted.join(", ")
    );
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    exec::run(
        &format!("stripping {}", binary.name),
        Command::new("strip")
            .arg("-o")
            .arg(folder.join(binary.name))
            .arg(&binary.path),
    )?;
    if binary.name == MANY {
        let target = Path::new("/").join(FOLDER).join(binary.name);
        for link in exec::output(&mut Command::new(&binary.path))?.lines() {
            let link = root.join(link.trim_start_matches('/'));
            symlink(&target, &link).with_context(|| link.display().to_string())?;
        }
    }
    Ok(())
}

/// The shared libraries in readelf's listing of a dynamic section.
fn wanted_libraries(listing: &str) -> impl Iterator<Item = &str> {
    listing
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
}

/// The executable that one of cargo's messages tells of.
fn executable(message: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    serde_json::from_str::<Message>(message).ok()?.executable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_that_wants_a_shared_library_is_seen() {
        let needed = " 0x01 (NEEDED)             Shared library: [libstdc++.so.6]\n";
        let cases = [
            ("There is no dynamic section in this file.", vec![]),
            (" 0x1e (FLAGS)              BIND_NOW", vec![]),
            (needed, vec!["libstdc++.so.6"]),
        ];
        for (listing, expected) in cases {
            let wanted: Vec<&str> = wanted_libraries(listing).collect();
            assert_eq!(wanted, expected);
        }
    }

    #[test]
    fn executables_are_read_from_cargos_messages() {
        let cases = [
            (
                r#"{"reason":"compiler-artifact","executable":"/t/aiosctl"}"#,
                Some("/t/aiosctl"),
            ),
            (r#"{"reason":"compiler-artifact","executable":null}"#, None),
            (r#"{"reason":"build-finished","success":true}"#, None),
            ("warning: words", None),
        ];
        for (message, expected) in cases {
            assert_eq!(
                executable(message),
                expected.map(PathBuf::from),
                "{message}"
            );
        }
    }
}
