//! The five boot phases: when each began and ended. Pure.
//!
//! Phases are for people: a service starts as soon as those before it are
//! ready, whatever the phase. **No phase hangs the boot**: each ends when its
//! services are ready or were given up.

use aios_service::names::PHASES;
use aios_service::supervise::Millis;

/// After phase 3 the orchestrator has this long to bring up its agents and say
/// that it goes by itself. 120 s: it waits 90 s for them before it goes without some.
pub const AUTONOMY_PATIENCE: Millis = 120_000;

/// What is known of the services at a moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Has a service of phases 1 to 4 been started?
    pub started: [bool; 4],
    /// Are all services of phases 1 to 4 ready or given up?
    pub settled: [bool; 4],
    /// The orchestrator said `AIOS_PHASE=5`.
    pub autonomous: bool,
    /// There is no orchestrator to wait for.
    pub orchestrator_gone: bool,
    /// What should be there and is not.
    pub missing: Vec<String>,
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A phase (1 to 5) began.
    Started(usize, Millis),
    /// A phase ended.
    Done(usize, Millis),
    /// All ended; what is missing.
    Ready(Millis, Vec<String>),
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |phase: &usize| PHASES.get(phase - 1).unwrap_or(&"?");
        match self {
            Self::Started(phase, at) => {
                write!(f, "phase {phase} {} started at {at} ms", name(phase))
            }
            Self::Done(phase, at) => write!(f, "phase {phase} {} done at {at} ms", name(phase)),
            Self::Ready(at, missing) if missing.is_empty() => write!(f, "READY after {at} ms"),
            Self::Ready(at, missing) => {
                write!(f, "READY after {at} ms (degraded: {})", missing.join(", "))
            }
        }
    }
}

/// Start and end of each phase, and of the whole.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Start and end.
    pub phases: [(Option<Millis>, Option<Millis>); PHASES.len()],
    /// All phases ended.
    pub ready: Option<Millis>,
    /// Something was missing then.
    pub degraded: bool,
}

impl Timeline {
    /// Phase 1 began at `now`, before there was anything to update from.
    pub fn begin(&mut self, now: Millis) {
        if let Some(first) = self.phases.first_mut() {
            first.0 = Some(now);
        }
    }

    /// Takes what is known at `now`; what is new.
    pub fn update(&mut self, now: Millis, facts: &Facts) -> Vec<Line> {
        let mut lines = Vec::new();
        if self.ready.is_some() {
            return lines;
        }
        let mut after = true; // the phase before has ended
        for place in 0..PHASES.len() {
            let is_over = self.is_over(now, place, facts);
            let begun = facts.started.get(place).copied().unwrap_or(false);
            let Some((start, end)) = self.phases.get_mut(place) else {
                break; // there are as many phases as names
            };
            if start.is_none() && (after || begun) {
                *start = Some(now);
                lines.push(Line::Started(place + 1, now));
            }
            if end.is_none() && after && is_over {
                *end = Some(now);
                lines.push(Line::Done(place + 1, now));
            }
            after = end.is_some();
        }
        if self.phases[4].1.is_some() {
            self.ready = Some(now);
            self.degraded = !facts.missing.is_empty();
            lines.push(Line::Ready(now, facts.missing.clone()));
        }
        lines
    }

    fn is_over(&self, now: Millis, place: usize, facts: &Facts) -> bool {
        match place {
            3 => facts.settled[3] || self.is_past_waiting(now, facts),
            4 => self.is_past_waiting(now, facts),
            _ => facts.settled.get(place).copied().unwrap_or(true),
        }
    }

    fn is_past_waiting(&self, now: Millis, facts: &Facts) -> bool {
        let patience = self
            .autonomy_deadline()
            .is_some_and(|deadline| now >= deadline);
        facts.autonomous || facts.orchestrator_gone || patience
    }

    /// When waiting for the orchestrator ends, once it has begun.
    pub fn autonomy_deadline(&self) -> Option<Millis> {
        self.phases[2]
            .1
            .filter(|_| self.ready.is_none())
            .map(|end| end + AUTONOMY_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<String> {
        lines.iter().map(Line::to_string).collect()
    }

    #[test]
    fn phases_end_in_order_and_are_told_in_the_agreed_words() {
        let mut timeline = Timeline::default();
        let mut facts = Facts {
            started: [true, true, false, false],
            ..Facts::default()
        };
        let lines = timeline.update(10, &facts);
        assert_eq!(
            texts(&lines),
            [
                "phase 1 hardware and mounts started at 10 ms",
                "phase 2 model runtime started at 10 ms"
            ]
        );
        facts.settled = [false, true, true, true];
        assert_eq!(
            timeline.update(20, &facts),
            vec![],
            "phase 2 cannot end before phase 1"
        );
        facts.settled[0] = true;
        let lines = texts(&timeline.update(30, &facts));
        assert_eq!(lines[1], "phase 2 model runtime done at 30 ms");
        assert_eq!(
            lines.last().unwrap(),
            "phase 5 autonomy loop started at 30 ms"
        );
        facts.autonomous = true;
        let lines = texts(&timeline.update(44, &facts));
        assert_eq!(
            lines,
            ["phase 5 autonomy loop done at 44 ms", "READY after 44 ms"]
        );
    }

    #[test]
    fn without_an_orchestrator_the_boot_ends_degraded() {
        let mut timeline = Timeline::default();
        let facts = Facts {
            settled: [true, true, true, false],
            orchestrator_gone: true,
            missing: vec!["runtime".to_owned(), "orchestrator".to_owned()],
            ..Facts::default()
        };
        let lines = texts(&timeline.update(7, &facts));
        assert_eq!(
            lines.last().unwrap(),
            "READY after 7 ms (degraded: runtime, orchestrator)"
        );
        assert!(timeline.degraded);
    }

    #[test]
    fn a_silent_orchestrator_is_not_waited_for_for_ever() {
        let mut timeline = Timeline::default();
        let facts = Facts {
            settled: [true, true, true, false],
            ..Facts::default()
        };
        timeline.update(0, &facts);
        assert_eq!(timeline.autonomy_deadline(), Some(AUTONOMY_PATIENCE));
        timeline.update(AUTONOMY_PATIENCE - 1, &facts);
        assert_eq!(timeline.ready, None);
        timeline.update(AUTONOMY_PATIENCE, &facts);
        assert_eq!(timeline.ready, Some(AUTONOMY_PATIENCE));
        assert_eq!(timeline.autonomy_deadline(), None);
    }
}
