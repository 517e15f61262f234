//! The arithmetic of the heads: pooling, linear layers, softmax, BIO decoding. Pure functions.

/// `weight` (rows x x.len(), row-major) times `x`, plus `bias`.
pub(crate) fn linear(weight: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    weight
        .chunks_exact(x.len().max(1))
        .zip(bias)
        .map(|(row, bias)| dot(row, x) + bias)
        .collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Probabilities of logits divided by a temperature.
pub(crate) fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = logits
        .iter()
        .map(|l| ((l - max) / temperature).exp())
        .collect();
    let sum: f32 = exps.iter().sum();
    exps.into_iter().map(|e| e / sum).collect()
}

/// The sentence's vector: the mean of the tokens' states, then their mean
/// weighted by how well each fits `query`.
pub(crate) fn pool(states: &[f32], width: usize, query: &[f32]) -> Vec<f32> {
    let rows: Vec<&[f32]> = states.chunks_exact(width).collect();
    let even = vec![1.0 / rows.len() as f32; rows.len()];
    let scores: Vec<f32> = rows
        .iter()
        .map(|row| dot(row, query) / (width as f32).sqrt())
        .collect();
    let mut pooled = weighted(&rows, &even, width);
    pooled.extend(weighted(&rows, &softmax(&scores, 1.0), width));
    pooled
}

fn weighted(rows: &[&[f32]], weights: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0; width];
    for (row, weight) in rows.iter().zip(weights) {
        for (sum, value) in sum.iter_mut().zip(*row) {
            *sum += weight * value;
        }
    }
    sum
}

/// A run of tokens of one slot; `end` is one past the last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    /// Number of the slot: tags `2 * slot + 1` (first token) and `2 * slot + 2` (the others).
    pub(crate) slot: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The most likely legal sequence of tags (Viterbi), as runs.
///
/// Tag 0 is "outside". Only slots for which `allowed` holds are considered, and
/// a run's later tokens can only follow its first.
pub(crate) fn runs(scores: &[Vec<f32>], allowed: impl Fn(usize) -> bool) -> Vec<Run> {
    let tags = scores.first().map_or(0, Vec::len);
    let usable: Vec<usize> = (0..tags)
        .filter(|tag| *tag == 0 || allowed((tag - 1) / 2))
        .collect();
    let mut best: Vec<f32> = usable.iter().map(|tag| start_score(*tag, scores)).collect();
    let mut from: Vec<Vec<usize>> = Vec::with_capacity(scores.len());
    for row in scores.iter().skip(1) {
        let steps: Vec<(usize, f32)> = usable
            .iter()
            .map(|tag| {
                let (previous, score) = best_before(*tag, &usable, &best);
                (previous, score + row[*tag])
            })
            .collect();
        best = steps.iter().map(|step| step.1).collect();
        from.push(steps.iter().map(|step| step.0).collect());
    }
    collect_runs(&back_track(&best, &from, &usable))
}

/// Can a sequence start with this tag, and how well.
fn start_score(tag: usize, scores: &[Vec<f32>]) -> f32 {
    match is_inside(tag) {
        true => f32::NEG_INFINITY,
        false => scores[0][tag],
    }
}

fn is_inside(tag: usize) -> bool {
    tag > 0 && tag.is_multiple_of(2)
}

/// Which of the tags before leads best to this one; the first of equals.
fn best_before(tag: usize, usable: &[usize], best: &[f32]) -> (usize, f32) {
    usable
        .iter()
        .zip(best)
        .enumerate()
        .filter(|(_, (before, _))| !is_inside(tag) || **before == tag || **before == tag - 1)
        .map(|(index, (_, score))| (index, *score))
        .fold((0, f32::NEG_INFINITY), |a, b| if b.1 > a.1 { b } else { a })
}

fn back_track(best: &[f32], from: &[Vec<usize>], usable: &[usize]) -> Vec<usize> {
    let last =
        best.iter().enumerate().fold(
            (0, f32::NEG_INFINITY),
            |a, (i, s)| {
                if *s > a.1 { (i, *s) } else { a }
            },
        );
    let mut index = last.0;
    let mut path = Vec::with_capacity(from.len() + 1);
    path.extend(usable.get(index));
    for step in from.iter().rev() {
        index = step[index];
        path.push(usable[index]);
    }
    path.reverse();
    path
}

fn collect_runs(tags: &[usize]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (token, tag) in tags.iter().enumerate() {
        match (tag, runs.last_mut()) {
            (0, _) => {}
            (tag, Some(run)) if is_inside(*tag) && run.end == token => run.end += 1,
            (tag, _) => runs.push(Run {
                slot: (tag - 1) / 2,
                start: token,
                end: token + 1,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const O: usize = 0;

    fn rows(tags: &[usize]) -> Vec<Vec<f32>> {
        tags.iter()
            .map(|t| (0..5).map(|i| if i == *t { 2.0 } else { 0.0 }).collect())
            .collect()
    }

    #[test]
    fn runs_follow_their_tags() {
        let runs = runs(&rows(&[O, 1, 2, 2, 1, O, 3]), |_| true);
        assert_eq!(
            runs,
            [
                Run {
                    slot: 0,
                    start: 1,
                    end: 4
                },
                Run {
                    slot: 0,
                    start: 4,
                    end: 5
                },
                Run {
                    slot: 1,
                    start: 6,
                    end: 7
                },
            ]
        );
    }

    #[test]
    fn slots_that_the_act_does_not_have_are_never_found() {
        assert_eq!(runs(&rows(&[1, 2, 3, 4]), |slot| slot == 1).len(), 1);
        assert_eq!(runs(&rows(&[1, 2, 3, 4]), |_| false), []);
    }

    #[test]
    fn a_later_token_needs_a_first_one() {
        for run in runs(&rows(&[2, 2, O, 4, 1, 4]), |_| true) {
            assert!(run.end > run.start);
        }
        assert_eq!(runs(&[], |_| true), []);
    }

    #[test]
    fn softmax_survives_large_logits_and_sums_to_one() {
        let p = softmax(&[1e30, 0.0, -1e30], 1.0);
        assert_eq!(p, [1.0, 0.0, 0.0]);
        assert!((softmax(&[1.0, 2.0, 3.0], 2.0).iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn pooling_is_the_mean_and_the_weighted_mean() {
        let pooled = pool(&[1.0, 0.0, 3.0, 2.0], 2, &[1e6, 0.0]);
        assert_eq!(pooled, [2.0, 1.0, 3.0, 2.0]);
    }
}
