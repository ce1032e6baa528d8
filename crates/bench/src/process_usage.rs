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
    use std::io::{Read as _, Write as _};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_time_of_a_running_child_is_counted_with_its_parent() {
        // The child ends when its input closes.
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read line";
        let mut child = Command::new("/bin/sh")
            .args(["-c", "sh -c \"$0\" & wait", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 5];
        child.stdout.take().unwrap().read_exact(&mut line).unwrap();
        let (own, family) = (cpu_time(child.id()).unwrap(), family_cpu_time(child.id()).unwrap());
        drop(child.stdin.take().unwrap().write_all(b"\n"));
        child.wait().unwrap();
        assert!(family > own + Duration::from_millis(20), "{family:?} with children, {own:?} without");
        assert!(cpu_time(child.id()).is_none());
    }

    #[test]
    fn memory_of_this_process_is_between_a_megabyte_and_a_gigabyte() {
        let bytes = resident_bytes(std::process::id()).unwrap();
        assert!((1 << 20..1 << 30).contains(&bytes), "{bytes}");
    }
}
