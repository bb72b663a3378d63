//! `paytone snapshot`

use serde_json::json;

use super::{Failure, client::Reach, look_back, show};

/// Makes one on the running server and says where it is.
pub async fn run(reach: &Reach) -> Result<(), Failure> {
    let client = reach.client()?;
    let begun = client.post("/snapshots", &json!({})).await?;
    let made = look_back::wait(&client, &begun).await?;
    if show::as_json(reach.json, &made) {
        return Ok(());
    }
    if made["new"] == true {
        println!(
            "snapshot at row {}: {} bytes, {} rows after the one before",
            made["position"], made["bytes"], made["rows"]
        );
    } else {
        println!("snapshot at row {} is there already", made["position"]);
    }
    println!("{}", show::text(&made["name"]));
    Ok(())
}
