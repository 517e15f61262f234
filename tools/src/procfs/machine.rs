//! The machine as a whole: `/proc/stat`, `meminfo`, `loadavg`, `cpuinfo`.

use std::time::{Duration, SystemTime};

use super::{printable, read};
use aios_tool::error::ToolError;

/// CPU time since boot, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Spent working.
    pub busy: u64,
    /// Spent waiting for a disk.
    pub waiting: u64,
    /// Taken by the hypervisor for others.
    pub stolen: u64,
    /// All of it, idle time included.
    pub total: u64,
}

/// The line `cpu` of `/proc/stat`; proc_stat(5). Guest time is in user time already.
pub fn parse_cpu_time(stat: &str) -> Option<CpuTime> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line
        .split_ascii_whitespace()
        .map_while(|f| f.parse().ok())
        .collect();
    let at = |index: usize| fields.get(index).copied().unwrap_or(0);
    let total = fields
        .iter()
        .take(8)
        .try_fold(0u64, |sum, field| sum.checked_add(*field))?;
    let (idle, waiting, stolen) = (at(3), at(4), at(7));
    let busy = total - idle - waiting - stolen;
    (fields.len() >= 4).then_some(CpuTime {
        busy,
        waiting,
        stolen,
        total,
    })
}

/// CPU time now.
///
/// # Errors
/// When the kernel does not tell.
pub fn cpu_time() -> Result<CpuTime, ToolError> {
    parse_cpu_time(&read("/proc/stat")?)
        .ok_or_else(|| ToolError::Failed("/proc/stat has no CPU times".into()))
}

/// When the machine (in a container: its host) was started.
pub fn boot_time() -> Option<SystemTime> {
    let stat = read("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(line.trim().parse().ok()?))
}

/// Seconds since the machine was started.
pub fn uptime() -> Option<u64> {
    let text = read("/proc/uptime").ok()?;
    Some(text.split_ascii_whitespace().next()?.parse::<f64>().ok()? as u64)
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Usable memory.
    pub total: u64,
    /// What new programs can get without swapping (the kernel's estimate).
    pub available: u64,
    /// Not used for anything.
    pub free: u64,
    /// Page cache and buffers.
    pub cached: u64,
    /// Swap space.
    pub swap_total: u64,
    /// Swap space that is not used.
    pub swap_free: u64,
}

/// Parses `/proc/meminfo`; its "kB" are 1024 bytes.
pub fn parse_memory(text: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace()
            .next()?
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    };
    Some(Memory {
        total: field("MemTotal")?,
        available: field("MemAvailable")?,
        free: field("MemFree")?,
        cached: field("Cached")?.checked_add(field("Buffers").unwrap_or(0))?,
        swap_total: field("SwapTotal").unwrap_or(0),
        swap_free: field("SwapFree").unwrap_or(0),
    })
}

/// Memory now.
///
/// # Errors
/// When the kernel does not tell.
pub fn memory() -> Result<Memory, ToolError> {
    parse_memory(&read("/proc/meminfo")?)
        .ok_or_else(|| ToolError::Failed("/proc/meminfo is not as expected".into()))
}

/// The load averages over 1, 5 and 15 minutes.
///
/// # Errors
/// When the kernel does not tell.
pub fn load() -> Result<[f64; 3], ToolError> {
    parse_load(&read("/proc/loadavg")?)
        .ok_or_else(|| ToolError::Failed("/proc/loadavg is not as expected".into()))
}

fn parse_load(text: &str) -> Option<[f64; 3]> {
    let mut fields = text.split_ascii_whitespace().map(str::parse);
    let mut next = || fields.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// The processors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// As the maker calls it.
    pub model: String,
    /// Maker's id: `GenuineIntel`.
    pub vendor: String,
    /// Processors that the kernel schedules on.
    pub logical: u32,
    /// Cores; 0 when the kernel does not tell.
    pub cores: u32,
    /// Of the first one: `sse4_2`, `avx2`, `hypervisor`, …
    pub flags: Vec<String>,
}

/// Parses `/proc/cpuinfo`.
pub fn parse_cpu(text: &str) -> Cpu {
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| printable(value.trim()))
        })
    };
    let blocks: Vec<&str> = text
        .split("\n\n")
        .filter(|block| field(block, "processor").is_some())
        .collect();
    let first = blocks.first().copied().unwrap_or_default();
    let mut cores: Vec<_> = blocks
        .iter()
        .filter_map(|block| Some((field(block, "physical id")?, field(block, "core id")?)))
        .collect();
    cores.sort_unstable();
    cores.dedup();
    let flags = field(first, "flags")
        .or_else(|| field(first, "Features"))
        .unwrap_or_default();
    Cpu {
        model: field(first, "model name").unwrap_or_default(),
        vendor: field(first, "vendor_id").unwrap_or_default(),
        logical: u32::try_from(blocks.len()).unwrap_or(u32::MAX),
        cores: u32::try_from(cores.len()).unwrap_or(u32::MAX),
        flags: flags.split_ascii_whitespace().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_counts_no_guest_time_twice() {
        let parsed = parse_cpu_time("cpu  100 5 20 800 50 3 2 20 60 0\ncpu0 1 2 3 4\nbtime 5\n");
        let expected = CpuTime {
            busy: 130,
            waiting: 50,
            stolen: 20,
            total: 1000,
        };
        assert_eq!(parsed, Some(expected));
        assert_eq!(parse_cpu_time("cpu0 1 2 3 4\n"), None);
        assert_eq!(parse_cpu_time("cpu  1 x\n"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let text = "MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable:  600 kB\nBuffers: 1 kB\n\
            Cached: 2 kB\nSwapCached: 9 kB\nSwapTotal: 50 kB\nSwapFree: 40 kB\n";
        let memory = parse_memory(text).unwrap();
        assert_eq!((memory.total, memory.available), (1_024_000, 614_400));
        assert_eq!((memory.cached, memory.free), (3072, 102_400));
        assert_eq!((memory.swap_total, memory.swap_free), (51_200, 40_960));
        assert_eq!(parse_memory("MemTotal: 18446744073709551615 kB\n"), None);
    }

    #[test]
    fn cores_are_counted_once_per_socket() {
        let block = |id: u32, core: u32| {
            format!(
                "processor\t: {id}\nvendor_id\t: X\nmodel name\t: A: B\nphysical id\t: 0\ncore id\t\t: {core}\nflags\t\t: sse avx2\n\n"
            )
        };
        let text: String = [(0, 0), (1, 0), (2, 1), (3, 1)]
            .map(|(i, c)| block(i, c))
            .concat();
        let cpu = parse_cpu(&text);
        assert_eq!((cpu.logical, cpu.cores), (4, 2));
        assert_eq!((cpu.model.as_str(), cpu.flags.len()), ("A: B", 2));
        assert_eq!(parse_cpu(""), Cpu::default());
    }

    #[test]
    fn load_needs_three_numbers() {
        assert_eq!(
            parse_load("0.40 0.30 0.20 1/90 123\n"),
            Some([0.4, 0.3, 0.2])
        );
        assert_eq!(parse_load("0.40 x"), None);
    }
}
