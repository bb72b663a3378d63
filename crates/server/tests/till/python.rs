//! A terminal and a phone in Python, made of pyiso8583 and pyemv: it shares no code with ours.

use std::path::Path;

use serde_json::json;
use tokio::process::Command;

use crate::{
    Scene,
    scene::{ACCEPTOR, TERMINAL},
};

#[tokio::test]
async fn a_terminal_of_other_peoples_code_pays_repeats_reverses_and_is_refused() {
    let scene = Scene::open().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracles");
    let phone = serde_json::to_value(&scene.file).expect("JSON");
    let asked = json!({
        "host": scene.address.ip().to_string(),
        "port": scene.address.port(),
        "acceptor": ACCEPTOR,
        "terminal": TERMINAL,
        "phone": phone,
    });
    let file = scene.test.folder().join("terminal.json");
    std::fs::write(&file, asked.to_string()).expect("written");
    let ran = Command::new(folder.join("python/bin/python"))
        .arg(folder.join("till_terminal.py"))
        .arg(&file)
        .output()
        .await
        .expect("run scripts/install: it puts Python's packages there");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let said: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_eq!(
        said,
        json!({
            "sign_on": ["0810", "00"],
            "purchase": ["0210", "00"],
            "issuer_answered": true,
            "repeat": ["0210", "00"],
            "same_approval": true,
            "replay": ["0210", "63"],
            "wrong_cryptogram": ["0210", "82"],
            "fallback": ["0210", "57"],
            "reversal": ["0430", "00"],
            "reversed_again": ["0430", "00"],
            "kept": ["0210", "00"],
            // Above the tap limit, and Alice has no phone that could be asked.
            "claimed_by_the_terminal": ["0210", "1A"],
            "verified_by_the_phone": ["0210", "00"],
            "echo": ["0810", "00"],
        })
    );
    // What was bought and kept.
    assert_eq!(scene.cash().await, 500_000 - 2_345 - 60_000);
    scene.close().await;
}
