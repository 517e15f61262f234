//! Other names of files that hold secrets: a hard link to a key is the key, wherever it is.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::Stat;

use super::names;
use super::path::SECRET;
use crate::context::Context;

/// The files of which no content is read, by device and inode: those that have several names. What
/// is on the data disk under the overlay is not among them, because no link leads from one mount to
/// another.
#[derive(Debug, Default)]
pub struct Secrets(HashSet<(u64, u64)>);

impl Secrets {
    /// Looks for them in the folders that are secret ([`SECRET`]). What cannot be looked at has no
    /// other name that a tool could read either: tools have the rights of this process at most.
    pub(crate) fn find(context: &Context) -> Self {
        let own = context.state_dir().join("tools");
        let places = SECRET.iter().map(Path::new).chain([own.as_path()]);
        let mut found = Self::default();
        for place in places.filter(|place| *place != Path::new("/data")) {
            found.add(place);
            for entry in place.read_dir().into_iter().flatten().flatten() {
                found.add(&entry.path());
            }
        }
        found
    }

    fn add(&mut self, path: &Path) {
        if let Ok(meta) = path.symlink_metadata()
            && meta.is_file()
            && meta.nlink() > 1
        {
            self.0.insert((meta.dev(), meta.ino()));
        }
    }

    /// Is this one of them?
    pub fn contain(&self, stat: &Stat) -> bool {
        names(stat) > 1 && self.0.contains(&(stat.st_dev, stat.st_ino))
    }
}
