//! Merkle trees as in RFC 9162, section 2.1: SHA-256, leaves and inner nodes told apart by their first byte.
//!
//! **Invariant:** the root over no leaves is the hash of nothing; a tree's left part is the largest power of two below its size.

use aws_lc_rs::digest::{Context, SHA256};

pub type Hash = [u8; 32];

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// SHA-256 of these bytes, with no domain of its own.
pub fn plain(bytes: &[u8]) -> Hash {
    hash(&[bytes])
}

/// Section 2.1.1: `HASH(0x00 ‖ salt ‖ entry)`.
pub fn leaf(salt: &[u8; 16], entry: &[u8]) -> Hash {
    hash(&[&[0], salt, entry])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left, right])
}

/// Takes leaves one by one and keeps only the roots of the full trees they make: as many as the count has bits.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    full: Vec<(u32, Hash)>,
    leaves: u64,
}

impl Roots {
    pub fn add(&mut self, leaf: Hash) {
        let mut tree = (0, leaf);
        while let Some((height, left)) = self.full.last().copied()
            && height == tree.0
        {
            self.full.pop();
            tree = (height + 1, node(&left, &tree.1));
        }
        self.full.push(tree);
        self.leaves += 1;
    }

    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    pub fn root(&self) -> Hash {
        let mut trees = self.full.iter().rev();
        let Some((_, last)) = trees.next() else {
            return hash(&[]);
        };
        trees.fold(*last, |right, (_, left)| node(left, &right))
    }
}

/// Section 2.1.3.1: the hashes beside the way from a leaf to the root, from the leaf upwards.
pub fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    let mut path = Vec::new();
    descend(leaves, index, &mut path);
    path
}

fn root(leaves: &[Hash]) -> Hash {
    let mut roots = Roots::default();
    leaves.iter().for_each(|leaf| roots.add(*leaf));
    roots.root()
}

fn descend(leaves: &[Hash], index: usize, path: &mut Vec<Hash>) {
    if leaves.len() <= 1 {
        return;
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    if index < split {
        descend(left, index, path);
        path.push(root(right));
    } else {
        descend(right, index - split, path);
        path.push(root(left));
    }
}

/// Section 2.1.3.2: the root that a leaf and a path make; `None` if they cannot belong to a tree of that size.
pub fn root_of_path(leaf: Hash, index: u64, leaves: u64, path: &[Hash]) -> Option<Hash> {
    if index >= leaves {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, leaves - 1, leaf);
    for beside in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node(beside, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count)
            .map(|number| hash(&[&[0], &number.to_be_bytes()]))
            .collect()
    }

    #[test]
    fn the_root_of_nothing_is_the_hash_of_nothing() {
        let hex = data_encoding::HEXLOWER.encode(&Roots::default().root());
        assert_eq!(
            hex,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn every_leaf_of_every_size_is_proven_and_no_other_is() {
        for count in 1..40 {
            let leaves = leaves(count);
            let top = root(&leaves);
            for (index, leaf) in (0..count).zip(&leaves) {
                let way = path(&leaves, usize::try_from(index).expect("small"));
                assert_eq!(root_of_path(*leaf, index, count, &way), Some(top));
                let other = hash(&[b"other"]);
                assert_ne!(root_of_path(other, index, count, &way), Some(top));
                if count > 1 {
                    let elsewhere = (index + 1) % count;
                    assert_ne!(root_of_path(*leaf, elsewhere, count, &way), Some(top));
                    assert_eq!(root_of_path(*leaf, index, count, &way[1..]), None);
                }
                let longer = [way.clone(), vec![other]].concat();
                assert_eq!(root_of_path(*leaf, index, count, &longer), None);
            }
        }
    }

    #[test]
    fn a_leaf_is_never_taken_for_a_node() {
        let two = leaves(2);
        let both = [two[0], two[1]].concat();
        assert_ne!(root(&two), leaf(&[0; 16], &both));
    }
}
