//! `paytone demo`

use super::Failure;

pub async fn run(args: crate::demo::Args) -> Result<(), Failure> {
    super::log("warn", false);
    crate::demo::run(args).await
}
