//! Metrics of the process, under the names that all clients of Prometheus use
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>). A value that cannot be read is absent.

use procfs::WithCurrentSystemInfo as _;
use procfs::process::{LimitValue, Process, Stat};

use super::reading::{Kind, Reading};
use super::registry::Metrics;

/// Adds CPU time, memory, file descriptors, threads and start time.
pub(crate) fn process(metrics: &Metrics) -> Result<(), prometheus::Error> {
    type Row = (Kind, &'static str, &'static str, fn() -> Option<f64>);
    let rows: [Row; 7] = [
        (Kind::Counter, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", || {
            let stat = stat()?;
            Some(float(stat.utime + stat.stime) / float(procfs::ticks_per_second()))
        }),
        (Kind::Gauge, "process_resident_memory_bytes", "Resident memory size in bytes.", || {
            Some(float(stat()?.rss_bytes().get()))
        }),
        (Kind::Gauge, "process_virtual_memory_bytes", "Virtual memory size in bytes.", || Some(float(stat()?.vsize))),
        (Kind::Gauge, "process_open_fds", "Number of open file descriptors.", || {
            Some(float(u64::try_from(own()?.fd_count().ok()?).ok()?))
        }),
        (Kind::Gauge, "process_max_fds", "Maximum number of open file descriptors.", || {
            match own()?.limits().ok()?.max_open_files.soft_limit {
                LimitValue::Value(limit) => Some(float(limit)),
                LimitValue::Unlimited => None,
            }
        }),
        (Kind::Gauge, "process_threads", "Number of OS threads in the process.", || {
            Some(float(u64::try_from(stat()?.num_threads).ok()?))
        }),
        (
            Kind::Gauge,
            "process_start_time_seconds",
            "Start time of the process since the Unix epoch in seconds.",
            || {
                let since_boot = float(stat()?.starttime) / float(procfs::ticks_per_second());
                Some(float(procfs::boot_time_secs().ok()?) + since_boot)
            },
        ),
    ];
    for (kind, name, help, value) in rows {
        metrics.read(Reading::single(kind, name, help, value)?)?;
    }
    Ok(())
}

fn own() -> Option<Process> {
    Process::myself().ok()
}

fn stat() -> Option<Stat> {
    own()?.stat().ok()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
