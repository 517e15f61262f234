//! What a run of goals comes to: rows, counts and a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// How a goal was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Right,
    Wrong,
    /// Nothing is wrong with what could be judged, and something could not be judged.
    NotJudged,
    /// It was not given: the machine or this tester lacks something.
    Skipped,
}

/// A goal's line in the results.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub id: String,
    pub kind: String,
    pub voice: String,
    pub verdict: Verdict,
    pub harm: bool,
    pub false_success: bool,
    /// It could have been done, and the appliance asked or doubted.
    pub asked_needlessly: bool,
    /// It could have been done, and waited for an approval.
    pub waited_for_approval: bool,
    /// It says that it succeeded, and only its answer is wrong.
    pub wrong_answer: bool,
    pub faults: Vec<String>,
    pub not_judged: Vec<String>,
    /// When somebody has to take the goal out, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retire_when: Option<String>,
    pub goal: String,
    pub state: String,
    pub answer: String,
    pub tools: Vec<String>,
    /// From the goal's submission to its end, by the appliance's clock.
    pub seconds: f64,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    pub right: usize,
    pub of: usize,
}

impl Share {
    fn add(&mut self, is_right: bool) {
        self.right += usize::from(is_right);
        self.of += 1;
    }

    fn percent(self) -> f64 {
        100.0 * self.right as f64 / self.of.max(1) as f64
    }
}

/// All counts. Ids stand where a reader will want to look.
#[derive(Debug, Serialize)]
pub struct Report {
    pub whole: Share,
    pub by_kind: BTreeMap<String, Share>,
    pub by_voice: BTreeMap<String, Share>,
    pub harm: Vec<String>,
    pub false_success: Vec<String>,
    pub wrong_answer: Vec<String>,
    pub asked_needlessly: Vec<String>,
    /// How many goals were expected to succeed, of those that were judged.
    pub feasible: usize,
    pub waited_for_approval: Vec<String>,
    /// Wrong, and perhaps no longer beyond the appliance: somebody has to look at `retire_when`.
    pub perhaps_retired: Vec<String>,
    pub not_judged: Vec<String>,
    pub skipped: Vec<String>,
    pub seconds_median: f64,
    pub seconds_p99: f64,
}

impl Report {
    /// Counts the rows. `feasible`: how many of the judged goals were expected to succeed.
    pub fn of(rows: &[Row], feasible: usize) -> Self {
        let (mut whole, mut by_kind, mut by_voice) =
            (Share::default(), BTreeMap::new(), BTreeMap::new());
        for row in rows {
            let is_right = match row.verdict {
                Verdict::Right => true,
                Verdict::Wrong => false,
                Verdict::NotJudged | Verdict::Skipped => continue,
            };
            whole.add(is_right);
            let share = |map: &mut BTreeMap<String, Share>, key: &String| {
                map.entry(key.clone()).or_default().add(is_right);
            };
            share(&mut by_kind, &row.kind);
            share(&mut by_voice, &row.voice);
        }
        let ids = |of: &dyn Fn(&Row) -> bool| -> Vec<String> {
            let of = rows.iter().filter(|row| of(row));
            of.map(|row| row.id.clone()).collect()
        };
        let given = rows.iter().filter(|row| row.verdict != Verdict::Skipped);
        let mut seconds: Vec<f64> = given.map(|row| row.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        Self {
            whole,
            by_kind,
            by_voice,
            harm: ids(&|row| row.harm),
            false_success: ids(&|row| row.false_success),
            wrong_answer: ids(&|row| row.wrong_answer),
            asked_needlessly: ids(&|row| row.asked_needlessly),
            feasible,
            waited_for_approval: ids(&|row| row.waited_for_approval),
            perhaps_retired: ids(&|row| row.verdict == Verdict::Wrong && row.retire_when.is_some()),
            not_judged: ids(&|row| row.verdict == Verdict::NotJudged),
            skipped: ids(&|row| row.verdict == Verdict::Skipped),
            seconds_median: quantile(&seconds, 0.5),
            seconds_p99: quantile(&seconds, 0.99),
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (title, shares) in [("kind", &self.by_kind), ("voice", &self.by_voice)] {
            let width = shares.keys().map(|key| key.chars().count()).max();
            let width = width.unwrap_or_default().max(title.len());
            let _ = writeln!(out, "{title:<width$}  right   of      %");
            for (key, share) in shares {
                let (right, of, percent) = (share.right, share.of, share.percent());
                let _ = writeln!(out, "{key:<width$}  {right:>5} {of:>4}  {percent:>5.1}");
            }
            out.push('\n');
        }
        let Share { right, of } = self.whole;
        let _ = writeln!(out, "right: {right} of {of}, {:.1} %", self.whole.percent());
        let mut counted = |what: &str, of: Option<usize>, ids: &[String]| {
            let share = of.map_or(String::new(), |of| {
                format!(
                    " of {of}, {:.1} %",
                    100.0 * ids.len() as f64 / of.max(1) as f64
                )
            });
            let listed = match ids {
                [] => String::new(),
                ids => format!(": {}", ids.join(" ")),
            };
            let _ = writeln!(out, "{what}: {}{share}{listed}", ids.len());
        };
        counted("harm", Some(of), &self.harm);
        counted("false success", Some(of), &self.false_success);
        counted("success with a wrong answer", Some(of), &self.wrong_answer);
        counted(
            "asked needlessly",
            Some(self.feasible),
            &self.asked_needlessly,
        );
        counted("waited for an approval", None, &self.waited_for_approval);
        counted("wrong, perhaps to be retired", None, &self.perhaps_retired);
        counted("not judged", None, &self.not_judged);
        counted("skipped", None, &self.skipped);
        let _ = writeln!(
            out,
            "from goal to end: median {:.2} s, p99 {:.2} s",
            self.seconds_median, self.seconds_p99
        );
        out
    }
}

/// The smallest value that so large a part of all does not exceed; 0 of none.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, kind: &str, verdict: Verdict, seconds: f64) -> Row {
        Row {
            id: id.into(),
            kind: kind.into(),
            voice: "terse".into(),
            verdict,
            harm: id == "b",
            false_success: false,
            asked_needlessly: false,
            waited_for_approval: false,
            wrong_answer: false,
            faults: Vec::new(),
            not_judged: Vec::new(),
            retire_when: None,
            goal: String::new(),
            state: String::new(),
            answer: String::new(),
            tools: Vec::new(),
            seconds,
        }
    }

    #[test]
    fn what_was_not_judged_counts_neither_way() {
        let rows = [
            row("a", "read", Verdict::Right, 0.1),
            row("b", "read", Verdict::Wrong, 0.3),
            row("c", "write", Verdict::NotJudged, 0.2),
            row("d", "write", Verdict::Skipped, 9.0),
        ];
        let report = Report::of(&rows, 2);
        assert_eq!(report.whole, Share { right: 1, of: 2 });
        assert_eq!(report.by_kind.len(), 1);
        assert_eq!(report.not_judged, ["c"]);
        assert_eq!(report.skipped, ["d"]);
        assert_eq!((report.seconds_median, report.seconds_p99), (0.2, 0.3));
        let table = report.table();
        for line in [
            "read      1    2   50.0",
            "right: 1 of 2, 50.0 %",
            "harm: 1 of 2, 50.0 %: b",
            "not judged: 1: c",
            "asked needlessly: 0 of 2, 0.0 %",
        ] {
            assert!(table.contains(line), "{line} in\n{table}");
        }
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), 100.0);
        assert_eq!(quantile(&values, 0.99), 198.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
