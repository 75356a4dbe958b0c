//! What it all ran on: the processor, the system, the program itself, and memory.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    process::Command,
};

use cliploupe_engine::device;
use serde::Serialize;

use super::{Figure, figure};

/// A machine and a program, as far as they decide how fast something is.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's own name; empty where the system does not tell.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// What of the wide instructions that matter here the processor has.
    pub simd: Vec<&'static str>,
    /// Memory in MiB, where the system tells.
    pub memory_mib: Option<u64>,
    /// The operating system, and which one where it tells.
    pub os: String,
    /// The program's version.
    pub version: &'static str,
    /// `release`, or `debug`, whose figures say nothing about a release.
    pub profile: &'static str,
}

/// This one.
pub fn machine() -> Machine {
    Machine {
        cpu: cpu_name().unwrap_or_default(),
        cores: cores(),
        simd: device::cpu().simd,
        memory_mib: kib_of("/proc/meminfo", "MemTotal").map(|kib| kib / 1024),
        os: os(),
        version: env!("CARGO_PKG_VERSION"),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" },
    }
}

/// Cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn cpu_name() -> Option<String> {
    if cfg!(target_os = "macos") {
        let said = Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
        return Some(String::from_utf8_lossy(&said.stdout).trim().to_owned());
    }
    if cfg!(windows) {
        return std::env::var("PROCESSOR_IDENTIFIER").ok();
    }
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn os() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map(|name| format!(" ({})", name.trim_matches('"'))).unwrap_or_default();
    format!("{} {}{name}", std::env::consts::OS, std::env::consts::ARCH)
}

/// A line of a file of Linux that gives kilobytes.
fn kib_of(path: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// What Linux says of a process's memory in MiB: `VmHWM` is the largest it has had, `VmRSS` what it has now.
pub(super) fn memory(process: &str, key: &str) -> Option<f64> {
    kib_of(&format!("/proc/{process}/status"), key).map(|kib| kib as f64 / 1024.0)
}

/// Largest memory this process has had, where the system tells.
pub fn peak_memory() -> Option<Figure> {
    Some(figure("peak memory", memory("self", "VmHWM")?, "MiB"))
}

/// Largest memory that another process has had so far in MiB, where the system tells and while it runs.
pub fn peak_memory_of(process: u32) -> Option<f64> {
    memory(&process.to_string(), "VmHWM")
}

/// Whether a program has no table of symbols any more; `None` where it is no ELF file of 64 bits, which says so by its
/// sections.
///
/// # Errors
/// If it cannot be read.
pub fn is_stripped(program: &Path) -> io::Result<Option<bool>> {
    // elf(5): Elf64_Ehdr, and in every Elf64_Shdr the type at 4; SHT_SYMTAB is 2.
    const SECTION_BYTES: u64 = 64;
    const SYMTAB: [u8; 4] = [2, 0, 0, 0];
    let mut file = File::open(program)?;
    let mut header = [0; 64];
    let is_elf = file.read_exact(&mut header).is_ok() && header.starts_with(b"\x7fELF\x02\x01");
    let place = u64::from_le_bytes(*header[0x28..].first_chunk().expect("the header is longer"));
    let [size, count] = [0x3a, 0x3c].map(|at| u64::from(u16::from_le_bytes([header[at], header[at + 1]])));
    if !is_elf || size != SECTION_BYTES || count == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(place))?;
    let mut sections = vec![0; (size * count) as usize];
    file.read_exact(&mut sections)?;
    Ok(Some(sections.chunks_exact(size as usize).all(|section| section[4..8] != SYMTAB)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_elf_files_say_whether_they_are_stripped() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        fs::write(&text, "no program").unwrap();
        assert_eq!(is_stripped(&text).unwrap(), None);
        assert!(is_stripped(&folder.path().join("missing")).is_err());
        // A test is never stripped: a backtrace needs its symbols.
        let own = is_stripped(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(own, cfg!(target_os = "linux").then_some(false));
    }

    #[test]
    fn this_machine_has_a_core_and_a_system() {
        let here = machine();
        assert!(here.cores > 0 && here.os.starts_with(std::env::consts::OS));
    }
}
