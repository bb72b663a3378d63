//! EMV, issuer side and card side: keys, cryptograms, and what chip data say.
//!
//! ```text
//!   issuer master key ──▶ key of a card ──▶ key of a transaction ──▶ ARQC ──▶ ARPC
//!     (Key)   derivation::card_key   Version::session      CardKeys::cryptogram, verify, answer
//! ```
//! A [`Version`] is one row of a table: how the card's key is derived, how the transaction's, what is signed and how it
//! is filled up, and how the issuer answers. [`ChipData`] is what field 55 carried.
//!
//! | clause | where |
//! |---|---|
//! | Book 2 A1.2 application cryptogram, 8.1.2 | [`cryptogram`], [`cipher`] |
//! | Book 2 A1.3 session keys | [`derivation`] |
//! | Book 2 A1.4 master keys, options A, B and C | [`derivation`] |
//! | Book 2 8.2 issuer authentication, methods 1 and 2 | [`cryptogram`] |
//! | Book 3 Annex C5 TVR, Book 4 A4 CVM results | [`results`] |
//! | Book 3 Annex C7 CCD issuer application data | [`issuer_data`] |
//!
//! **Invariant:** keys are wiped when they go and never printed; cryptograms are compared in constant time.
//!
//! **Not here:** whether a counter was seen before, where keys are kept.

pub mod chip_data;
pub mod cipher;
pub mod cryptogram;
pub mod derivation;
pub mod issuer_data;
pub mod key;
pub mod phone;
pub mod results;
pub mod version;

pub use chip_data::ChipData;
pub use cryptogram::{CardKeys, IssuerAnswer};
pub use issuer_data::IssuerData;
pub use key::Key;
pub use phone::{Phone, Tap};
pub use results::{CvmResults, Tvr};
pub use version::Version;
