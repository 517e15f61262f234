//! Gives back what only the start needed: the pages of this executable that
//! parsed manifests and mounted disks. They come back from the file if they are
//! ever needed again.

use std::fs;

/// A mapping of a file: start and length in bytes.
type Range = (usize, usize);

/// Drops the clean pages of our own code and constants from the resident set.
pub fn release() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, length) in maps.lines().filter_map(parse) {
        // SAFETY: the range is a private mapping of this executable that is never
        // written (code, or the read-only segment at the file's start; relocated
        // constants are in another), so that dropping its pages loses nothing:
        // the next access reads the same bytes from the file. Needed: the pages
        // that start-up touched would stay resident for years.
        #[allow(unsafe_code)]
        let result = unsafe {
            let address = std::ptr::with_exposed_provenance_mut(start);
            nix::libc::madvise(address, length, nix::libc::MADV_DONTNEED)
        };
        // Err: then it stays resident, which costs memory and nothing else.
        let _ = nix::errno::Errno::result(result);
    }
}

/// The range of a line of `proc_pid_maps(5)` if it is code, or constants that
/// need no relocation (the mapping at the file's start).
fn parse(line: &str) -> Option<Range> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (rights, offset) = (fields.next()?, fields.next()?);
    let inode = fields.nth(1)?;
    let first = rights == "r--p" && offset.bytes().all(|digit| digit == b'0');
    if inode == "0" || !(rights == "r-xp" || first) {
        return None;
    }
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_never_written_is_released() {
        let check = |line: &str, expected| assert_eq!(parse(line), expected, "{line}");
        check(
            "7000-9000 r-xp 0025d000 fe:00 54 /aios-init",
            Some((0x7000, 0x2000)),
        );
        check(
            "7000-9000 r--p 00000000 fe:00 54 /aios-init",
            Some((0x7000, 0x2000)),
        );
        check("7000-9000 r--p 00695000 fe:00 54 /aios-init", None);
        check("7000-9000 rw-p 00702000 fe:00 54 /aios-init", None);
        check("7000-9000 r-xp 00000000 00:00 0 [vdso]", None);
    }

    #[test]
    fn the_program_goes_on_after_a_release() {
        release();
        assert!(!fs::read_to_string("/proc/self/maps").unwrap().is_empty());
    }
}
