//! What PID 1 does when it breaks, which would be a bug: says so and reboots.
//!
//! 1. **Allocation-free**: whatever broke may have been the allocator. Texts are
//!    static or made in a buffer on the stack, the log was opened beforehand.
//! 2. A fault (SIGSEGV …) is handled on a stack of its own: it may be the stack
//!    that ran out.
//! 3. No sync: it waits for disks, and one that hangs would hold the reboot up.
//!    What must outlive a crash was synchronised when it was written.
//! 4. In a container PID 1 ends with 134 instead. A child between fork and exec
//!    inherits all this and ends alone, with 127.

use std::fmt::Write as _;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use aios_service::exit;
use aios_service::manifest::Way;

/// Where the last words go: the kernel's log (container: stdout).
static LOG: AtomicI32 = AtomicI32::new(1);
/// Reboot the machine, or only end?
static REBOOTS: AtomicBool = AtomicBool::new(false);

/// 16 KiB: the handler needs less than one, and the kernel's frame with AVX-512 3.
const STACK: usize = 16 * 1024;
/// The longest last words.
const WORDS: usize = 512;

/// From here on a panic or a fault reboots. To be called first of all.
pub fn prepare(way: Way) {
    REBOOTS.store(way == Way::Machine, Ordering::Relaxed);
    std::panic::set_hook(Box::new(|panic| {
        let mut words = Words::new();
        // Err: cut off, which is better than nothing.
        let _ = write!(words, "<2>aios-init: PID 1 panicked, rebooting: {panic}");
        end(words.bytes());
    }));
    catch_faults();
}

/// Opens the log, once `/dev` is there.
pub fn open_log() {
    let log = std::fs::OpenOptions::new().write(true).open("/dev/kmsg");
    if REBOOTS.load(Ordering::Relaxed)
        && let Ok(log) = log
    {
        // Kept for good: it is for the very end. Close-on-exec, as std opens it.
        LOG.store(log.into_raw_fd(), Ordering::Relaxed);
    }
}

fn catch_faults() {
    let stack = Box::leak(vec![0_u8; STACK].into_boxed_slice());
    let stack = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: STACK,
    };
    // SAFETY: the memory is leaked, so it stays valid for as long as the process
    // runs, and nothing else uses it. Needed: a fault by a stack that ran out can
    // only be handled on another one.
    #[allow(unsafe_code)]
    // Err: then faults are handled on the ordinary stack.
    let _ = unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
    let flags = SaFlags::SA_ONSTACK | SaFlags::SA_RESETHAND | SaFlags::SA_NODEFER;
    let action = SigAction::new(SigHandler::Handler(fault), flags, SigSet::empty());
    for signal in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGILL,
        Signal::SIGABRT,
        Signal::SIGFPE,
    ] {
        // SAFETY: the handler only makes system calls and reads atomics, which is
        // allowed at any instant. Needed: Rust has no other way to see a fault.
        #[allow(unsafe_code)]
        // Err: then the kernel panics on it, and reboots after `panic=`.
        let _ = unsafe { sigaction(signal, &action) };
    }
}

extern "C" fn fault(signal: libc::c_int) {
    end(last_words(signal));
}

fn last_words(signal: libc::c_int) -> &'static [u8] {
    match signal {
        libc::SIGSEGV => b"<2>aios-init: PID 1 crashed (SIGSEGV), rebooting\n",
        libc::SIGBUS => b"<2>aios-init: PID 1 crashed (SIGBUS), rebooting\n",
        libc::SIGILL => b"<2>aios-init: PID 1 crashed (SIGILL), rebooting\n",
        libc::SIGABRT => b"<2>aios-init: PID 1 crashed (SIGABRT), rebooting\n",
        _ => b"<2>aios-init: PID 1 crashed, rebooting\n",
    }
}

/// Says it and ends: the machine, or (in a container, or a child) the process.
fn end(words: &[u8]) -> ! {
    let first = nix::unistd::getpid().as_raw() == 1;
    let log = if first {
        LOG.load(Ordering::Relaxed)
    } else {
        2
    };
    // SAFETY: system calls with a valid buffer, which may be made at any instant,
    // in a signal handler too. Needed: std's ways may allocate or take locks.
    #[allow(unsafe_code)]
    unsafe {
        libc::write(log, words.as_ptr().cast(), words.len());
        if first && REBOOTS.load(Ordering::Relaxed) {
            libc::reboot(libc::RB_AUTOBOOT);
        }
        libc::_exit(if first {
            exit::BROKEN
        } else {
            exit::NOT_STARTED
        })
    }
}

/// A text on the stack; what does not fit is cut off.
struct Words {
    buffer: [u8; WORDS],
    used: usize,
}

impl Words {
    fn new() -> Self {
        Self {
            buffer: [0; WORDS],
            used: 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.used).unwrap_or_default()
    }
}

impl std::fmt::Write for Words {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let free = self.buffer.get_mut(self.used..).unwrap_or_default();
        let count = free.len().min(text.len());
        for (place, byte) in free.iter_mut().zip(text.bytes()) {
            // One line of the kernel's log: a panic's own line break would end it.
            *place = if byte == b'\n' { b' ' } else { byte };
        }
        self.used += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_one_line_and_cut_at_their_buffer() {
        let mut words = Words::new();
        let _ = write!(words, "<2>a {}\nb", 1);
        assert_eq!(words.bytes(), b"<2>a 1 b");
        let _ = write!(words, "{}", "x".repeat(2 * WORDS));
        assert_eq!(words.bytes().len(), WORDS);
    }
}
