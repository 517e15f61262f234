//! A measured number, and how series of durations become one.

use std::time::Duration;

use serde::Serialize;

/// One measured number.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// As in the table of targets in `xtask/src/bench.rs`.
    pub name: &'static str,
    /// In `unit`.
    pub value: f64,
    /// "ms", "MiB", "/s".
    pub unit: &'static str,
}

impl Figure {
    /// A figure.
    pub fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit }
    }
}

/// The duration that the given share of a series does not exceed, in
/// milliseconds. `share` from 0 to 1; 0 for an empty series.
pub fn quantile_ms(series: &mut [Duration], share: f64) -> f64 {
    series.sort_unstable();
    let last = series.len().saturating_sub(1) as f64;
    let at = (last * share.clamp(0.0, 1.0)).round() as usize;
    series
        .get(at)
        .map_or(0.0, |duration| duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_series() {
        let mut series: Vec<Duration> = (0..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile_ms(&mut series, 0.5), 50.0);
        assert_eq!(quantile_ms(&mut series, 0.99), 99.0);
        assert_eq!(quantile_ms(&mut [], 0.5), 0.0);
    }
}
