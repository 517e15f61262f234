//! ext file systems in plain files, the same bytes each time.
//!
//! `mke2fs -d` takes change times from the files that it copies, which nobody can set;
//! debugfs writes files with the time that it is told.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::exec;

/// What libext2fs takes for the present.
const TIME: (&str, &str) = ("E2FSPROGS_FAKE_TIME", "1");

/// Makes a file system of `length` bytes in a new file at `path`. `uuid` is its identity
/// and the seed of its hashed folders.
///
/// # Errors
/// When mke2fs or debugfs fails, or a file does not fit.
pub fn make(
    path: &Path,
    length: u64,
    options: &[&str],
    uuid: &str,
    files: &[(&str, &Path)],
) -> Result<()> {
    File::create(path)
        .and_then(|file| file.set_len(length))
        .with_context(|| path.display().to_string())?;
    let mut command = Command::new("/sbin/mke2fs");
    command
        .env(TIME.0, TIME.1)
        .args(["-q", "-F", "-U", uuid, "-E"])
        .arg(format!("root_owner=0:0,hash_seed={uuid}"))
        .args(options)
        .arg(path);
    exec::run("disk: file system", &mut command)?;
    files
        .iter()
        .try_for_each(|(name, source)| write(path, name, source))
}

fn write(image: &Path, name: &str, source: &Path) -> Result<()> {
    let mut child = Command::new("/sbin/debugfs")
        .env(TIME.0, TIME.1)
        .args(["-w", "-f", "-"])
        .arg(image)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("debugfs")?;
    let request = format!(
        "write \"{}\" {name}\nset_inode_field {name} mode 0100600\n\
         set_inode_field {name} uid 0\nset_inode_field {name} gid 0\n",
        source.display()
    );
    child
        .stdin
        .take()
        .context("debugfs")?
        .write_all(request.as_bytes())?;
    child.wait()?;
    // debugfs says nothing useful with its exit status: the file itself is asked for.
    let back = Command::new("/sbin/debugfs")
        .args(["-R", &format!("cat {name}")])
        .arg(image)
        .stderr(Stdio::null())
        .output()?;
    ensure!(
        back.stdout == std::fs::read(source)?,
        "{} does not fit into the file system as {name}",
        source.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_gives_the_same_bytes_whenever_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, seconds: u64| {
            let (image, source) = (folder.path().join(name), folder.path().join("source"));
            std::fs::write(&source, vec![7; 100_000]).unwrap();
            let when = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::open(&source).unwrap().set_modified(when).unwrap();
            let uuid = crate::layout::DISK_UUID;
            super::make(&image, 1 << 20, &["-t", "ext2"], uuid, &[("file", &source)]).unwrap();
            std::fs::read(image).unwrap()
        };
        let first = make("a", 1);
        std::process::Command::new("sleep")
            .arg("1.1")
            .status()
            .unwrap();
        assert!(first == make("b", 1_700_000_000));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        std::fs::write(&source, vec![7; 2 << 20]).unwrap();
        let image = folder.path().join("a");
        let files = [("file", source.as_path())];
        let made = make(
            &image,
            1 << 20,
            &["-t", "ext2"],
            crate::layout::DISK_UUID,
            &files,
        );
        assert!(made.unwrap_err().to_string().contains("does not fit"));
    }
}
