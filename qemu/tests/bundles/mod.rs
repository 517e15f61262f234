//! Update bundles of what was built, good and bad.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test binary uses a part"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use aios_update::bundle::{self, ARCHITECTURE, Manifest, Part};
use aios_update::keys::{self, SigningKey};
use serde_json::Value;

use crate::support::artefacts;

/// Makes bundles of what was built.
pub struct Builder {
    folder: PathBuf,
    boot: PathBuf,
    pub root: PathBuf,
    root_hash: String,
    pub key: SigningKey,
}

impl Builder {
    pub fn new(folder: &Path) -> Self {
        let built = artefacts();
        let target = built.root.parent().unwrap();
        let manifest: Value =
            serde_json::from_slice(&fs::read(target.join("manifest.json")).unwrap()).unwrap();
        let key = keys::builders().expect("HOME is set");
        Self {
            folder: folder.to_owned(),
            boot: target.join("boot.img"),
            root: built.root.clone(),
            root_hash: manifest["root_hash"].as_str().unwrap().to_owned(),
            key: keys::private(&key)
                .expect("`cargo xtask image` made the key that this image trusts"),
        }
    }

    fn manifest(&self, release: u64, root: &Path) -> Manifest {
        let part = |path: &Path| Part::of(&mut File::open(path).unwrap()).unwrap();
        Manifest {
            release,
            version: "9.9".into(),
            architecture: ARCHITECTURE.into(),
            from_release: 0,
            root_hash: self.root_hash.clone(),
            boot: part(&self.boot),
            root: part(root),
        }
    }

    /// A whole bundle with this root, signed by `key`.
    pub fn bundle(&self, release: u64, root: &Path, key: &SigningKey) -> String {
        let path = self.folder.join(format!("{release}.bundle"));
        let (mut boot, mut image) = (File::open(&self.boot).unwrap(), File::open(root).unwrap());
        let manifest = self.manifest(release, root);
        bundle::write(
            &mut File::create(&path).unwrap(),
            &manifest,
            key,
            &mut boot,
            &mut image,
        )
        .unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// One that is larger than the whole data disk, well signed.
    pub fn huge(&self, release: u64) -> String {
        let mut manifest = self.manifest(release, &self.root);
        manifest.root.length = bundle::PART_MAX;
        let path = self.folder.join("huge.bundle");
        let head = bundle::sign(&manifest, &self.key).unwrap();
        fs::write(&path, &head).unwrap();
        let size = head.len() as u64 + manifest.boot.length + manifest.root.length;
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(size)
            .unwrap();
        path.to_str().unwrap().to_owned()
    }
}
