//! A monitor that keeps what it is told.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use crate::{FinishedRequest, Monitor, StreamEnding};

/// Keeps a line for each call.
#[derive(Default)]
pub(crate) struct RecordingMonitor(Mutex<Vec<String>>);

impl RecordingMonitor {
    /// The metrics that it renders.
    pub(crate) const METRICS: &str = "doable_things_total 1\n";

    /// Takes the lines since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Monitor for RecordingMonitor {
    fn request_started(&self) {
        self.push("started".to_owned());
    }

    fn request_finished(&self, request: &FinishedRequest<'_>) {
        let FinishedRequest { route, method, status, code, .. } = request;
        self.push(format!("{method} {route} {status} {code}").trim_end().to_owned());
    }

    fn stream_started(&self, route: &str) {
        self.push(format!("stream {route}"));
    }

    fn stream_ended(&self, route: &str, ending: StreamEnding) {
        self.push(format!("stream {route} {}", ending.as_str()));
    }

    fn render(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(Self::METRICS.to_owned())
    }
}
