//! What a process costs, from `/proc`.

use anyhow::{Context, Result};
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Share of one core, in per cent, that process `pid` uses over `span`.
pub(crate) fn cpu_percent(pid: u32, span: Duration) -> Result<f64> {
    let ticks_per_second = ticks_per_second()?;
    let (begun, before) = (Instant::now(), ticks(pid)?);
    thread::sleep(span);
    let used = ticks(pid)? - before;
    Ok(used / ticks_per_second / begun.elapsed().as_secs_f64() * 100.0)
}

/// Resident memory in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    status_mib(pid, "VmRSS:")
}

/// Most resident memory in MiB since the start or the last [`forget_peak`].
pub(crate) fn peak_mib(pid: u32) -> Result<f64> {
    status_mib(pid, "VmHWM:")
}

/// Lets the count of [`peak_mib`] begin anew, so that two phases of one process have a peak each.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    // proc_pid_clear_refs(5): 5 resets the peak to what is resident now.
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("the peak can't be reset")
}

fn status_mib(pid: u32, name: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("the process has ended")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// Processor time used so far, in clock ticks.
fn ticks(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; utime and stime are the 12th and 13th fields after it.
    let (_, rest) = stat.rsplit_once(')').context("an unknown form of /proc/<pid>/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |index: usize| -> Result<f64> { Ok(fields.get(index).context("too few fields")?.parse()?) };
    Ok(field(11)? + field(12)?)
}

fn ticks_per_second() -> Result<f64> {
    let output = Command::new("getconf").arg("CLK_TCK").output().context("getconf is missing")?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
