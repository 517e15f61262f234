//! The hashes of RFC 6962, section 2.1, and the right edge of a growing tree.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Hash of a leaf: SHA-256 of a zero byte and the leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(leaf)
        .finalize()
        .into()
}

/// Hash of an inner node: SHA-256 of a one byte and both children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// The roots of the perfect subtrees that a tree of some size consists of, the
/// largest first: all that is needed to append, and to know the root. One hash
/// per set bit of the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtrees' roots, the largest subtree first.
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// A frontier as [`Frontier::subtrees`] gave it; `None` when the number of
    /// hashes is not the one that the size needs.
    pub fn from_parts(size: u64, subtrees: Vec<Hash>) -> Option<Self> {
        (subtrees.len() == size.count_ones() as usize).then_some(Self { size, subtrees })
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.subtrees.push(node);
        self.size += 1;
        assert_eq!(self.subtrees.len(), self.size.count_ones() as usize);
    }

    /// The Merkle tree hash; of no leaves, the hash of the empty string.
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.subtrees.iter().rev();
        let Some(&last) = smallest_first.next() else {
            return Sha256::digest([]).into();
        };
        smallest_first.fold(last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    /// Inputs of the reference implementation's known-answer tests
    /// (Certificate Transparency, `merkle_tree_test`), with the roots of their prefixes.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    /// RFC 6962's definition, word for word: split at the largest power of two below n.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(
                    &by_definition(&leaves[..split]),
                    &by_definition(&leaves[split..]),
                )
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_reference_implementation() {
        let mut frontier = Frontier::default();
        assert_eq!(hex(&frontier.root()), ROOTS[0]);
        for (leaf, expected) in LEAVES.iter().zip(&ROOTS[1..]) {
            frontier.push(leaf_hash(leaf));
            assert_eq!(hex(&frontier.root()), *expected);
        }
    }

    #[test]
    fn roots_are_those_of_the_definition_at_every_size() {
        let leaves: Vec<Hash> = (0..300u32).map(|n| leaf_hash(&n.to_le_bytes())).collect();
        let mut frontier = Frontier::default();
        for size in 0..leaves.len() {
            assert_eq!(
                frontier.root(),
                by_definition(&leaves[..size]),
                "size {size}"
            );
            frontier.push(leaves[size]);
        }
    }

    #[test]
    fn a_frontier_of_the_wrong_length_is_refused() {
        assert!(Frontier::from_parts(3, vec![[0; 32]; 2]).is_some());
        assert!(Frontier::from_parts(3, vec![[0; 32]; 3]).is_none());
        assert!(Frontier::from_parts(0, vec![]).is_some());
    }
}
