//! An update bundle of what was built: boot image and root, signed.

use std::fs::{self, File};
use std::io::{BufWriter, Seek};
use std::path::{Path, PathBuf};

use aios_update::bundle::{self, ARCHITECTURE, Manifest, Part};
use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{image, keys, layer, paths};

/// Arguments of `cargo xtask bundle`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which release it is; newer ones have higher numbers [default: Unix time of the last commit]
    #[arg(long)]
    release: Option<u64>,
    /// The oldest release that can be updated to this one
    #[arg(long, value_name = "RELEASE", default_value_t = 0)]
    from: u64,
    /// The file to write [default: target/aios/update.bundle]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The part of the artefacts' manifest that is needed here.
#[derive(Deserialize)]
struct Built {
    version: String,
    root_hash: String,
}

/// Builds everything, and a bundle of it. Where it is.
///
/// # Errors
/// When something cannot be built, or the bundle cannot be written.
pub fn build(arguments: &Arguments) -> Result<PathBuf> {
    image::build()?;
    let folder = paths::artefacts();
    let built: Built = serde_json::from_slice(&fs::read(folder.join("manifest.json"))?)?;
    let (mut boot, mut root) = (
        open(&folder.join("boot.img"))?,
        open(&folder.join("root.squashfs"))?,
    );
    let manifest = Manifest {
        release: match arguments.release {
            Some(release) => release,
            None => layer::build_time()
                .parse()
                .context("no git history says which release this is; use --release")?,
        },
        version: built.version,
        architecture: ARCHITECTURE.to_owned(),
        from_release: arguments.from,
        root_hash: built.root_hash,
        boot: part(&mut boot)?,
        root: part(&mut root)?,
    };
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| folder.join("update.bundle"));
    // Beside it first: what has the name is whole.
    let unfinished = out.with_extension("unfinished");
    let mut file = BufWriter::new(
        File::create(&unfinished).with_context(|| unfinished.display().to_string())?,
    );
    bundle::write(
        &mut file,
        &manifest,
        &keys::signing()?,
        &mut boot,
        &mut root,
    )?;
    file.into_inner()?.sync_all()?;
    fs::rename(&unfinished, &out).with_context(|| out.display().to_string())?;
    eprintln!(
        "release {} (version {})",
        manifest.release, manifest.version
    );
    Ok(out)
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

fn part(file: &mut File) -> Result<Part> {
    let part = Part::of(file)?;
    file.rewind()?;
    Ok(part)
}
