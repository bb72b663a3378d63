//! By which an idempotency key, and what came with it, is known again.

use aws_lc_rs::digest::{self, SHA256};

/// The first 16 bytes of SHA-256 over all parts. All but the last must have a length of their own, or end with a mark.
pub fn short_hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut context = digest::Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 16];
    hash.copy_from_slice(&context.finish().as_ref()[..16]);
    hash
}
