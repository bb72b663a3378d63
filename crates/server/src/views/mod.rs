//! Views: ordinary SQL tables derived from the journal, for lists and reports. They can be dropped and rebuilt.
