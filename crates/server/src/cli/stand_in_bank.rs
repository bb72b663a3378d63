//! `paytone stand-in-bank`

use super::Failure;
use crate::workers::stand_in_bank;

pub async fn run(args: stand_in_bank::Args) -> Result<(), Failure> {
    super::log("warn", false);
    stand_in_bank::run(args).await.map_err(Failure::new)
}
