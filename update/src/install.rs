//! One update from the first byte to the boot loader's environment, over paths that
//! tests can choose. Blocking; it runs on a thread of its own.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::bundle::{Manifest, Verified, Verifier};
use crate::error::Failure;
use crate::keys::Keys;
use crate::place::Place;
use crate::slots::State;
use crate::{boot_image, disk};

/// The staged bundle's name in its folder.
const STAGED: &str = "staged.bundle";

/// What stays free for the rest of the system while a bundle is staged, bytes.
const STAYS_FREE: u64 = 32 << 20;

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Site {
    /// The slots.
    pub place: Place,
    /// Where a bundle is kept while it is verified.
    pub staging: PathBuf,
    /// Whose bundles are taken: a file of public keys.
    pub trusted: PathBuf,
    /// The running system's release and version, where the environment says nothing.
    pub own: (u64, String),
    /// Bytes free in a folder.
    pub free: fn(&Path) -> std::io::Result<u64>,
}

/// How far an update is, in bytes of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Received and verified.
    Received(u64, u64),
    /// Written to the other slot.
    Written(u64, u64),
    /// Read back from it.
    Checked(u64, u64),
}

/// Told of progress; `false` ends the update.
pub type Watch<'a> = dyn FnMut(Progress) -> bool + 'a;

/// What comes next of a bundle; `None`: its end, or that of the connection.
pub type Source<'a> = dyn FnMut() -> Option<Vec<u8>> + 'a;

impl Site {
    /// How the slots are.
    ///
    /// # Errors
    /// When the boot loader's environment cannot be read.
    pub fn state(&self) -> Result<State, Failure> {
        let environment = disk::environment(&self.place.environment.path)?;
        let mut state = State::of(&environment, self.place.running);
        state.introduce(self.own.0, &self.own.1);
        Ok(state)
    }

    /// Makes this the state of the slots: one write, on the disk when it returns.
    fn put(&self, state: &State) -> Result<(), Failure> {
        let path = &self.place.environment.path;
        let mut environment = disk::environment(path)?;
        state.put(&mut environment);
        disk::put_environment(path, &environment)
    }

    /// The running slot works. A damaged environment is made anew: what runs is first.
    ///
    /// # Errors
    /// When the environment cannot be written.
    pub fn mark_good(&self) -> Result<State, Failure> {
        let path = &self.place.environment.path;
        let mut environment = match disk::environment(path) {
            Err(Failure::Environment(error)) => {
                tracing::warn!("{error}; it is made anew, the running slot first");
                Default::default()
            }
            environment => environment?,
        };
        let mut state = State::of(&environment, self.place.running);
        state.introduce(self.own.0, &self.own.1);
        let before = state.clone();
        state.mark_good();
        if state != before || disk::environment(path).is_err() {
            state.put(&mut environment);
            disk::put_environment(path, &environment)?;
        }
        Ok(state)
    }

    /// The other slot boots next.
    ///
    /// # Errors
    /// When there is nothing in it, or the environment cannot be written.
    pub fn roll_back(&self) -> Result<State, Failure> {
        let mut state = self.state()?;
        state.roll_back()?;
        self.put(&state)?;
        Ok(state)
    }

    /// Installs a bundle of `size` bytes into the other slot.
    ///
    /// # Errors
    /// Why it was not; the running slot is untouched and boots next.
    pub fn install(
        &self,
        size: u64,
        next: &mut Source,
        watch: &mut Watch,
    ) -> Result<State, Failure> {
        self.clear();
        let mut state = self.state()?;
        state.may_begin()?;
        let keys = Keys::read(&self.trusted)?;
        let staged = self.staging.join(STAGED);
        let outcome = self
            .stage(&keys, &staged, size, &state, next, watch)
            .and_then(|verified| self.write(&staged, &verified, &mut state, watch));
        self.clear();
        outcome.map(|()| state)
    }

    /// Removes what a former update left.
    pub fn clear(&self) {
        match fs::remove_file(self.staging.join(STAGED)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove a staged bundle: {error}");
            }
            _ => {}
        }
    }

    /// Receives and verifies all of it.
    fn stage(
        &self,
        keys: &Keys,
        staged: &Path,
        size: u64,
        state: &State,
        next: &mut Source,
        watch: &mut Watch,
    ) -> Result<Verified, Failure> {
        let mut check = Verifier::new(keys, size)?;
        self.has_room(size)?;
        let mut file = File::create_new(staged).map_err(Failure::io("make", staged))?;
        let (mut received, mut judged) = (0, false);
        while let Some(piece) = next() {
            check.push(&piece)?;
            if let (Some(manifest), false) = (check.manifest(), judged) {
                self.judge(manifest, state)?; // before megabytes are sent for nothing
                judged = true;
            }
            file.write_all(&piece)
                .map_err(Failure::io("write", staged))?;
            received += piece.len() as u64;
            if !watch(Progress::Received(received, size)) {
                return Err(Failure::GivenUp);
            }
        }
        let verified = check.finish()?;
        self.judge(&verified.manifest, state)?;
        let copy = File::open(staged).map_err(Failure::io("open", staged))?;
        boot_image::check(
            copy,
            verified.boot_at,
            verified.manifest.boot.length,
            &verified.manifest.root_hash,
        )?;
        Ok(verified)
    }

    fn has_room(&self, size: u64) -> Result<(), Failure> {
        let free = (self.free)(&self.staging)
            .map_err(Failure::io("ask how much is free in", &self.staging))?;
        let needed = size + STAYS_FREE;
        if free < needed {
            return Err(Failure::NoRoom {
                folder: self.staging.clone(),
                needed,
                free,
            });
        }
        Ok(())
    }

    /// Is it for this machine, now?
    fn judge(&self, manifest: &Manifest, state: &State) -> Result<(), Failure> {
        state.takes(manifest)?;
        let other = self.place.running.other();
        for ((name, part), partitions) in manifest
            .parts()
            .into_iter()
            .zip([&self.place.boot, &self.place.root])
        {
            let room = partitions[other as usize].size;
            if part.length > room {
                return Err(Failure::TooBig {
                    name,
                    length: part.length,
                    room,
                });
            }
        }
        Ok(())
    }

    /// Writes what was verified to the other slot, and makes that the first.
    fn write(
        &self,
        staged: &Path,
        verified: &Verified,
        state: &mut State,
        watch: &mut Watch,
    ) -> Result<(), Failure> {
        let source = File::open(staged).map_err(Failure::io("open", staged))?;
        let manifest = &verified.manifest;
        let other = state.running.other();
        assert_ne!(other, self.place.running, "what runs is never written to");
        state.begin();
        self.put(state)?;
        let parts = [
            (
                &self.place.boot[other as usize].path,
                verified.boot_at,
                &manifest.boot,
            ),
            (
                &self.place.root[other as usize].path,
                verified.root_at,
                &manifest.root,
            ),
        ];
        let total = manifest.boot.length + manifest.root.length;
        let mut done = 0;
        for (path, at, part) in parts {
            disk::write(path, &source, at, part.length, &mut |bytes| {
                done += bytes;
                watch(Progress::Written(done, total))
            })?;
        }
        done = 0;
        for (path, _, part) in parts {
            disk::check(path, part, &mut |bytes| {
                done += bytes;
                watch(Progress::Checked(done, total))
            })?;
        }
        state.finish(manifest);
        self.put(state)
    }
}

/// The running system's release, from a file of its root; 0 when it says none.
pub fn own_release(file: &Path) -> u64 {
    fs::read_to_string(file)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}
