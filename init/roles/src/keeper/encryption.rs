//! Is the data partition encrypted as the configuration asks? It is never made anew for it
//! by itself: what is on it is worth more.

use std::io;
use std::path::Path;

use aios_config::{Data, reader};
use aios_daemon::InForce;
use aios_disk::unlock;
use aios_service::{conditions, places};

/// linux/magic.h: ext2, ext3 and ext4.
const EXT4: u64 = 0xEF53;

/// Looks again when the configuration has changed.
#[derive(Default)]
pub(super) struct Watch {
    seen: Option<String>,
}

impl Watch {
    /// Makes a difference known, or that there is none any more.
    pub(super) fn look(&mut self) -> io::Result<()> {
        let text = std::fs::read_to_string(places::etc_dir().join("config.toml"));
        let text = text.unwrap_or_default();
        if self.seen.as_ref() == Some(&text) || !is_disk(Path::new("/data")) {
            return Ok(());
        }
        let config = InForce::<reader::Keeper>::read(&places::etc_dir());
        let wanted = config.table::<Data>().encryption;
        let difference = unlock::wanted::difference(wanted, unlock::is());
        conditions::publish_encryption(&difference.unwrap_or_default())?;
        self.seen = Some(text);
        Ok(())
    }
}

/// State that is kept in memory is another condition.
fn is_disk(place: &Path) -> bool {
    rustix::fs::statfs(place).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(EXT4))
}
