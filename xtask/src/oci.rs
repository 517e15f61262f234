//! The root file system as an OCI image (image-spec 1.0): an archive that `podman load`,
//! `skopeo copy oci-archive:` and the like take.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{cache, exec, host};

/// Writes the folder `root` as an image to the archive `to`.
///
/// # Errors
/// When a file cannot be read or written; reading all of `root` takes root's rights.
pub fn write(root: &Path, to: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(to.parent().unwrap_or(Path::new(".")))?;
    let layout = work.path().join("layout");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let layer = work.path().join("layer.tar");
    archive(host::as_root("tar"), root, &layer)?;
    let content = cache::sha256(&layer)?;
    exec::run(
        "oci: compressing",
        Command::new("gzip").args(["-n", "-6"]).arg(&layer),
    )?;
    let layer = put_file(
        &blobs,
        &work.path().join("layer.tar.gz"),
        "layer.v1.tar+gzip",
    )?;
    let config = put(&blobs, &configuration(&content), "config.v1+json")?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
    });
    let mut manifest = put(&blobs, &manifest, "manifest.v1+json")?;
    manifest["annotations"] = json!({
        "org.opencontainers.image.ref.name": env!("CARGO_PKG_VERSION"),
    });
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(layout.join("index.json"), index.to_string())?;
    let version = json!({"imageLayoutVersion": "1.0.0"});
    fs::write(layout.join("oci-layout"), version.to_string())?;
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0"]);
    archive(tar, &layout, to)
}

/// What a runtime starts: PID 1, with the volume that keeps the state.
fn configuration(content: &str) -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": ["/usr/lib/aios/aios-init"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "container=oci"],
            "ExposedPorts": {"9090/tcp": {}},
            "Volumes": {"/data": {}},
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{content}")]},
    })
}

/// The folder's content, the same bytes each time.
fn archive(mut tar: Command, folder: &Path, to: &Path) -> Result<()> {
    let file = File::create(to).with_context(|| to.display().to_string())?;
    let status = tar
        .args(["--format=posix", "--sort=name", "--mtime=@0"])
        .arg("--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime")
        .args(["--numeric-owner", "-C"])
        .arg(folder)
        .args(["-cf", "-", "."])
        .stdin(Stdio::null())
        .stdout(file)
        .status()
        .context("tar")?;
    ensure!(status.success(), "tar: {status}");
    Ok(())
}

fn put(blobs: &Path, value: &Value, kind: &str) -> Result<Value> {
    let file = tempfile::NamedTempFile::new_in(blobs)?;
    fs::write(file.path(), value.to_string())?;
    put_file(blobs, &file.into_temp_path().keep()?, kind)
}

/// Moves a file to its name in the layout; answers its descriptor.
fn put_file(blobs: &Path, file: &Path, kind: &str) -> Result<Value> {
    let (digest, size) = (cache::sha256(file)?, fs::metadata(file)?.len());
    fs::rename(file, blobs.join(&digest))?;
    Ok(json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": format!("sha256:{digest}"),
        "size": size,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_leads_to_its_blob_and_the_layer_is_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("root/etc")).unwrap();
        fs::write(at("root/etc/hostname"), "aios\n").unwrap();
        for name in ["a.tar", "b.tar"] {
            write(&at("root"), &at(name)).unwrap();
        }
        assert!(fs::read(at("a.tar")).unwrap() == fs::read(at("b.tar")).unwrap());
        let unpack = |archive: &Path, to: &Path| {
            fs::create_dir_all(to).unwrap();
            let mut tar = Command::new("tar");
            tar.arg("-xf").arg(archive).arg("-C").arg(to);
            assert!(tar.status().unwrap().success());
        };
        unpack(&at("a.tar"), &at("layout"));
        let read =
            |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let hex = digest.strip_prefix("sha256:").unwrap();
            let path = at("layout/blobs/sha256").join(hex);
            assert_eq!(cache::sha256(&path).unwrap(), hex);
            assert_eq!(fs::metadata(&path).unwrap().len(), descriptor["size"]);
            path
        };
        let index = read(&at("layout/index.json"));
        let manifest = read(&blob(&index["manifests"][0]));
        let config = read(&blob(&manifest["config"]));
        assert_eq!(config["config"]["Entrypoint"][0], "/usr/lib/aios/aios-init");
        unpack(&blob(&manifest["layers"][0]), &at("unpacked"));
        assert_eq!(fs::read(at("unpacked/etc/hostname")).unwrap(), b"aios\n");
        let mut gunzip = Command::new("gunzip");
        let plain = gunzip
            .arg("-c")
            .stdin(File::open(blob(&manifest["layers"][0])).unwrap());
        fs::write(at("plain"), plain.output().unwrap().stdout).unwrap();
        let content = format!("sha256:{}", cache::sha256(&at("plain")).unwrap());
        assert_eq!(config["rootfs"]["diff_ids"][0], content);
    }
}
