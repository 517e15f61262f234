//! Exact nearest neighbours by cosine: one matrix of normalised rows.

use std::collections::BinaryHeap;

/// A row that is near, and how near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// Its number in the database.
    pub number: i64,
    /// Cosine, -1 to 1.
    pub similarity: f32,
}

/// Rows of one width; a new width begins afresh.
#[derive(Debug, Default)]
pub struct Index {
    width: usize,
    numbers: Vec<i64>,
    kinds: Vec<u16>,
    names: Vec<String>,
    matrix: Vec<f32>,
}

impl Index {
    /// How many numbers a row has; 0 while there is none.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Is there no row?
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Puts a row in, or another vector in its place. False when the width is not
    /// that of the others.
    #[must_use]
    pub fn put(&mut self, number: i64, kind: &str, vector: &[f32]) -> bool {
        if self.is_empty() {
            self.width = vector.len();
        }
        if vector.len() != self.width || vector.is_empty() {
            return false;
        }
        let kind = self.kind(kind);
        match self.numbers.iter().rposition(|known| *known == number) {
            Some(row) => {
                self.kinds[row] = kind;
                self.matrix[row * self.width..][..self.width].copy_from_slice(vector);
            }
            None => {
                self.numbers.push(number);
                self.kinds.push(kind);
                self.matrix.extend_from_slice(vector);
            }
        }
        assert_eq!(self.matrix.len(), self.numbers.len() * self.width);
        true
    }

    /// Forgets the rows up to this number.
    pub fn forget_up_to(&mut self, number: i64) {
        if self.numbers.iter().all(|known| *known > number) {
            return;
        }
        let old = std::mem::take(self);
        self.names = old.names;
        self.width = old.width;
        for (row, known) in old.numbers.iter().enumerate() {
            if *known > number {
                self.numbers.push(*known);
                self.kinds.push(old.kinds[row]);
                self.matrix
                    .extend_from_slice(&old.matrix[row * old.width..][..old.width]);
            }
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The `limit` rows nearest to a normalised vector, of a kind (empty: of all),
    /// the nearest first.
    pub fn nearest(&self, vector: &[f32], kind: &str, limit: usize) -> Vec<Near> {
        if vector.len() != self.width || limit == 0 {
            return Vec::new();
        }
        let kind = match kind {
            "" => None,
            kind => match self.names.iter().position(|known| known == kind) {
                Some(kind) => Some(kind as u16),
                None => return Vec::new(),
            },
        };
        let mut best: BinaryHeap<Candidate> = BinaryHeap::with_capacity(limit + 1);
        for (row, candidate) in self.matrix.chunks_exact(self.width).enumerate() {
            if kind.is_some_and(|kind| kind != self.kinds[row]) {
                continue;
            }
            best.push(Candidate(dot(candidate, vector), self.numbers[row]));
            if best.len() > limit {
                best.pop();
            }
        }
        let near = |Candidate(similarity, number)| Near { number, similarity };
        best.into_sorted_vec().into_iter().map(near).collect()
    }

    fn kind(&mut self, name: &str) -> u16 {
        let known = self.names.iter().position(|known| known == name);
        let kind = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        // More kinds than that share one number: then a search by kind finds too much.
        u16::try_from(kind).unwrap_or(u16::MAX)
    }
}

/// Ordered so that the heap's greatest is the farthest; of equals, the oldest goes first.
struct Candidate(f32, i64);

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0).then(other.1.cmp(&self.1))
    }
}
impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Candidate {}

/// In eight lanes, which the compiler turns into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f32 = rest.map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Scales to length 1. None when that cannot be: zero, infinite or not a number.
pub fn normalised(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt();
    if !length.is_finite() || length < 1e-12 {
        return None;
    }
    vector
        .iter_mut()
        .for_each(|x| *x = (f64::from(*x) / length) as f32);
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_vectors_are_not_normalised() {
        for vector in [
            vec![],
            vec![0.0; 3],
            vec![f32::NAN, 1.0],
            vec![f32::INFINITY],
        ] {
            assert_eq!(normalised(vector.clone()), None, "{vector:?}");
        }
        assert_eq!(normalised(vec![3.0, -4.0]), Some(vec![0.6, -0.8]));
    }

    #[test]
    fn another_width_is_refused_and_kinds_are_kept_apart() {
        let mut index = Index::default();
        assert!(index.put(1, "note", &[1.0, 0.0]));
        assert!(index.put(2, "goal", &[0.0, 1.0]));
        assert!(!index.put(3, "note", &[1.0]));
        let near = index.nearest(&[1.0, 0.0], "goal", 5);
        assert_eq!(
            near,
            [Near {
                number: 2,
                similarity: 0.0
            }]
        );
        assert!(index.nearest(&[1.0, 0.0], "other", 5).is_empty());
        assert!(index.nearest(&[1.0], "", 5).is_empty());
        index.forget_up_to(1);
        assert_eq!(index.len(), 1);
        assert_eq!(index.nearest(&[0.0, 1.0], "", 5)[0].number, 2);
    }

    proptest! {
        #[test]
        fn the_nearest_are_those_that_sorting_all_would_give(
            rows in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 11), 1..40),
            query in prop::collection::vec(-1.0_f32..1.0, 11),
            limit in 0_usize..50,
        ) {
            let mut index = Index::default();
            let mut all = Vec::new();
            for (number, row) in rows.iter().enumerate() {
                prop_assert!(index.put(number as i64, "note", row));
                all.push(dot(row, &query));
            }
            all.sort_by(|a, b| b.total_cmp(a));
            all.truncate(limit);
            let found: Vec<f32> =
                index.nearest(&query, "", limit).iter().map(|near| near.similarity).collect();
            prop_assert_eq!(found, all);
        }
    }
}
