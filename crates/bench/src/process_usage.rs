//! CPU time and memory of processes, from `/proc` (`proc_pid_stat(5)`). Linux only: `None` elsewhere, or if the process
//! has ended.

use std::time::Duration;

/// CPU time of a process and all its threads, in user and kernel mode.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    platform::cpu_time(pid)
}

/// CPU time of a process, of its children that have ended, and of those that run. It never decreases.
pub(crate) fn family_cpu_time(pid: u32) -> Option<Duration> {
    platform::family_cpu_time(pid)
}

/// Resident memory in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    platform::resident_bytes(pid)
}

/// The number of CPUs, their model and the kernel.
pub(crate) fn machine() -> Option<String> {
    platform::machine()
}

#[cfg(target_os = "linux")]
mod platform {
    use std::time::Duration;

    use procfs::process::{Process, Stat};
    use procfs::sys::kernel::Version;
    use procfs::{CpuInfo, Current as _, WithCurrentSystemInfo as _};

    fn process(pid: u32) -> Option<Process> {
        Process::new(i32::try_from(pid).ok()?).ok()
    }

    fn duration(ticks: u64) -> Duration {
        Duration::from_micros(ticks * 1_000_000 / procfs::ticks_per_second())
    }

    fn own_ticks(stat: &Stat) -> u64 {
        stat.utime + stat.stime
    }

    pub(super) fn cpu_time(pid: u32) -> Option<Duration> {
        Some(duration(own_ticks(&process(pid)?.stat().ok()?)))
    }

    pub(super) fn family_cpu_time(pid: u32) -> Option<Duration> {
        let parent = process(pid)?;
        let stat = parent.stat().ok()?;
        let ended = u64::try_from(stat.cutime + stat.cstime).ok()?;
        // A child that ends now is counted with the ended ones next time.
        let children = parent.task_main_thread().ok()?.children().ok()?;
        let running: u64 =
            children.into_iter().filter_map(|child| Some(own_ticks(&process(child)?.stat().ok()?))).sum();
        Some(duration(own_ticks(&stat) + ended + running))
    }

    pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
        Some(process(pid)?.stat().ok()?.rss_bytes().get())
    }

    pub(super) fn machine() -> Option<String> {
        let cpus = CpuInfo::current().ok()?;
        let model = cpus.model_name(0).unwrap_or("unknown model");
        let kernel = Version::current().ok()?;
        Some(format!("{} CPUs ({model}), Linux {}.{}", cpus.num_cores(), kernel.major, kernel.minor))
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::time::Duration;

    pub(super) fn cpu_time(_: u32) -> Option<Duration> {
        None
    }

    pub(super) fn family_cpu_time(_: u32) -> Option<Duration> {
        None
    }

    pub(super) fn resident_bytes(_: u32) -> Option<u64> {
        None
    }

    pub(super) fn machine() -> Option<String> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// Maximum time until a busy process has used CPU time.
    const DEADLINE: Duration = Duration::from_mins(1);

    #[test]
    fn the_time_of_a_running_child_is_counted_with_its_parent() {
        let mut parent = Command::new("/bin/sh")
            .args(["-c", "sh -c 'while :; do :; done' >/dev/null & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut busy_child = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut busy_child).unwrap();
        let is_counted = || {
            let family = family_cpu_time(parent.id()).unwrap();
            family > cpu_time(parent.id()).unwrap()
        };
        let start = Instant::now();
        while !is_counted() && start.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(10));
        }
        let counted = is_counted();
        assert!(Command::new("kill").arg(busy_child.trim()).status().unwrap().success());
        parent.wait().unwrap();
        assert!(counted);
        assert!(cpu_time(parent.id()).is_none());
    }

    #[test]
    fn memory_of_this_process_is_between_a_megabyte_and_a_gigabyte() {
        let bytes = resident_bytes(std::process::id()).unwrap();
        assert!((1 << 20..1 << 30).contains(&bytes), "{bytes}");
    }
}
