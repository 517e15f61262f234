//! Linux, from Debian's source package and the fragments in `kernel-config/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{cache, exec, host, paths};

/// Raise when this module's steps change what they make.
const RECIPE: u32 = 1;

/// The Debian package and the archive that it brings.
const PACKAGE: &str = "linux-source-6.12";
const ARCHIVE: &str = "/usr/src/linux-source-6.12.tar.xz";

/// Lines that the kernel's build prints, about; for the progress only.
const BUILD_LINES: usize = 2540;

/// A built kernel.
pub struct Kernel {
    /// What boot loaders load.
    pub image: PathBuf,
    /// Debian's version of the source.
    pub version: String,
}

/// Debian's version of the source that the kernel is built from.
///
/// # Errors
/// When it is missing and cannot be installed.
pub fn version() -> Result<String> {
    host::ensure(&[host::KERNEL])?;
    host::version(PACKAGE)
}

/// Builds the kernel, or finds it in the cache.
///
/// # Errors
/// When a package is missing and cannot be installed, the compiler fails, or an
/// option that a fragment asks for is not in the final configuration.
pub fn build() -> Result<Kernel> {
    let version = version()?;
    let fragments = fragments()?;
    let mut key = cache::Key::new(RECIPE).text("source", &version).text(
        "compiler",
        &exec::output(Command::new("gcc").arg("--version"))?,
    );
    for (name, text) in &fragments {
        key = key.text(name, text);
    }
    let built = cache::entry("kernel", &key, |folder| {
        compile(folder, &version, &fragments)
    })?;
    Ok(Kernel {
        image: built.join("bzImage"),
        version,
    })
}

/// The fragments' names and texts, in the order of their names.
fn fragments() -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(paths::repository().join("kernel-config"))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "config")
        {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            all.insert(name, fs::read_to_string(&path)?);
        }
    }
    ensure!(!all.is_empty(), "kernel-config/ holds no fragments");
    Ok(all)
}

fn compile(folder: &Path, version: &str, fragments: &BTreeMap<String, String>) -> Result<()> {
    let requests = requests(fragments)?;
    let source = folder.join("source");
    fs::create_dir(&source)?;
    exec::run(
        "kernel: unpacking",
        Command::new("tar")
            .args(["-xf", ARCHIVE, "--strip-components=1", "-C"])
            .arg(&source),
    )?;
    let all = folder.join("fragments");
    fs::write(
        &all,
        fragments.values().cloned().collect::<Vec<_>>().join("\n"),
    )?;
    exec::run(
        "kernel: configuring",
        make(&source)
            .env("KCONFIG_ALLCONFIG", &all)
            .arg("allnoconfig"),
    )?;
    let config = source.join(".config");
    check(&requests, &fs::read_to_string(&config)?)?;
    let jobs = std::thread::available_parallelism()?.get();
    exec::run_counted(
        "kernel: compiling",
        make(&source)
            // The same inputs give the same kernel, whoever builds it, whenever.
            .env("KBUILD_BUILD_TIMESTAMP", "@0")
            .env("KBUILD_BUILD_USER", "aios")
            .env("KBUILD_BUILD_HOST", "aios")
            .env("KBUILD_BUILD_VERSION", version)
            .arg(format!("-j{}", jobs + 1))
            .arg("bzImage"),
        BUILD_LINES,
    )?;
    fs::rename(source.join("arch/x86/boot/bzImage"), folder.join("bzImage"))?;
    fs::rename(config, folder.join("config"))?;
    fs::remove_dir_all(&source).context("cannot remove the unpacked source")
}

fn make(source: &Path) -> Command {
    let mut command = Command::new("make");
    command.arg("ARCH=x86_64").arg("-C").arg(source);
    // cargo hands its own job server down, which is not ours to use.
    for variable in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"] {
        command.env_remove(variable);
    }
    command
}

/// What the fragments ask for: option to value, `n` for "is not set".
fn requests(fragments: &BTreeMap<String, String>) -> Result<BTreeMap<String, (String, String)>> {
    let mut all: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (fragment, text) in fragments {
        for line in text.lines() {
            let Some((option, value)) = setting(line) else {
                let comment = line.is_empty() || line.starts_with("# ") || line == "#";
                ensure!(comment, "kernel-config/{fragment}: what is this? {line}");
                continue;
            };
            let asked = (value.to_owned(), fragment.clone());
            if let Some((_, other)) = all.insert(option.to_owned(), asked) {
                bail!("kernel-config/{fragment}: {option} is already set in {other}");
            }
        }
    }
    Ok(all)
}

/// Fails, naming them, when options that were asked for did not come out so:
/// Kconfig drops an option silently when what it depends on is off.
fn check(requests: &BTreeMap<String, (String, String)>, config: &str) -> Result<()> {
    let is: BTreeMap<&str, &str> = config.lines().filter_map(setting).collect();
    let lost: Vec<String> = requests
        .iter()
        .filter_map(|(option, (value, fragment))| {
            let got = is.get(option.as_str()).copied().unwrap_or("n");
            (got != value)
                .then(|| format!("{option}={value} (kernel-config/{fragment}), but it is {got}"))
        })
        .collect();
    ensure!(
        lost.is_empty(),
        "the kernel's configuration lost what was asked for; is a parent option off?\n  {}",
        lost.join("\n  ")
    );
    Ok(())
}

/// One line of a configuration: `CONFIG_A=y` or `# CONFIG_A is not set`.
fn setting(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = line.strip_prefix("# CONFIG_") {
        let option = rest.strip_suffix(" is not set")?;
        return (!option.contains(' ')).then_some((option, "n"));
    }
    line.strip_prefix("CONFIG_")?.split_once('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(fragment: &str, config: &str) -> Result<()> {
        let fragments = [("10-a.config".to_owned(), fragment.to_owned())].into();
        check(&requests(&fragments)?, config)
    }

    #[test]
    fn a_lost_option_fails_the_build_by_name() {
        let cases = [
            ("CONFIG_A=y", "CONFIG_A=y", true),
            ("CONFIG_A=y", "# CONFIG_A is not set", false),
            ("CONFIG_A=y", "CONFIG_AB=y", false),
            ("CONFIG_A=64", "CONFIG_A=32", false),
            ("# CONFIG_A is not set", "", true),
            ("# CONFIG_A is not set", "CONFIG_A=y", false),
            ("CONFIG_A=\"x=y\"", "CONFIG_A=\"x=y\"", true),
        ];
        for (fragment, config, good) in cases {
            let outcome = check_text(fragment, config);
            assert_eq!(outcome.is_ok(), good, "{fragment} in {config}");
            if let Err(error) = outcome {
                assert!(error.to_string().contains("A="), "{error}");
            }
        }
    }

    #[test]
    fn an_option_is_set_once() {
        assert!(check_text("CONFIG_A=y\nCONFIG_A=y", "CONFIG_A=y").is_err());
    }

    #[test]
    fn a_line_that_asks_for_nothing_is_an_error() {
        assert!(check_text("CONFIG_A y", "").is_err());
        assert!(check_text("# why CONFIG_A is not set here, in words", "").is_ok());
    }

    #[test]
    fn the_fragments_of_this_repository_agree() {
        assert!(requests(&fragments().unwrap()).unwrap().len() > 200);
    }
}
