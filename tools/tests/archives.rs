//! Archives through the pipeline: what is packed comes out the same, and what somebody made to do harm
//! is refused or left out.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aios_tool::error::ToolError;
use aios_tools::pipeline::Answer;
use aios_tools::registry::Registry;
use common::Machine;
use serde_json::{Value, json};
use tar::{EntryType, Header};

/// Kind, mode, time, and content or target of all below a folder, by names as they are.
fn tree(folder: &Path, below: &Path, found: &mut BTreeMap<Vec<u8>, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stat = path.symlink_metadata().unwrap();
        let what = if stat.is_symlink() {
            format!("{:?}", std::fs::read_link(&path).unwrap())
        } else if stat.is_file() {
            format!(
                "{:o} {} {:?}",
                stat.mode(),
                stat.mtime(),
                std::fs::read(&path).unwrap()
            )
        } else {
            format!("{:o} {}", stat.mode(), stat.mtime())
        };
        let name = path.strip_prefix(below).unwrap();
        found.insert(name.as_os_str().as_bytes().to_vec(), what);
        if stat.is_dir() {
            tree(&path, below, found);
        }
    }
}

fn seen(folder: &str) -> BTreeMap<Vec<u8>, String> {
    let mut found = BTreeMap::new();
    tree(Path::new(folder), Path::new(folder), &mut found);
    found
}

fn act(machine: &Machine, tool: &str, arguments: Value) -> Result<Answer, ToolError> {
    tokio::task::block_in_place(|| machine.act(tool, arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_comes_out_the_same_and_both_are_undone() {
    let machine = Machine::new(Registry::complete());
    let site = machine.path("site");
    let folder = Path::new(&site);
    std::fs::create_dir_all(folder.join("inner/empty")).unwrap();
    let long = "long".repeat(60);
    std::fs::create_dir(folder.join(&long)).unwrap();
    for (name, content) in [
        (&b"caf\xe9\n"[..], &b"\x00\xff"[..]),
        (b"empty", b""),
        (b"inner/run", &[7; 100_000]),
    ] {
        std::fs::write(folder.join(OsStr::from_bytes(name)), content).unwrap();
    }
    std::fs::write(folder.join(&long).join(&long), "deep").unwrap();
    std::os::unix::fs::symlink("inner/run", folder.join("link")).unwrap();
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(folder.join("inner/run"), mode(0o751)).unwrap();
    std::fs::set_permissions(folder.join("inner"), mode(0o750)).unwrap();
    for end in ["tar", "tar.gz"] {
        let archive = machine.path(&format!("site.{end}"));
        let packing = json!({"source": site, "destination": archive});
        let packed = act(&machine, "fs.archive", packing).unwrap();
        let new = machine.path("new");
        let unpacking = json!({"archive": archive, "destination": new});
        let unpacked = act(&machine, "fs.extract", unpacking).unwrap();
        assert_eq!(seen(&format!("{new}/site")), seen(&site), "{end}");
        assert!(
            unpacked.summary.contains("is unpacked into"),
            "{}",
            unpacked.summary
        );
        tokio::task::block_in_place(|| {
            machine.undo(&unpacked).unwrap();
            machine.undo(&packed).unwrap();
        });
        assert!(!Path::new(&new).exists() && !Path::new(&archive).exists());
    }
    let there: Vec<_> = std::fs::read_dir(machine.path("")).unwrap().collect();
    assert_eq!(
        there.len(),
        1,
        "nothing is left of what was staged: {there:?}"
    );
}

/// A member with exactly this name, whatever it is.
fn member(name: &[u8], kind: EntryType, link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_entry_type(kind);
    header.set_mode(0o6755);
    header.set_mtime(1_000_000_000);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &[u8]) -> Vec<u8> {
    member(name, EntryType::Regular, b"", b"x")
}

fn archive(machine: &Machine, members: &[Vec<u8>]) -> String {
    let path = machine.path("x.tar");
    let mut bytes = members.concat();
    bytes.resize(bytes.len() + 1024, 0);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn what_climbs_out_links_out_or_comes_twice_is_refused_whole() {
    let machine = Machine::new(Registry::complete());
    let check = |members: &[Vec<u8>], expected: &str| {
        let archive = archive(&machine, members);
        let new = machine.path("new");
        let refused = act(
            &machine,
            "fs.extract",
            json!({"archive": archive, "destination": new}),
        );
        let error = refused
            .map(|answer| answer.summary)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error} without {expected}");
        let there: Vec<_> = std::fs::read_dir(machine.path(""))
            .unwrap()
            .flatten()
            .collect();
        assert_eq!(there.len(), 1, "{there:?}");
    };
    let (link, hard) = (EntryType::Symlink, EntryType::Link);
    check(&[file(b"a"), file(b"../b")], "\"../b\" climbs out");
    check(&[file(b"a/../../b")], "climbs out");
    check(&[file(b"/etc/b")], "absolute name");
    check(&[file(b"a"), file(b"./a")], "\"./a\" comes twice");
    check(&[file(b"a"), file(b"a/b")], "below what is no folder");
    check(
        &[member(b"l", link, b"d", b""), file(b"l/b")],
        "below what is no folder",
    );
    check(
        &[member(b"d/", EntryType::Directory, b"", b""), file(b"d")],
        "comes twice",
    );
    check(
        &[member(b"h", hard, b"/etc/passwd", b"")],
        "is no file before it",
    );
    check(&[member(b"h", hard, b"../x", b"")], "is no file before it");
    check(
        &[member(b"l", link, b"a", b""), member(b"h", hard, b"l", b"")],
        "is no file before it",
    );
    let endless = member(b"n", EntryType::GNULongName, b"", &[b'a'; 5000]);
    check(&[endless, file(b"a")], "a header has 5000 bytes");
    let mut cut = file(b"a");
    cut[124..135].copy_from_slice(b"00000100000");
    let mut header = Header::from_byte_slice(&cut[..512]).clone();
    header.set_cksum();
    check(&[header.as_bytes().to_vec()], "cannot be unpacked");
    check(&[b"this is no archive".to_vec()], "cannot be unpacked");
}

/// Each of the two stays within by what it says, and together they lead out.
#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_out_together_are_left_out() {
    let machine = Machine::new(Registry::complete());
    let own = member(b"sub/up", EntryType::Symlink, b"..", b"");
    let by_it = member(b"out", EntryType::Symlink, b"sub/up/../x", b"");
    for (number, order) in [[&own, &by_it], [&by_it, &own]].into_iter().enumerate() {
        let archive = machine.path(&format!("{number}.tar"));
        let end = vec![0; 1024];
        let bytes = [order[0].as_slice(), order[1].as_slice(), &end].concat();
        std::fs::write(&archive, bytes).unwrap();
        let into = machine.path(&format!("into{number}"));
        let arguments = json!({"archive": archive, "destination": into});
        let done = act(&machine, "fs.extract", arguments).unwrap();
        assert_eq!(done.output["left_out_count"], 1, "{}", done.summary);
        assert!(Path::new(&into).join("out").symlink_metadata().is_err());
        let up = std::fs::canonicalize(Path::new(&into).join("sub/up")).unwrap();
        assert_eq!(up, Path::new(&into));
    }
}

/// Whoever could not read a file cannot read it in an archive either.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_for_everyone_when_all_that_it_holds_is() {
    let machine = Machine::new(Registry::complete());
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let site = machine.path("site");
    let (site, inner) = (Path::new(&site), Path::new(&site).join("inner"));
    let file = inner.join("file");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(&file, "x").unwrap();
    let mut above = site.parent();
    while let Some(folder) = above.filter(|folder| folder.starts_with(machine.folder.path())) {
        mode(folder, 0o755);
        above = folder.parent();
    }
    let mut number = 0;
    let mut check = |site_mode, inner_mode, file_mode, expected: u32| {
        number += 1;
        mode(&file, file_mode);
        mode(&inner, inner_mode);
        mode(site, site_mode);
        let archive = machine.path(&format!("{number}.tar"));
        let arguments = json!({"source": site, "destination": archive});
        act(&machine, "fs.archive", arguments).unwrap();
        let found = std::fs::metadata(&archive).unwrap().mode() & 0o7777;
        assert_eq!(
            found, expected,
            "{site_mode:o} {inner_mode:o} {file_mode:o}"
        );
    };
    check(0o755, 0o755, 0o644, 0o644);
    check(0o755, 0o755, 0o640, 0o600);
    check(0o755, 0o700, 0o644, 0o600);
    check(0o750, 0o755, 0o644, 0o600);
    check(0o711, 0o711, 0o604, 0o600); // its names could not be read
    mode(&machine.folder.path().join("data"), 0o700);
    check(0o755, 0o755, 0o644, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_and_links_that_lead_out_are_left_out_and_privileges_dropped() {
    let machine = Machine::new(Registry::complete());
    let members = [
        file(b"run"),
        member(b"other", EntryType::Link, b"run", b""),
        member(b"node", EntryType::Char, b"", b""),
        member(b"pipe", EntryType::Fifo, b"", b""),
        member(b"out", EntryType::Symlink, b"/etc/shadow", b""),
        member(b"up", EntryType::Symlink, b"d/../../x", b""),
        member(b"in", EntryType::Symlink, b"run", b""),
    ];
    let new = machine.path("new");
    let arguments = json!({"archive": archive(&machine, &members), "destination": new});
    let done = act(&machine, "fs.extract", arguments).unwrap();
    let found: Vec<_> = seen(&new).into_keys().collect();
    assert_eq!(found, [b"in".to_vec(), b"other".to_vec(), b"run".to_vec()]);
    let run = Path::new(&new).join("run").metadata().unwrap();
    assert_eq!(
        (run.mode() & 0o7777, run.nlink(), run.mtime()),
        (0o755, 2, 1_000_000_000)
    );
    assert!(
        done.summary
            .contains("4 left out: node (a device or a pipe)"),
        "{}",
        done.summary
    );
    assert!(
        done.summary.contains("1 lost set-user-ID"),
        "{}",
        done.summary
    );
    tokio::task::block_in_place(|| machine.undo(&done)).unwrap();
    assert!(!Path::new(&new).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_before_anything_is_written() {
    let machine = Machine::new(Registry::complete());
    let mut header = Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_size(100 << 20);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    let path = machine.path("bomb.tar.gz");
    let file = std::fs::File::create(&path).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::best());
    packed.write_all(header.as_bytes()).unwrap();
    for _ in 0..100 {
        packed.write_all(&vec![0; 1 << 20]).unwrap();
    }
    packed.finish().unwrap();
    let arguments = json!({"archive": path, "destination": machine.path("new")});
    let error = act(&machine, "fs.extract", arguments)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("more than 200 times its own size"),
        "{error}"
    );
    assert!(!Path::new(&machine.path("new")).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_zstandard_is_unpacked() {
    let machine = Machine::new(Registry::complete());
    let mut bytes = file(b"a");
    bytes.resize(bytes.len() + 1024, 0);
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = ruzstd::encoding::compress_to_vec(&bytes[..], level);
    let path = machine.path("x.tar.zst");
    std::fs::write(&path, packed).unwrap();
    let new = machine.path("new");
    act(
        &machine,
        "fs.extract",
        json!({"archive": path, "destination": new}),
    )
    .unwrap();
    assert_eq!(std::fs::read(format!("{new}/a")).unwrap(), b"x");
}
