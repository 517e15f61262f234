//! A machine with two slots whose partitions are files.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses a part"
)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use aios_update::bundle::{self, ARCHITECTURE, Manifest, Part};
use aios_update::environment::Environment;
use aios_update::install::{Progress, Site};
use aios_update::place::{Partition, Place};
use aios_update::slots::{Slot, State};
use aios_update::{disk, error::Failure, keys};
use ed25519_dalek::SigningKey;

pub const MIB: u64 = 1 << 20;

/// The release that runs, and is marked good.
pub const RUNNING: u64 = 100;

pub struct Node {
    pub folder: tempfile::TempDir,
    pub site: Site,
    pub key: SigningKey,
}

impl Node {
    /// Slot a runs and is good; slot b holds noise.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, mib: u64| {
            let path = folder.path().join(name);
            fs::write(&path, vec![0xee; (mib * MIB) as usize]).unwrap();
            Partition {
                path,
                size: mib * MIB,
            }
        };
        let key = keys::create(&folder.path().join("update.key")).unwrap();
        let trusted = folder.path().join("update.pub");
        fs::write(&trusted, keys::public_pem(&key).unwrap()).unwrap();
        let place = Place {
            running: Slot::A,
            environment: file("grubenv", 1),
            boot: [file("boot-a", 2), file("boot-b", 2)],
            root: [file("root-a", 4), file("root-b", 4)],
        };
        let staging = folder.path().join("staging");
        fs::create_dir(&staging).unwrap();
        let own = (RUNNING, "0.1.0".to_owned());
        let site = Site {
            place,
            staging,
            trusted,
            own,
            free: disk::free,
        };
        let mut environment = Environment::default();
        environment.set("menu", "another's");
        State::of(&environment, Slot::A).put(&mut environment);
        disk::put_environment(&site.place.environment.path, &environment).unwrap();
        site.mark_good().unwrap();
        Self { folder, site, key }
    }

    /// A signed bundle of this release, changed as the test wants.
    pub fn bundle(&self, release: u64, change: impl Fn(&mut Manifest)) -> Vec<u8> {
        let root = root_image(release);
        let boot = boot_image(self.folder.path(), &root_hash(release));
        let mut manifest = Manifest {
            release,
            version: "0.2.0".into(),
            architecture: ARCHITECTURE.into(),
            from_release: 0,
            root_hash: root_hash(release),
            boot: Part::of(&mut boot.as_slice()).unwrap(),
            root: Part::of(&mut root.as_slice()).unwrap(),
        };
        change(&mut manifest);
        [bundle::sign(&manifest, &self.key).unwrap(), boot, root].concat()
    }

    /// Installs these bytes as a bundle of `size`, giving up when `watch` says so.
    pub fn install_as(
        &self,
        bytes: &[u8],
        size: u64,
        mut watch: impl FnMut(Progress) -> bool,
    ) -> Result<State, Failure> {
        let mut pieces = bytes.chunks(64 * 1024);
        self.site
            .install(size, &mut || pieces.next().map(<[u8]>::to_vec), &mut watch)
    }

    pub fn install(&self, bytes: &[u8]) -> Result<State, Failure> {
        self.install_as(bytes, bytes.len() as u64, |_| true)
    }

    pub fn read(&self, partition: &Partition) -> Vec<u8> {
        fs::read(&partition.path).unwrap()
    }

    /// Everything that must not change when a bundle is refused.
    pub fn disk(&self) -> Vec<String> {
        let place = &self.site.place;
        let all = [
            &place.environment,
            &place.boot[0],
            &place.boot[1],
            &place.root[0],
            &place.root[1],
        ];
        all.map(|partition| hash(&self.read(partition))).to_vec()
    }

    pub fn environment(&self) -> Environment {
        disk::environment(&self.site.place.environment.path).unwrap()
    }

    /// The variables, as GRUB would see them.
    pub fn variable(&self, name: &str) -> String {
        self.environment().get(name).unwrap_or_default().to_owned()
    }

    pub fn nothing_is_staged(&self) -> bool {
        fs::read_dir(&self.site.staging).unwrap().next().is_none()
    }
}

/// What is compared is named by its hash: megabytes are no help in a message.
pub fn hash(bytes: &[u8]) -> String {
    Part::of(&mut { bytes }).unwrap().sha256
}

pub fn root_hash(release: u64) -> String {
    format!("{release:064x}")
}

pub fn root_image(release: u64) -> Vec<u8> {
    let seed = release.to_le_bytes();
    (0..3 * MIB as usize + 4096)
        .map(|at| seed[at % 8] ^ (at / 4096) as u8)
        .collect()
}

/// An ext2 image with a kernel and a `slot.cfg`, as `xtask` makes them.
pub fn boot_image(folder: &Path, root_hash: &str) -> Vec<u8> {
    let (content, image) = (folder.join("boot"), folder.join("boot.img"));
    fs::create_dir_all(&content).unwrap();
    fs::write(content.join("bzImage"), vec![0x4d; 300_000]).unwrap();
    let line = format!(
        "linux \"$boot/bzImage\" \"dm-mod.create=v 4096 1 2 sha256 {root_hash} aa\" $words\n"
    );
    fs::write(content.join("slot.cfg"), line).unwrap();
    File::create(&image).unwrap().set_len(MIB).unwrap();
    let mut command = Command::new("/sbin/mke2fs");
    command
        .args(["-q", "-F", "-t", "ext2", "-d"])
        .arg(&content)
        .arg(&image);
    assert!(command.status().unwrap().success());
    fs::read(&image).unwrap()
}
